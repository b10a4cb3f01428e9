// The data plane of a running Cordon: the gateway with its ways to every callee.
import { lookup } from 'node:dns/promises';
import type { DecisionIndex } from '../control/decisions.ts';
import { recordAct } from '../control/acts.ts';
import { createReplays } from '../control/oauth/replays.ts';
import type { GrantDesk } from '../control/grants.ts';
import type { Publisher } from '../control/publisher.ts';
import { authzenClient } from '../gateway/authzen-client.ts';
import type { Circuit } from '../gateway/breaker.ts';
import { createChannel } from '../gateway/channel.ts';
import { createGateway, type Gateway } from '../gateway/gateway.ts';
import type { GuardView } from '../gateway/guards.ts';
import type { RemotePdp } from '../gateway/pep.ts';
import type { Identities } from './identities.ts';
import type { Interception } from './interception.ts';
import { routesIn } from './route-tools.ts';
import { secretOf } from './secrets.ts';
import { urlOf, type Setting } from './setting.ts';
import type { State } from './state.ts';
import { createTxnMinter } from './txn-minter.ts';
import { buildUpstreams } from './upstreams.ts';
import { VERSION } from './version.ts';

/** Of one answer; bytes and levels of nesting. */
const MAX_REPLY = 16_777_216;
const MAX_DEPTH = 64;

export interface EnforcementParts {
  readonly setting: Setting;
  readonly state: State;
  readonly publisher: Publisher;
  readonly identities: Identities;
  readonly decisions: DecisionIndex;
  readonly interception: Interception | undefined;
  readonly grants: GrantDesk;
}

/** The PDP elsewhere, if there is one. @throws Refusal CORDON-9006 when its key is missing */
async function remotePdpOf(
  { setting, state, publisher, identities }: EnforcementParts,
  stack: AsyncDisposableStack,
): Promise<RemotePdp | undefined> {
  const { config, now } = setting;
  if (config.pdp === undefined) return undefined;
  const { url, resource, key, timeoutMs } = config.pdp;
  const channel = createChannel({
    origin: new URL(url.origin),
    expect: resource === undefined ? undefined : { kind: 'resource', name: resource },
    trustDomain: config.trustDomain,
    credentials: identities.gateway.current,
    isRevoked: (run) => publisher.current().revoked.runs.has(run),
    now,
    connectMs: timeoutMs,
    answerMs: timeoutMs,
    idleMs: timeoutMs,
  });
  stack.defer(() => channel.destroy());
  const secret = key && (await secretOf({ base: config.base, store: state.store, sealer: state.sealer }, 'pdp.key', key));
  return authzenClient({ url, channel, timeoutMs, ...(secret === undefined ? {} : { key: secret }) });
}

/** Builds the gateway and attaches it to the publisher; it does not listen yet. `stack` closes it. @throws Refusal CORDON-9006 */
export async function buildEnforcement(parts: EnforcementParts, stack: AsyncDisposableStack): Promise<Gateway> {
  const { setting, state, publisher, identities, decisions, grants, interception } = parts;
  const { config, pep, now } = setting;
  const upstreams = await buildUpstreams({
    config,
    store: state.store,
    sealer: state.sealer,
    client: { name: 'cordon', version: VERSION },
    resolve: setting.resolve ?? addressesOf,
    interception,
    bounds: { maxBytes: MAX_REPLY, maxDepth: MAX_DEPTH },
    channel: {
      trustDomain: config.trustDomain,
      credentials: identities.gateway.current,
      isRevoked: (run) => publisher.current().revoked.runs.has(run),
      now,
    },
    onCircuit: (callee, circuit) => noteCircuit(parts, callee, circuit),
    onStderr: () => undefined, // what a tool says of itself is neither shown nor kept: it may be anything
  });
  const { limits } = config;
  const issuer = urlOf(config.listen.identity);
  const gateway = createGateway(
    {
      id: pep,
      version: VERSION,
      trustDomain: config.trustDomain,
      publicUrl: urlOf(config.listen.gateway),
      settings: { maxStaleness: config.maxStaleness, maxBodyBytes: limits.bodyBytes, maxReplyBytes: MAX_REPLY, maxDepth: MAX_DEPTH },
      limits,
      log: state.log,
      now,
      upstreams,
      remote: await remotePdpOf(parts, stack),
      replays: createReplays(),
      minter: createTxnMinter({
        signer: state.authority.sts.current,
        issuer,
        trustDomain: config.trustDomain,
        now,
        ttl: config.tokens.ttl,
      }),
      onRecorded: (recorded) => {
        decisions.add(recorded);
        grants.note(recorded);
      },
    },
    identities.gateway.current(),
  );
  stack.defer(() => gateway.close());
  publishRoutes(parts);
  trustTokens(parts, issuer, stack);
  identities.gateway.onRotate((keys) => gateway.rotate(keys));
  publisher.attach({
    id: pep,
    apply: (snapshot) => gateway.apply(snapshot),
    contain: (snapshot, target, since) => gateway.contain(snapshot, target, since),
  });
  return gateway;
}

/** What the gateway does about a callee in trouble is on record, and told once. */
function noteCircuit(
  { setting, state: { log } }: EnforcementParts,
  { kind, name }: Pick<GuardView, 'kind' | 'name'>,
  circuit: Circuit,
): void {
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

function publishRoutes({ setting: { config, onNotice }, publisher }: EnforcementParts): void {
  for (const [api, routes] of routesIn(config.resources)) publisher.setTools(api, routes, []);
  for (const { name, upstream } of config.resources) {
    const left = upstream.kind === 'api' ? upstream.unusable : [];
    for (const { operation, why } of left) onNotice(`! ${name}: ${operation} is left out: ${why}`);
  }
}

/** The gateway verifies with the keys of the token service, and hears of each change of them. */
function trustTokens({ state: { authority }, publisher }: EnforcementParts, issuer: string, stack: AsyncDisposableStack): void {
  const trust = (): void => publisher.setTokens({ issuer, keys: authority.sts.keys() });
  trust();
  publisher.publish();
  stack.defer(
    authority.onChange((use) => {
      if (use !== 'sts') return;
      trust();
      publisher.publish();
    }),
  );
}
