// MCP towards the callee: sessions end at the gateway, lists come from the pinned definitions, calls go to the server as they were decided.
import { writeJson, isJsonObject, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { decide } from '../pdp/decide.ts';
import { visibleThroughGates } from '../policy/gates.ts';
import type { Call, Forwarded, McpEra, PlanOf, RpcId } from './call.ts';
import { sendEvent, sendReply, type Exchange } from './exchange.ts';
import { MODERN } from './mcp-headers.ts';
import { allOf } from './mcp-tools.ts';
import { jsonReply, rpcResult } from './mcp-wire.ts';
import type { Pep } from './pep.ts';
import { txnTokenFor } from './txn-token.ts';
import type { Asked, McpUpstream } from './upstreams.ts';

function upstreamOf(pep: Pep, server: string): McpUpstream {
  const upstream = pep.upstreams.mcp(server);
  if (upstream === undefined) throw new Refusal('CORDON-9010', 'the resource has no upstream');
  return upstream;
}

function reply(exchange: Exchange, message: JsonObject): Forwarded {
  sendReply(exchange, jsonReply(200, message));
  return { upstreamStatus: 200 };
}

/** What a server may offer besides tools, and the gateway passes on; without subscriptions and notices of change. */
const PASSED_ON = ['prompts', 'resources', 'completions'] as const;

/** Sessions end at the gateway: it speaks for the server and keeps its own session with it. */
export async function speakForServer(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/session'>): Promise<Forwarded> {
  const upstream = upstreamOf(pep, plan.server);
  const serverInfo = { name: plan.server, version: '0', ...upstream.serverInfo() };
  const offered = PASSED_ON.filter((name) => upstream.offers().has(name));
  const capabilities = { tools: {}, ...Object.fromEntries(offered.map((name) => [name, {}])) };
  const results: Record<typeof plan.method, JsonObject> = {
    ping: {},
    initialize: { protocolVersion: plan.version, capabilities, serverInfo },
    'server/discover': {
      supportedVersions: [MODERN],
      capabilities,
      ttlMs: 0,
      cacheScope: 'private',
      _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo },
    },
  };
  return reply(exchange, rpcResult(plan.id, plan.era, results[plan.method]));
}

/** Nothing of a notification goes on; a cancellation ends the caller's own call. */
export async function notify(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/notification'>): Promise<Forwarded> {
  if (plan.cancels !== undefined && exchange.peer !== undefined) {
    pep.exchanges.cancel(exchange.peer.run, plan.server, plan.cancels);
  }
  sendReply(exchange, { status: 202, headers: {}, body: '' });
  return { upstreamStatus: 202 };
}

/** The tools as pinned, and of them those that the caller may call. Depends on who calls and for whom alone. */
export async function listTools(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/list'>, call: Call): Promise<Forwarded> {
  const snapshot = pep.snapshot();
  if (snapshot === undefined || snapshot.policies instanceof Refusal) throw new Refusal('CORDON-9012', 'no snapshot');
  const visible = new Set(visibleThroughGates(snapshot.policies, call.request, plan.server, snapshot.world, pep.now()));
  const pinned = snapshot.world.tools.get(plan.server) ?? [];
  const served = pinned.filter(({ name }) => visible.has(name) && !snapshot.changedTools.has(`${plan.server}/${name}`));
  const tools = served.map((tool) => tool.definition);
  const caching = plan.era === 'modern' ? { ttlMs: 0, cacheScope: 'private' } : {};
  return reply(exchange, rpcResult(plan.id, plan.era, { tools, ...caching }));
}

interface Browsed {
  /** The member of the result that is the list. */
  readonly member: string;
  /** What using an item would be, as policy is asked. */
  readonly use: (item: JsonObject) => { readonly action: string; readonly input: JsonObject };
}

