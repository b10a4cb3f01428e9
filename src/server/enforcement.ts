// The data plane of a running Cordon: the gateway with its ways to every callee.
import type { DecisionIndex } from '../control/decisions.ts';
import type { Publisher } from '../control/publisher.ts';
import { authzenClient } from '../gateway/authzen-client.ts';
import { createChannel } from '../gateway/channel.ts';
import { createGateway, type Gateway } from '../gateway/gateway.ts';
import type { RemotePdp } from '../gateway/pep.ts';
import type { Identities } from './identities.ts';
import { secretOf } from './secrets.ts';
import { urlOf, type Setting } from './setting.ts';
import type { State } from './state.ts';
import { buildUpstreams } from './upstreams.ts';
import { VERSION } from './version.ts';

/** Of one answer; bytes and levels of nesting. */
const MAX_REPLY = 16_777_216;
const MAX_DEPTH = 64;
/** Milliseconds. An agent with a model behind it takes minutes over an answer that it does not stream. */
const CONNECT_MS = 20_000;
const ANSWER_MS = 600_000;

export interface EnforcementParts {
  readonly setting: Setting;
  readonly state: State;
  readonly publisher: Publisher;
  readonly identities: Identities;
  readonly decisions: DecisionIndex;
}

/** The PDP elsewhere, if there is one. @throws Refusal CORDON-9006 when its key is missing */
async function remotePdpOf({ setting, state, identities }: EnforcementParts, stack: AsyncDisposableStack): Promise<RemotePdp | undefined> {
  const { config, now } = setting;
  if (config.pdp === undefined) return undefined;
  const { url, resource, key, timeoutMs } = config.pdp;
  const channel = createChannel({
    origin: new URL(url.origin),
    expect: resource === undefined ? undefined : { kind: 'resource', name: resource },
    trustDomain: config.trustDomain,
    credentials: identities.gateway.current,
    now,
    connectMs: timeoutMs,
    answerMs: timeoutMs,
  });
  stack.defer(() => channel.destroy());
  const secret = key && (await secretOf({ base: config.base, store: state.store, sealer: state.sealer }, 'pdp.key', key));
  return authzenClient({ url, channel, timeoutMs, ...(secret === undefined ? {} : { key: secret }) });
}

/** Builds the gateway and attaches it to the publisher; it does not listen yet. `stack` closes it. @throws Refusal CORDON-9006 */
export async function buildEnforcement(parts: EnforcementParts, stack: AsyncDisposableStack): Promise<Gateway> {
  const { setting, state, publisher, identities, decisions } = parts;
  const { config, pep, now } = setting;
  const upstreams = await buildUpstreams({
    config,
    store: state.store,
    sealer: state.sealer,
    client: { name: 'cordon', version: VERSION },
    bounds: { maxBytes: MAX_REPLY, maxDepth: MAX_DEPTH },
    channel: {
      trustDomain: config.trustDomain,
      credentials: identities.gateway.current,
      now,
      connectMs: CONNECT_MS,
      answerMs: ANSWER_MS,
    },
    onStderr: () => undefined, // what a tool says of itself is neither shown nor kept: it may be anything
  });
  const { limits } = config;
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
      onRecorded: (recorded) => decisions.add(recorded),
    },
    identities.gateway.current(),
  );
  stack.defer(() => gateway.close());
  identities.gateway.onRotate((keys) => gateway.rotate(keys));
  publisher.attach({
    id: pep,
    apply: (snapshot) => gateway.apply(snapshot),
    contain: (snapshot, agent, since) => gateway.contain(snapshot, agent, since),
  });
  return gateway;
}
