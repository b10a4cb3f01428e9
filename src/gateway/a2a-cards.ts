// Cards of agents (A2A 1.0 §4.4, §8): what an agent says of itself, with the gateway as the only way to it, under the gateway's own signature.
// attacker-controlled: a card is an agent's word. INVARIANT I9
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { signCard, verifyCard } from '../identity/agent-card.ts';
import { A2A_VERSION } from './a2a-decode.ts';
import { askAgent, upstreamOf } from './a2a-forward.ts';
import { A2A_BINDINGS } from '../domain/registry.ts';
import type { Call, Forwarded, PlanOf } from './call.ts';
import { sendReply, type Exchange } from './exchange.ts';
import { jsonReply } from './mcp-wire.ts';
import type { Pep } from './pep.ts';
import { readJsonReply } from './reply-body.ts';

const MAX_BYTES = 262_144;

/**
 * What a caller shows the gateway, whatever the callee asks of the gateway. The list is not empty because Python's SDK (1.3.0) leaves a requirement
 * with an empty one out of what it verifies: it would refuse our signature, and with its own not notice who takes the requirement away.
 */
const MTLS: JsonObject = {
  securitySchemes: { mtls: { mtlsSecurityScheme: { description: 'an X509-SVID of a run of a registered agent' } } },
  securityRequirements: [{ schemes: { mtls: { list: ['agent'] } } }],
};

/** Hands on the callee's card as `shownCard` makes it. @throws Refusal CORDON-9010, -3016 */
export async function sendCard(pep: Pep, exchange: Exchange, plan: PlanOf<'a2a/card'>): Promise<Forwarded> {
  const { channel } = upstreamOf(pep, plan.agent);
  const response = await channel.request({
    method: 'GET',
    path: '/.well-known/agent-card.json',
    headers: { accept: 'application/json', 'a2a-version': A2A_VERSION },
    signal: exchange.abort.signal,
    retry: exchange.mayRepeat,
  });
  const card = await readJsonReply(response.body, { maxBytes: MAX_BYTES, maxDepth: pep.settings.maxDepth });
  if (response.statusCode !== 200) throw noCard();
  sendReply(exchange, jsonReply(200, shownCard(pep, plan.agent, card)));
  return { upstreamStatus: 200 };
}

/** The same of the card that an agent has for callers it knows (§3.1.11): who they are, `Txn-Token` tells it. @throws Refusal as `sendCard` */
export const sendExtendedCard = (pep: Pep, exchange: Exchange, plan: PlanOf<'a2a/extended-card'>, call: Call): Promise<Forwarded> =>
  askAgent(pep, exchange, call, {
    plan,
    streams: false,
    maxBytes: MAX_BYTES,
    shown: (_ids, card) => shownCard(pep, plan.agent, card),
  });

/**
 * The card as callers get it. Where keys are pinned for the agent, its card must be signed by one of them. The addresses that older revisions
 * have elsewhere are left out. @throws Refusal CORDON-9010, -3016
 */
function shownCard(pep: Pep, agent: string, card: JsonObject): JsonObject {
  if (typeof card['name'] !== 'string') throw noCard();
  const { cardKeys, pushBase } = upstreamOf(pep, agent);
  if (cardKeys !== undefined) verifyCard(card, cardKeys);
  const { signatures: _stale, url: _url, preferredTransport: _transport, additionalInterfaces: _more, ...rest } = card;
  const url = `${pep.publicUrl}/a2a/${agent}`;
  const supportedInterfaces = A2A_BINDINGS.map((protocolBinding) => ({ url, protocolBinding, protocolVersion: A2A_VERSION }));
  const { streaming, pushNotifications, extendedAgentCard } = isJsonObject(card['capabilities']) ? card['capabilities'] : {};
  const capabilities = {
    streaming: streaming === true,
    pushNotifications: pushBase !== undefined && pushNotifications === true,
    extendedAgentCard: extendedAgentCard === true,
  };
  return signCard(pep.signer(), { ...rest, ...MTLS, capabilities, supportedInterfaces });
}

const noCard = (): Refusal => new Refusal('CORDON-9010', 'the agent has no card');
