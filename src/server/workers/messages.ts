// What the main process and its workers say to each other, over a channel that only the two of them hold. It carries keys and secrets, and
// is never written anywhere. Values go as structured clones; the few that have no clone go as what they are made of.
import type { AccessRequest, DecisionRecord, Receipt } from '../../domain/access.ts';
import type { Code } from '../../domain/codes.ts';
import type { JsonObject } from '../../domain/json.ts';
import { Refusal } from '../../domain/refusal.ts';
import type { Resource } from '../../domain/registry.ts';
import type { Target } from '../../domain/revocation.ts';
import type { CalleeState } from '../../control/control.ts';
import type { Observed } from '../../control/publisher.ts';
import type { Credentials } from '../../gateway/channel.ts';
import type { Counted } from '../../gateway/shared-counts.ts';
import type { Before, Made } from '../../gateway/shared-sessions.ts';
import type { Bringing } from '../../gateway/task-labels.ts';
import type { Snapshot } from '../../pdp/snapshot.ts';
import type { PolicySet, PolicySource } from '../../policy/policy-set.ts';

/** A policy set as its sources, which the worker admits itself; or why there is none. */
export type SentPolicies =
  | { readonly version: number; readonly hash: string; readonly sources: readonly PolicySource[] }
  | { readonly code: Code; readonly message: string };

export interface SentSnapshot extends Omit<Snapshot, 'policies' | 'candidate' | 'tokens'> {
  readonly policies: SentPolicies;
  readonly candidate?: SentPolicies;
  readonly tokens?: { readonly issuer: string; readonly jwks: JsonObject };
}

/** Everything a worker needs to be a gateway. */
export interface Start {
  readonly pep: string;
  /** Read by the worker itself, which refuses when it is not what the main process runs with: `digest`. */
  readonly configFile: string;
  readonly digest: string;
  readonly dataDir: string;
  /** How many workers share what a callee may hold. */
  readonly workers: number;
  /** By the name under which each is sealed. */
  readonly secrets: ReadonlyMap<string, string>;
  /** Signs the log, PEM. */
  readonly logKey: string;
  /** The log's checkpoint that was seen last. */
  readonly pinned: string | undefined;
  readonly credentials: Credentials;
  readonly signer: SentSigner;
  /** Seals what callers keep between two calls, which may come to two workers. */
  readonly stateKey: Uint8Array;
  readonly snapshot: SentSnapshot;
  /** Since when what runs brought in is known, Unix milliseconds. */
  readonly since: number;
  /** What they have brought in. */
  readonly labels: readonly Bringing[];
}

export interface SentSigner {
  readonly kid: string;
  readonly pem: string;
}

export type ToWorker =
  | { readonly kind: 'start'; readonly start: Start }
  | { readonly kind: 'snapshot'; readonly snapshot: SentSnapshot }
  /** The snapshot of this version still holds. */
  | { readonly kind: 'alive'; readonly version: number; readonly at: number }
  | { readonly kind: 'credentials'; readonly credentials: Credentials }
  | { readonly kind: 'signer'; readonly signer: SentSigner }
  | { readonly kind: 'contain'; readonly id: number; readonly snapshot: SentSnapshot; readonly target: Target }
  | { readonly kind: 'taken'; readonly id: number; readonly before: number | undefined }
  | { readonly kind: 'counted'; readonly id: number; readonly before: Before }
  /** Said once it has been told of all that it has to know first. */
  | { readonly kind: 'listen' }
  | { readonly kind: 'learn'; readonly id: number; readonly bringing: Bringing }
  | { readonly kind: 'brought'; readonly id: number; readonly own: readonly string[] | { readonly code: Code; readonly message: string } }
  | { readonly kind: 'drain'; readonly ms: number };

export interface SentDecision {
  readonly record: DecisionRecord;
  readonly receipt: Receipt;
  readonly request: AccessRequest | undefined;
}

export interface WorkerState {
  readonly connections: ReadonlyMap<string, number>;
  readonly openCalls: number;
  readonly policies: number;
  readonly log: { readonly origin: string; readonly size: number };
  readonly upstreams: readonly CalleeState[];
}

