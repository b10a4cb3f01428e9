// Envoy's secret discovery service (xDS v3), for a proxy that is the caller: its SVIDs, and the bundles that validate its peers. Envoy sends
// no security header, so none is asked for.
import type { handleUnaryCall, ServerDuplexStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import { sha256Hex } from '../../crypto/hash.ts';
import { writeJson } from '../../domain/json.ts';
import { liveRuns, openFeed, unary, type CallParts, type LiveRun } from './calls.ts';
import type { RunCredentials } from './credentials.ts';
import type { State } from './feed.ts';
import type { Bundles } from './ports.ts';
import { SECRET } from './sds-descriptor.ts';
import { secretsOf, type Secret } from './sds-secrets.ts';
import { invalidArgument } from './status.ts';

export interface SdsParts extends CallParts {
  readonly trustDomain: string;
  readonly credentials: RunCredentials;
  readonly bundles: Bundles;
  /** A proxy did not take what it was sent, and says why. `detail`: attacker-controlled */
  readonly onRejected: (detail: string) => void;
}

/** Names that one stream asks for. */
const MAX_NAMES = 128;

interface ErrorDetail {
  readonly message: string;
}

interface DiscoveryRequest {
  readonly resource_names: readonly string[];
  readonly type_url: string;
  readonly response_nonce: string;
  readonly error_detail: ErrorDetail | null;
}

interface DiscoveryResponse {
  readonly version_info: string;
  readonly resources: readonly Secret['resource'][];
  readonly type_url: string;
  readonly nonce: string;
}

interface DeltaRequest {
  readonly type_url: string;
  readonly resource_names_subscribe: readonly string[];
  readonly resource_names_unsubscribe: readonly string[];
  readonly initial_resource_versions: Readonly<Record<string, string>>;
  readonly response_nonce: string;
  readonly error_detail: ErrorDetail | null;
}

interface DeltaResponse {
  readonly system_version_info: string;
  readonly resources: readonly { readonly name: string; readonly version: string; readonly resource: Secret['resource'] }[];
  readonly type_url: string;
  readonly nonce: string;
  readonly removed_resources: readonly string[];
}

export const sdsService = (parts: SdsParts): UntypedServiceImplementation => ({
  StreamSecrets: (call: ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>) => streamSecrets(parts, call),
  DeltaSecrets: (call: ServerDuplexStream<DeltaRequest, DeltaResponse>) => deltaSecrets(parts, call),
  FetchSecrets: fetchSecrets(parts),
});

/** @throws CallStatus INVALID_ARGUMENT */
function check({ type_url: type }: { readonly type_url: string }, names: number): void {
  if (type !== '' && type !== SECRET) throw invalidArgument(`only \`${SECRET}\` is served here`);
  if (names > MAX_NAMES) throw invalidArgument(`at most ${MAX_NAMES} names`);
}

/** The secrets of a caller, and when they have to be made again. */
async function secretsFor({ credentials, bundles, trustDomain }: SdsParts, runs: readonly LiveRun[]): Promise<Available> {
  const held = await Promise.all(runs.map(({ run }) => credentials.of(run)));
  return { secrets: secretsOf(held, bundles, trustDomain), dueAt: Math.min(...held.map(({ renewAt }) => renewAt)) };
}

interface Available {
  readonly secrets: ReadonlyMap<string, Secret>;
  /** Unix milliseconds. */
  readonly dueAt: number;
}

/** State of the world: every secret that was asked for, in one message; no names: all there are. */
function answerTo(secrets: Available['secrets'], names: readonly string[], nonce: string): DiscoveryResponse {
  const asked = names.length === 0 ? [...secrets.values()] : names.flatMap((name) => secrets.get(name) ?? []);
  return {
    version_info: sha256Hex(asked.map(({ resource, version }) => `${resource.name} ${version}`).join('\n')),
    resources: asked.map(({ resource }) => resource),
    type_url: SECRET,
    nonce,
  };
}

const fetchSecrets = (parts: SdsParts): handleUnaryCall<DiscoveryRequest, DiscoveryResponse> =>
  unary(parts, 'FetchSecrets', async (call) => {
    check(call.request, call.request.resource_names.length);
    const { secrets } = await secretsFor(parts, await liveRuns(parts, call.getPeer()));
    return answerTo(secrets, call.request.resource_names, '1');
  });

function streamSecrets(parts: SdsParts, call: ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>): void {
  let latest: DiscoveryRequest | undefined;
  let sent = 0;
  const state = async (runs: readonly LiveRun[]): Promise<State<DiscoveryResponse>> => {
    const names = latest?.resource_names ?? [];
    const { secrets, dueAt } = await secretsFor(parts, runs);
    const { version_info: version } = answerTo(secrets, names, '');
    const key = latest === undefined ? undefined : `${version} ${names.join(' ')}`;
    return { message: () => answerTo(secrets, names, String(++sent)), key, dueAt };
  };
  const stream = openFeed(parts, 'StreamSecrets', call, { check: () => latest && check(latest, latest.resource_names.length), state });
  call.on('data', (request: DiscoveryRequest) => {
    if (latest !== undefined && request.response_nonce !== String(sent)) return; // it was said before it saw the last message
    if (request.error_detail !== null) parts.onRejected(request.error_detail.message);
    latest = request;
    void stream.update();
  });
  call.on('end', () => call.end());
}

function deltaSecrets(parts: SdsParts, call: ServerDuplexStream<DeltaRequest, DeltaResponse>): void {
  const subscription = new Subscription();
  let latest: DeltaRequest | undefined;
  const state = async (runs: readonly LiveRun[]): Promise<State<DeltaResponse>> => {
    const { secrets, dueAt } = await secretsFor(parts, runs);
    return { message: () => subscription.changes(secrets), key: subscription.keyOf(secrets), dueAt };
  };
  const stream = openFeed(parts, 'DeltaSecrets', call, { check: () => latest && check(latest, subscription.size), state });
  call.on('data', (request: DeltaRequest) => {
    if (request.error_detail !== null) parts.onRejected(request.error_detail.message);
    subscription.take(request, latest === undefined);
    latest = request;
    void stream.update();
  });
  call.on('end', () => call.end());
}

/** What one incremental stream asked for, and what it was sent of it. */
class Subscription {
  readonly #names = new Set<string>();
  /** Name → version; absent: the proxy knows nothing of it. */
  readonly #known = new Map<string, string>();
  #sent = 0;

  get size(): number {
    return this.#names.size;
  }

  take(
    { resource_names_subscribe: wanted, resource_names_unsubscribe: done, initial_resource_versions: had }: DeltaRequest,
    first: boolean,
  ): void {
    if (first) for (const [name, version] of Object.entries(had)) this.#known.set(name, version);
    for (const name of wanted.slice(0, MAX_NAMES + 1 - this.#names.size)) {
      this.#names.add(name);
      if (!first) this.#known.delete(name); // who asks again has lost it
    }
    for (const name of done) {
      this.#names.delete(name);
      this.#known.delete(name);
    }
  }

  /** Undefined when the proxy knows all of it. */
  keyOf(secrets: Available['secrets']): string | undefined {
    const versions = [...this.#names].map((name) => [name, secrets.get(name)?.version ?? GONE] as const);
    const due = versions.some(([name, version]) => this.#known.get(name) !== version);
    return due ? writeJson([this.#sent, versions]) : undefined;
  }

  /** What the proxy does not know yet. */
  changes(secrets: Available['secrets']): DeltaResponse {
    const resources: DeltaResponse['resources'][number][] = [];
    const removed: string[] = [];
    for (const name of this.#names) {
      const secret = secrets.get(name);
      if (this.#known.get(name) === (secret?.version ?? GONE)) continue;
      this.#known.set(name, secret?.version ?? GONE);
      if (secret === undefined) removed.push(name);
      else resources.push({ name, version: secret.version, resource: secret.resource });
    }
    const nonce = String(++this.#sent);
    return { system_version_info: nonce, resources, type_url: SECRET, nonce, removed_resources: removed };
  }
}

/** Version of a secret that is not there, as the proxy was told. */
const GONE = '';
