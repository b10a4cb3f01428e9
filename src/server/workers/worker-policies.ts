// The policies of a worker: admitted by itself from their sources, against the tools of its own snapshot. What is sent is in force at once
// but for a set that is new, which is in force as soon as it is admitted; until then the one before decides, over what is true now. The
// first has none before it: everything is denied. INVARIANT I1
import { admitted } from '../../control/policies.ts';
import { readJwk, type VerificationKey } from '../../crypto/jwk.ts';
import { isJsonArray, isJsonObject, type JsonObject } from '../../domain/json.ts';
import { Refusal } from '../../domain/refusal.ts';
import type { World } from '../../domain/registry.ts';
import type { Snapshot } from '../../pdp/snapshot.ts';
import type { PolicySet } from '../../policy/policy-set.ts';
import type { SentPolicies, SentSnapshot } from './messages.ts';

type Policies = PolicySet | Refusal;

export interface WorkerPolicies {
  /** The snapshot to decide with now. `onAdmitted`: with the one that takes its place when what is new in it is admitted. */
  take(sent: SentSnapshot, onAdmitted: (snapshot: Snapshot) => void): Snapshot;
  /** What decides in place of the set that was admitted last. */
  replace(policies: Policies): void;
  /** Decides with what is in force now from now on. */
  again(): void;
}

const NONE = new Refusal('CORDON-9007', 'the policies are not admitted yet');

/** `onEnforced`: told of each set that is admitted to be enforced; it has it replaced, if only by itself. */
export function createWorkerPolicies(onEnforced: (policies: Policies) => void): WorkerPolicies {
  let enforced: Policies = NONE;
  let candidate: PolicySet | undefined;
  let turn: Promise<void> = Promise.resolve();
  let latest: SentSnapshot | undefined;
  let apply = (_snapshot: Snapshot): void => undefined;

  const admit = async (sent: SentPolicies, world: World, before: Policies | undefined): Promise<Policies> => {
    if ('code' in sent) return new Refusal(sent.code, sent.message);
    if (before !== undefined && isSame(before, sent, world)) return before;
    return admitted(sent.sources, sent.version, world);
  };

  return {
    take(sent, onAdmitted): Snapshot {
      latest = sent;
      apply = onAdmitted;
      if ('code' in sent.policies) enforced = new Refusal(sent.policies.code, sent.policies.message);
      if (sent.candidate === undefined) candidate = undefined;
      if (!isKnown(sent, enforced, candidate)) {
        const renew = async (): Promise<void> => {
          if (latest !== sent) return; // a newer one waits
          const set = await admit(sent.policies, sent.world, enforced);
          const beside = sent.candidate === undefined ? undefined : await admit(sent.candidate, sent.world, candidate);
          if (set !== enforced) onEnforced(set);
          candidate = beside instanceof Refusal ? undefined : beside;
          onAdmitted(snapshotOf(latest, enforced, candidate));
        };
        turn = turn.then(renew);
      }
      return snapshotOf(sent, enforced, candidate);
    },
    replace: (policies) => void (enforced = policies),
    again(): void {
      if (latest !== undefined) apply(snapshotOf(latest, enforced, candidate));
    },
  };
}

const isKnown = (sent: SentSnapshot, enforced: Policies, candidate: PolicySet | undefined): boolean =>
  ('code' in sent.policies || isSame(enforced, sent.policies, sent.world)) &&
  (sent.candidate === undefined || 'code' in sent.candidate || (candidate !== undefined && isSame(candidate, sent.candidate, sent.world)));

const isSame = (set: Policies, sent: Exclude<SentPolicies, { readonly code: unknown }>, world: World): boolean =>
  !(set instanceof Refusal) && set.version === sent.version && set.hash === sent.hash && set.covers(world);

function snapshotOf({ tokens, ...sent }: SentSnapshot, policies: Policies, candidate: PolicySet | undefined): Snapshot {
  const { candidate: _sent, policies: _sources, ...rest } = sent;
  return {
    ...rest,
    policies,
    ...(candidate === undefined ? {} : { candidate }),
    ...(tokens === undefined ? {} : { tokens: { issuer: tokens.issuer, keys: keysIn(tokens.jwks) } }),
  };
}

/** The same map for the same keys: what was verified with them is remembered by it. */
function keysIn(jwks: JsonObject): ReadonlyMap<string, VerificationKey> {
  const text = JSON.stringify(jwks);
  if (lastKeys?.text === text) return lastKeys.keys;
  const published = isJsonArray(jwks['keys']) ? jwks['keys'].filter((key) => isJsonObject(key)) : [];
  const keys = new Map(published.flatMap((jwk) => (typeof jwk['kid'] === 'string' ? [[jwk['kid'], readJwk(jwk)] as const] : [])));
  lastKeys = { text, keys };
  return keys;
}

let lastKeys: { readonly text: string; readonly keys: ReadonlyMap<string, VerificationKey> } | undefined;