export type FromWorker =
  /** It hears what it is told from now on, and does not listen yet. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'listening'; readonly state: WorkerState }
  | { readonly kind: 'failed'; readonly code: Code; readonly message: string; readonly fix: string }
  | { readonly kind: 'recorded'; readonly decisions: readonly SentDecision[] }
  | { readonly kind: 'observed'; readonly id: number; readonly observed: Observed }
  | { readonly kind: 'take'; readonly id: number; readonly what: Counted }
  | { readonly kind: 'give'; readonly what: Counted }
  | { readonly kind: 'count'; readonly id: number; readonly made: Made }
  | { readonly kind: 'uncount'; readonly made: Made }
  | { readonly kind: 'bring'; readonly id: number; readonly bringing: Bringing }
  | { readonly kind: 'learnt'; readonly id: number }
  | { readonly kind: 'state'; readonly state: WorkerState }
  | { readonly kind: 'seen'; readonly checkpoint: string }
  | { readonly kind: 'notice'; readonly line: string };

/** `jwks`: the keys of the snapshot as they are published. */
export function sendable({ policies, candidate, tokens, ...rest }: Snapshot, jwks: JsonObject): SentSnapshot {
  const sent = withoutUrls(rest);
  return {
    ...sent,
    policies: policiesOf(policies),
    ...(candidate === undefined ? {} : { candidate: policiesOf(candidate) }),
    ...(tokens === undefined ? {} : { tokens: { issuer: tokens.issuer, jwks } }),
  };
}

const policiesOf = (policies: PolicySet | Refusal): SentPolicies =>
  policies instanceof Refusal
    ? { code: policies.code, message: policies.message }
    : { version: policies.version, hash: policies.hash, sources: policies.sources };

/** Each member of a resource, whether it is there or not. */
type SentResource = { readonly [K in keyof Required<Resource>]: Resource[K] };

/**
 * A world holds what is registered; of the addresses of callees, which have no clone, a decision knows nothing. What a resource has besides
 * does not compile until it is sent: a policy on what a worker does not know would hold nothing. INVARIANT I1
 */
const withoutUrls = <T extends Pick<Snapshot, 'world'>>(rest: T): T => {
  const resources = rest.world.resources.map(({ name, segment, reads, tags, labels, manifests, token, kind }) =>
    withoutAbsent({ name, segment, reads, tags, labels, manifests, token, kind }),
  );
  return { ...rest, world: { ...rest.world, resources } };
};

const withoutAbsent = ({ labels, manifests, token, kind, ...rest }: SentResource): Resource => ({
  ...rest,
  ...(labels === undefined ? {} : { labels }),
  ...(manifests === undefined ? {} : { manifests }),
  ...(token === undefined ? {} : { token }),
  ...(kind === undefined ? {} : { kind }),
});

/** Who sends over this channel is the other half of ourselves; a word of another version is not acted on. */
export const isToWorker = (message: unknown): message is ToWorker => hasKind(message, TO_WORKER);
export const isFromWorker = (message: unknown): message is FromWorker => hasKind(message, FROM_WORKER);

const TO_WORKER: Readonly<Record<ToWorker['kind'], true>> = {
  start: true,
  snapshot: true,
  alive: true,
  credentials: true,
  signer: true,
  contain: true,
  taken: true,
  counted: true,
  listen: true,
  learn: true,
  brought: true,
  drain: true,
};
const FROM_WORKER: Readonly<Record<FromWorker['kind'], true>> = {
  ready: true,
  listening: true,
  failed: true,
  recorded: true,
  observed: true,
  take: true,
  give: true,
  count: true,
  uncount: true,
  bring: true,
  learnt: true,
  state: true,
  seen: true,
  notice: true,
};

const hasKind = (message: unknown, kinds: object): boolean =>
  typeof message === 'object' &&
  message !== null &&
  'kind' in message &&
  typeof message.kind === 'string' &&
  Object.hasOwn(kinds, message.kind);
