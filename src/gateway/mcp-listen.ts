// `subscriptions/listen` (MCP 2026-07-28): notices of change on a stream that stays open. Of the resources that a caller wants to hear of, only
// those that it may read. attacker-controlled, both ways
import { isJsonArray, isJsonObject, writeJson, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { decide } from '../pdp/decide.ts';
import type { Call, Forwarded, PlanOf } from './call.ts';
import { sendEvent, sendReply, type Exchange } from './exchange.ts';
import { META_SUBSCRIPTION } from './mcp-headers.ts';
import { jsonReply, rpcResult } from './mcp-wire.ts';
import type { Pep } from './pep.ts';
import { txnTokenFor } from './txn-token.ts';

const FLAGS = ['toolsListChanged', 'promptsListChanged', 'resourcesListChanged'] as const;
const MOST_URIS = 256;
const MAX_URI = 2_048;

/** The filter of a request, made of the members that are known. @throws Refusal CORDON-3006 */
export function filterIn({ notifications }: JsonObject): JsonObject {
  if (!isJsonObject(notifications)) throw malformed('notifications');
  const flags = FLAGS.flatMap((flag): (readonly [string, Json])[] => {
    const wanted = notifications[flag];
    if (wanted !== undefined && typeof wanted !== 'boolean') throw malformed(`notifications.${flag}`);
    return wanted === undefined ? [] : [[flag, wanted]];
  });
  const { resourceSubscriptions: uris } = notifications;
  if (uris === undefined) return Object.fromEntries(flags);
  const fits = isJsonArray(uris) && uris.length <= MOST_URIS && uris.every((uri) => typeof uri === 'string' && uri.length <= MAX_URI);
  if (!fits) throw malformed('notifications.resourceSubscriptions');
  return { ...Object.fromEntries(flags), resourceSubscriptions: uris };
}

const malformed = (member: string): Refusal => new Refusal('CORDON-3006', `\`params.${member}\` does not fit`);

const PASSED: ReadonlySet<unknown> = new Set([
  'notifications/subscriptions/acknowledged',
  'notifications/tools/list_changed',
  'notifications/prompts/list_changed',
  'notifications/resources/list_changed',
  'notifications/resources/updated',
]);

export async function listen(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/listen'>, call: Call): Promise<Forwarded> {
  const { server, id, era } = plan;
  const upstream = pep.upstreams.mcp(server);
  if (upstream === undefined) throw new Refusal('CORDON-9010', 'the resource has no upstream');
  const onMessage = async (message: JsonObject): Promise<void> => {
    const { method, params } = message;
    if (message['id'] !== undefined || !PASSED.has(method)) return;
    await sendEvent(exchange, writeJson({ jsonrpc: '2.0', method: method ?? null, params: tagged(params, id) }));
  };
  const asked = {
    method: 'subscriptions/listen',
    params: { notifications: readable(pep, call, server, plan.notifications) },
    ...(upstream.takesTxnToken ? { txnToken: txnTokenFor(pep, call) } : {}),
  };
  const outcome = await upstream.ask(asked, onMessage, exchange.abort.signal);
  const message = 'error' in outcome ? { jsonrpc: '2.0', id, error: outcome.error } : rpcResult(id, era, outcome.result);
  if (!exchange.res.headersSent) sendReply(exchange, jsonReply(200, message));
  else {
    await sendEvent(exchange, writeJson(message));
    exchange.res.end();
  }
  return { upstreamStatus: 200 };
}

/** The subscription is called by the id of the caller's request, not by ours. */
function tagged(params: Json | undefined, id: PlanOf<'mcp/listen'>['id']): JsonObject {
  const known = isJsonObject(params) ? params : {};
  const meta = isJsonObject(known['_meta']) ? known['_meta'] : {};
  return { ...known, _meta: { ...meta, [META_SUBSCRIPTION]: id } };
}

/** Each resource is asked about as if it were read. */
function readable(pep: Pep, call: Call, server: string, filter: JsonObject): JsonObject {
  const { resourceSubscriptions: uris, ...flags } = filter;
  if (!isJsonArray(uris)) return flags;
  const may = (uri: Json): boolean => {
    const request = {
      ...call.request,
      action: { name: 'resources/read' },
      resource: { type: 'mcp_server', id: server } as const,
      context: { input: { uri } },
    };
    return decide(pep.snapshot(), { request }, pep.now(), pep.settings).decision.verdict === 'allow';
  };
  return { ...flags, resourceSubscriptions: uris.filter(may) };
}
