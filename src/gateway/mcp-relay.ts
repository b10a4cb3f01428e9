// What a server says besides its answer, on its way to the caller whom it concerns: progress and logs of the call, and, in a session, its
// requests and notices of change. attacker-controlled: all of it
import { isJsonObject, writeJson, type JsonObject } from '../domain/json.ts';
import { asRefusal } from '../domain/refusal.ts';
import type { Call, McpRequestPlan } from './call.ts';
import { sendEvent, type Exchange } from './exchange.ts';
import { isRpcId } from './json-rpc.ts';
import { askOf, permitAsk } from './mcp-asks.ts';
import type { CallerSession } from './mcp-sessions.ts';
import type { Pep } from './pep.ts';
import type { McpUpstream, OnNotification } from './upstreams.ts';
import type { RpcId } from './mcp-words.ts';

/** Requests of a server that a caller may leave without an answer. */
const MOST_OPEN = 64;

/** Of a session: notices that are no part of a call. */
const NOTICES: ReadonlySet<unknown> = new Set([
  'notifications/tools/list_changed',
  'notifications/prompts/list_changed',
  'notifications/resources/list_changed',
  'notifications/resources/updated',
  'notifications/elicitation/complete',
]);

export interface Relay {
  readonly upstream: McpUpstream;
  readonly plan: Pick<McpRequestPlan, 'server' | 'session' | 'envelope'> & { readonly progressToken?: RpcId };
}

/** Hands each message on that the caller may have, in order. */
export function relayTo(pep: Pep, exchange: Exchange, call: Call, { upstream, plan }: Relay): OnNotification {
  const { session, envelope, progressToken } = plan;
  return async (message, eventId): Promise<void> => {
    if (message['id'] !== undefined) {
      if (session !== undefined) await askCaller(pep, exchange, call, { upstream, session, message, eventId });
      return;
    }
    const passed = noticeFor(message, { progressToken, logs: session !== undefined || envelope?.logLevel !== undefined, session });
    if (passed !== undefined) await sendEvent(exchange, writeJson(passed), eventId);
  };
}

interface Wanted {
  readonly progressToken: RpcId | undefined;
  readonly logs: boolean;
  readonly session: CallerSession | undefined;
}

/** Progress carries the caller's own token; a caller that gave none hears none. */
function noticeFor({ method, params }: JsonObject, { progressToken, logs, session }: Wanted): JsonObject | undefined {
  const known = isJsonObject(params) ? params : {};
  if (method === 'notifications/progress' && progressToken !== undefined)
    return { jsonrpc: '2.0', method, params: { ...known, progressToken } };
  if ((method === 'notifications/message' && logs) || (session !== undefined && NOTICES.has(method)))
    return { jsonrpc: '2.0', method: method ?? null, params: known };
  return undefined;
}

interface AskedBy {
  readonly upstream: McpUpstream;
  readonly session: CallerSession;
  readonly message: JsonObject;
  readonly eventId: string | undefined;
}

/** Asks the caller in the server's name, under an id of ours; what policy does not permit is answered for it. */
async function askCaller(pep: Pep, exchange: Exchange, call: Call, { upstream, session, message, eventId }: AskedBy): Promise<void> {
  const { id, method, params } = message;
  if (!isRpcId(id)) return;
  const say = (answer: JsonObject): Promise<void> | undefined =>
    upstream.sessions?.send(session.upstream, { jsonrpc: '2.0', id, ...answer }, exchange.abort.signal);
  if (method === 'ping') return say({ result: {} });
  const ask = askOf(method);
  if (ask === undefined || session.asked.size >= MOST_OPEN) return say({ error: { code: -32_601, message: 'Method not found' } });
  try {
    await permitAsk(pep, call, session.server, ask);
  } catch (error) {
    const { code } = asRefusal(error, 'CORDON-9001', 'the gateway failed');
    return say({ error: { code: -32_001, message: `Access denied (${code})` } });
  }
  const own = `ask-${session.id.slice(0, 6)}-${nextAsk++}`;
  session.asked.set(own, { id, method: ask });
  await sendEvent(exchange, writeJson({ jsonrpc: '2.0', id: own, method: ask, params: isJsonObject(params) ? params : {} }), eventId);
}

let nextAsk = 1;
