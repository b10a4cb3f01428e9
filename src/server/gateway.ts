// One gateway, in whichever process it runs: its ways to every callee, and what it decides, counts and signs with.
import { lookup } from 'node:dns/promises';
import { recordAct } from '../control/acts.ts';
import { createReplays } from '../control/oauth/replays.ts';
import type { JwsSigner } from '../crypto/jws.ts';
import { authzenClient } from '../gateway/authzen-client.ts';
import type { Circuit } from '../gateway/breaker.ts';
import { createChannel } from '../gateway/channel.ts';
import { createGateway, type Gateway } from '../gateway/gateway.ts';
import type { GuardView } from '../gateway/guards.ts';
import type { Recorded, RecordLog, RemotePdp } from '../gateway/pep.ts';
import type { Habits } from '../gateway/run-risk.ts';
import type { SharedCounts } from '../gateway/shared-counts.ts';
import type { Interception } from './interception.ts';
import { requestPageOf } from './operators.ts';
import type { Rotation } from './rotation.ts';
import { secretOf, type SecretParts } from './secrets.ts';
import { urlOf, type Setting } from './setting.ts';
import { createTxnMinter } from './txn-minter.ts';
import { buildUpstreams } from './upstreams.ts';
import { VERSION } from './version.ts';

/** Of one answer; bytes and levels of nesting. */
const MAX_REPLY = 16_777_216;
const MAX_DEPTH = 64;

export interface GatewayParts {
  readonly setting: Setting;
  readonly secrets: Omit<SecretParts, 'base'>;
  /** Absent where no host outside is intercepted. */
  readonly interception?: Interception | undefined;
  readonly log: RecordLog;
  readonly credentials: Pick<Rotation, 'current' | 'onRotate'>;
  readonly isRevoked: (run: string) => boolean;
  /** Signs transaction tokens. */
  readonly signer: () => JwsSigner;
  /** Seals what callers keep between two calls; absent: a key of this gateway's own. */
  readonly stateKey?: Uint8Array;
  /** Counts that several gateways share; absent where one counts for itself. */
  readonly shared?: SharedCounts;
  readonly habits?: Habits;
  /** Since when what runs brought in is known, Unix milliseconds; absent: from now on. */
  readonly knownSince?: number;
  readonly onRecorded: (recorded: Recorded) => void;
}

/** The PDP elsewhere, if there is one. @throws Refusal CORDON-9006 when its key is missing */
async function remotePdpOf(
  { setting, secrets, credentials, isRevoked }: GatewayParts,
  stack: AsyncDisposableStack,
): Promise<RemotePdp | undefined> {
  const { config, now } = setting;
  if (config.pdp === undefined) return undefined;
  const { url, resource, key, timeoutMs } = config.pdp;
  const channel = createChannel({
    origin: new URL(url.origin),
    expect: resource === undefined ? undefined : { kind: 'resource', name: resource },
    trustDomain: config.trustDomain,
    credentials: credentials.current,
    isRevoked,
    now,
    connectMs: timeoutMs,
    answerMs: timeoutMs,
    idleMs: timeoutMs,
  });
  stack.defer(() => channel.destroy());
  const secret = key && (await secretOf({ base: config.base, ...secrets }, 'pdp.key', key));
  return authzenClient({ url, channel, timeoutMs, ...(secret === undefined ? {} : { key: secret }) });
}

/** It does not listen yet. `stack` closes it. @throws Refusal CORDON-9006 */
export async function buildGateway(parts: GatewayParts, stack: AsyncDisposableStack): Promise<Gateway> {
  const { setting, secrets, interception, log, credentials, isRevoked, signer, stateKey, shared, habits, knownSince, onRecorded } = parts;
  const { config, pep, now } = setting;
  const publicUrl = urlOf(config.listen.gateway);
  const upstreams = await buildUpstreams({
    config,
    publicUrl,
    ...secrets,
    client: { name: 'cordon', version: VERSION },
    resolve: setting.resolve ?? addressesOf,
    interception,
    bounds: { maxBytes: MAX_REPLY, maxDepth: MAX_DEPTH },
    channel: {
      trustDomain: config.trustDomain,
      credentials: credentials.current,
      isRevoked,
      now,
    },
    onCircuit: (callee, circuit) => noteCircuit(parts, callee, circuit),
    onStderr: () => undefined, // what a tool says of itself is neither shown nor kept: it may be anything
  });
  const { limits } = config;
  const gateway = createGateway(
    {
      id: pep,
      version: VERSION,
      trustDomain: config.trustDomain,
      publicUrl,
      settings: { maxStaleness: config.maxStaleness, maxBodyBytes: limits.bodyBytes, maxReplyBytes: MAX_REPLY, maxDepth: MAX_DEPTH },
      limits,
      log,
      now,
      upstreams,
      remote: await remotePdpOf(parts, stack),
      requestPage: requestPageOf(config),
      replays: createReplays(),
      signer: parts.signer,
      minter: createTxnMinter({
        signer,
        issuer: urlOf(config.listen.identity),
        trustDomain: config.trustDomain,
        now,
        ttl: config.tokens.ttl,
      }),
      ...(shared === undefined ? {} : { shared }),
      ...(knownSince === undefined ? {} : { knownSince }),
      ...(stateKey === undefined ? {} : { stateKey }),
      ...(habits === undefined ? {} : { habits }),
      onRecorded,
    },
    credentials.current(),
  );
  stack.defer(() => gateway.close());
  credentials.onRotate((keys) => gateway.rotate(keys));
  return gateway;
}

/** What the gateway does about a callee in trouble is on record, and told once. */
function noteCircuit({ setting, log }: GatewayParts, { kind, name }: Pick<GuardView, 'kind' | 'name'>, circuit: Circuit): void {
  const { pep, now, onNotice } = setting;
  try {
    recordAct({ log, now }, { actor: pep, act: `upstream.${circuit}`, target: name, detail: { kind } });
  } catch {
    // a log that cannot record refuses the calls themselves
  }
  if (circuit !== 'half-open')
    onNotice(circuit === 'open' ? `! ${name} has stopped answering: calls to it are refused` : `${name} answers again`);
}

/** As the system resolves names. */
const addressesOf = async (host: string): Promise<readonly string[]> =>
  (await lookup(host, { all: true, order: 'verbatim' })).map(({ address }) => address);
