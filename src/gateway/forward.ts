// Steps 8 to 10: carry out what was authorised and recorded, and hand back what came of it. Nothing gets here without both proofs: an
// `Authorized` call made by the PDP and a `Receipt` made by the log.
import type { Receipt } from '../domain/access.ts';
import { Refusal } from '../domain/refusal.ts';
import { writeJson, isJsonObject, type JsonObject } from '../domain/json.ts';
import type { Authorized } from '../pdp/decide.ts';
import { sendCard, sendMessage } from './a2a-forward.ts';
import type { Call, Forwarded, McpEra, Plan } from './call.ts';
import { sendEvent, sendReply, type Exchange } from './exchange.ts';
import { MODERN } from './mcp-decode.ts';
import { jsonReply, rpcResult } from './mcp-wire.ts';
import type { Pep } from './pep.ts';
import type { McpUpstream } from './upstreams.ts';

type PlanOf<K extends Plan['kind']> = Extract<Plan, { kind: K }>;
type Handler<K extends Plan['kind']> = (pep: Pep, exchange: Exchange, plan: PlanOf<K>, call: Call) => Promise<Forwarded>;

const HANDLERS: { readonly [K in Plan['kind']]: Handler<K> } = {
  'mcp/session': session,
  'mcp/notification': notification,
  'mcp/list': list,
  'mcp/call': callTool,
  'a2a/send': sendMessage,
  'a2a/card': sendCard,
};

/** @throws Refusal CORDON-9010 and whatever reason the exchange was aborted for */
export function forward(pep: Pep, exchange: Exchange, authorized: Authorized<Call>, _receipt: Receipt): Promise<Forwarded> {
  const { call } = authorized;
  const handler = HANDLERS[call.plan.kind] as Handler<Plan['kind']>;
  return handler(pep, exchange, call.plan as never, call);
}

function upstreamOf(pep: Pep, server: string): McpUpstream {
  const upstream = pep.upstreams.mcp(server);
  if (upstream === undefined) throw new Refusal('CORDON-9010', 'the resource has no upstream');
  return upstream;
}

const reply = (exchange: Exchange, message: JsonObject): Forwarded => {
  sendReply(exchange, jsonReply(200, message));
  return { upstreamStatus: 200 };
};

/** Sessions end at the gateway: it speaks for the server and keeps its own session with it. */
async function session(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/session'>): Promise<Forwarded> {
  const serverInfo = { name: plan.server, version: '0', ...upstreamOf(pep, plan.server).serverInfo() };
  const capabilities = { tools: {} };
  const results: Record<typeof plan.method, JsonObject> = {
    ping: {},
    initialize: { protocolVersion: plan.version, capabilities, serverInfo },
    'server/discover': { supportedVersions: [MODERN], capabilities, ttlMs: 0, cacheScope: 'private', _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo } },
  };
  return reply(exchange, rpcResult(plan.id, plan.era, results[plan.method]));
}

async function notification(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/notification'>): Promise<Forwarded> {
  if (plan.cancels !== undefined && exchange.peer !== undefined) pep.exchanges.cancel(exchange.peer.run, plan.server, plan.cancels);
  sendReply(exchange, { status: 202, headers: {}, body: '' });
  return { upstreamStatus: 202 };
}

/** The tools as pinned, and of them those that the caller may call. Depends on the caller's identity alone. */
async function list(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/list'>, call: Call): Promise<Forwarded> {
  const snapshot = pep.snapshot();
  if (snapshot === undefined || snapshot.policies instanceof Refusal) throw new Refusal('CORDON-9012', 'no snapshot');
  const visible = new Set(snapshot.policies.visibleTools(call.request.subject.id, plan.server, snapshot.world));
  const pinned = snapshot.world.tools.get(plan.server) ?? [];
  const tools = pinned.filter((tool) => visible.has(tool.name)).map((tool) => tool.definition);
  const caching = plan.era === 'modern' ? { ttlMs: 0, cacheScope: 'private' } : {};
  return reply(exchange, rpcResult(plan.id, plan.era, { tools, ...caching }));
}

async function callTool(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/call'>): Promise<Forwarded> {
  const { tool, args, progressToken, era, id } = plan;
  const onNotification = async (message: JsonObject): Promise<void> => {
    const passed = withToken(message, progressToken);
    if (passed !== undefined) await sendEvent(exchange, writeJson(passed));
  };
  const asked = { tool, args, progress: progressToken !== undefined };
  const outcome = await upstreamOf(pep, plan.server).call(asked, onNotification, exchange.abort.signal);
  const message =
    'error' in outcome ? { jsonrpc: '2.0', id, error: outcome.error } : rpcResult(id, era, cleaned(outcome.result, era));
  if (!exchange.res.headersSent) return reply(exchange, message);
  await sendEvent(exchange, writeJson(message));
  exchange.res.end();
  return { upstreamStatus: 200 };
}

/** `resultType` is a word of 2026-07-28 that an older client does not know. */
function cleaned(result: JsonObject, era: McpEra): JsonObject {
  if (era === 'modern') return result;
  const { resultType: _modern, ...rest } = result;
  return rest;
}

/** Progress carries the caller's own token; a caller that gave none hears none. */
function withToken(message: JsonObject, token: string | number | undefined): JsonObject | undefined {
  const params = message['params'];
  if (message['method'] !== 'notifications/progress' || !isJsonObject(params)) return undefined;
  return token === undefined ? undefined : { jsonrpc: '2.0', method: 'notifications/progress', params: { ...params, progressToken: token } };
}