const BROWSED: Readonly<Record<PlanOf<'mcp/browse'>['method'], Browsed>> = {
  'prompts/list': { member: 'prompts', use: ({ name = '' }) => ({ action: 'prompts/get', input: { name } }) },
  'resources/list': { member: 'resources', use: ({ uri = '' }) => ({ action: 'resources/read', input: { uri } }) },
  // a template is visible where it could itself be read: who may read below a prefix sees the templates below it
  'resources/templates/list': {
    member: 'resourceTemplates',
    use: ({ uriTemplate: uri = '' }) => ({ action: 'resources/read', input: { uri } }),
  },
};

/** Of what the server lists, that which the caller may use. Depends on who calls and for whom alone. */
export async function browse(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/browse'>, call: Call): Promise<Forwarded> {
  const { server, method, era, id } = plan;
  const { member, use } = BROWSED[method];
  const upstream = upstreamOf(pep, server);
  const listed = await allOf(member, (params) =>
    upstream.ask({ ...askedOf(pep, call, upstream, method, params), retry: exchange.mayRepeat }, exchange.abort.signal),
  );
  if ('error' in listed) return reply(exchange, { jsonrpc: '2.0', id, error: listed.error });
  const snapshot = pep.snapshot();
  const visible = listed.items.filter((item) => {
    const { action, input } = use(item);
    const request = { ...call.request, action: { name: action }, context: { input } };
    const { verdict } = decide(snapshot, { request }, pep.now(), pep.settings).decision;
    return verdict === 'allow' || verdict === 'approval_required'; // what a person may approve is no secret
  });
  const caching = era === 'modern' ? { ttlMs: 0, cacheScope: 'private' } : {};
  return reply(exchange, rpcResult(id, era, { [member]: visible, ...caching }));
}

/** The request as it was decided. */
export async function askServer(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/ask'>, call: Call): Promise<Forwarded> {
  const { server, method, params, era, id } = plan;
  const upstream = upstreamOf(pep, server);
  const outcome = await upstream.ask({ ...askedOf(pep, call, upstream, method, params), retry: exchange.mayRepeat }, exchange.abort.signal);
  if ('error' in outcome) return reply(exchange, { jsonrpc: '2.0', id, error: outcome.error });
  // what one caller may read is not for the next, whatever the server says of its cache
  const caching = era === 'modern' && method === 'resources/read' ? { ttlMs: 0, cacheScope: 'private' } : {};
  return reply(exchange, rpcResult(id, era, { ...cleaned(outcome.result, era), ...caching }));
}

const askedOf = (pep: Pep, call: Call, { takesTxnToken }: McpUpstream, method: string, params: JsonObject): Asked => ({
  method,
  params,
  ...(takesTxnToken ? { txnToken: txnTokenFor(pep, call) } : {}),
});

/** The call as it was decided; progress is streamed to a caller that asked for it. */
export async function callTool(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/call'>, call: Call): Promise<Forwarded> {
  const { server, tool, args, progressToken, era, id } = plan;
  const upstream = upstreamOf(pep, server);
  const onNotification = async (message: JsonObject): Promise<void> => {
    const passed = withToken(message, progressToken);
    if (passed !== undefined) await sendEvent(exchange, writeJson(passed));
  };
  const progress = progressToken !== undefined;
  const asked = {
    tool,
    args,
    progress,
    retry: exchange.mayRepeat,
    ...(upstream.takesTxnToken ? { txnToken: txnTokenFor(pep, call) } : {}),
  };
  const outcome = await upstream.call(asked, onNotification, exchange.abort.signal);
  const message = 'error' in outcome ? { jsonrpc: '2.0', id, error: outcome.error } : rpcResult(id, era, cleaned(outcome.result, era));
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
function withToken(message: JsonObject, token: RpcId | undefined): JsonObject | undefined {
  const params = message['params'];
  if (token === undefined || message['method'] !== 'notifications/progress' || !isJsonObject(params)) return undefined;
  return { jsonrpc: '2.0', method: 'notifications/progress', params: { ...params, progressToken: token } };
}
