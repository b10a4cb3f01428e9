// MCP towards the callee: sessions end at the gateway, lists come from the pinned definitions, calls go to the server as they were decided.
import { writeJson, isJsonObject, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { offerName, type OfferKind } from '../domain/registry.ts';
import { decide } from '../pdp/decide.ts';
import { visibleThroughGates } from '../policy/gates.ts';
import type { Call, Forwarded, McpRequestPlan, PlanOf } from './call.ts';
import { sendEvent, sendReply, type Exchange } from './exchange.ts';
import { askable, onward, requiring } from './mcp-asks.ts';
import { SPOKEN } from './mcp-headers.ts';
import { LISTINGS } from './mcp-offers.ts';
import { paramHeaders } from './mcp-params.ts';
import type { CallerSession } from './mcp-sessions.ts';
import { relayTo } from './mcp-relay.ts';
import { beginSession, checkOwner } from './mcp-session-forward.ts';
import { jsonReply, rpcResult } from './mcp-wire.ts';
import type { Pep } from './pep.ts';
import { txnTokenFor } from './txn-token.ts';
import type { McpUpstream, RpcOutcome, ToolCall, Via } from './upstreams.ts';

function upstreamOf(pep: Pep, server: string): McpUpstream {
  const upstream = pep.upstreams.mcp(server);
  if (upstream === undefined) throw new Refusal('CORDON-9010', 'the resource has no upstream');
  return upstream;
}

/** Answers a request: in a session as its server would, with an event where that streams. */
async function reply(exchange: Exchange, message: JsonObject, session?: CallerSession): Promise<Forwarded> {
  if (!exchange.res.headersSent && session?.upstream.streams !== true) {
    sendReply(exchange, jsonReply(200, message));
    return { upstreamStatus: 200 };
  }
  await sendEvent(exchange, writeJson(message));
  exchange.res.end();
  return { upstreamStatus: 200 };
}

/** What a server may offer, by capability, and the flags of each that are handed on. */
const PASSED_ON: Readonly<Record<string, readonly string[]>> = {
  tools: ['listChanged'],
  prompts: ['listChanged'],
  resources: ['subscribe', 'listChanged'],
  completions: [],
  logging: [],
};

/** Tools are there always: they are pinned, and listed by the gateway. */
function capabilitiesOf(offered: JsonObject): JsonObject {
  const passed = Object.entries(PASSED_ON).flatMap(([name, flags]): (readonly [string, JsonObject])[] => {
    const own = offered[name];
    return isJsonObject(own) ? [[name, Object.fromEntries(flags.flatMap((flag) => (own[flag] === true ? [[flag, true]] : [])))]] : [];
  });
  return { tools: {}, ...Object.fromEntries(passed) };
}

/** The gateway speaks for the server; where the server has sessions of its own, a caller of 2025-11-25 has one with it. */
export async function speakForServer(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/session'>, call: Call): Promise<Forwarded> {
  const upstream = upstreamOf(pep, plan.server);
  if (plan.method === 'ping') return reply(exchange, rpcResult(plan.id, plan.era, {}), plan.session);
  if (plan.method === 'initialize') pep.pageOpeners.note(exchange.peer?.run ?? '', plan.server, plan.capabilities ?? {});
  const begun = plan.method === 'initialize' ? await beginSession(pep, exchange, call, { upstream, plan }) : undefined;
  const serverInfo = { name: plan.server, version: '0', ...upstream.serverInfo() };
  const capabilities = capabilitiesOf(begun?.capabilities ?? withoutSession(upstream.offers(), plan));
  if (begun !== undefined) exchange.res.setHeader('mcp-session-id', begun.session.id);
  if (plan.method === 'initialize')
    return reply(exchange, rpcResult(plan.id, plan.era, { protocolVersion: plan.version, capabilities, serverInfo }));
  return reply(
    exchange,
    rpcResult(plan.id, plan.era, {
      supportedVersions: [...SPOKEN],
      capabilities,
      ttlMs: 0,
      cacheScope: 'private',
      _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo },
    }),
  );
}

/** A caller of 2025-11-25 without a session hears of nothing that would come by itself. */
function withoutSession(offered: JsonObject, { method }: PlanOf<'mcp/session'>): JsonObject {
  if (method !== 'initialize') return offered;
  const { logging: _logs, ...rest } = offered;
  return Object.fromEntries(Object.keys(rest).map((name) => [name, {}]));
}

/** A cancellation ends the caller's own call; of others only that the roots changed goes on, in a session. */
export async function notify(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/notification'>, call: Call): Promise<Forwarded> {
  const { session, method } = plan;
  if (session !== undefined) checkOwner(session, call);
  if (session !== undefined && method === 'notifications/roots/list_changed')
    await upstreamOf(pep, plan.server).sessions?.send(session.upstream, { jsonrpc: '2.0', method }, exchange.abort.signal);
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
  return reply(exchange, rpcResult(plan.id, plan.era, { tools, ...caching }), plan.session);
}

interface Browsed {
  readonly kind: OfferKind;
  /** What using an item would be, as policy is asked. A template is visible where it could itself be read. */
  readonly use: (name: string) => { readonly action: string; readonly input: JsonObject };
}

const read = (uri: string): ReturnType<Browsed['use']> => ({ action: 'resources/read', input: { uri } });

const BROWSED: Readonly<Record<PlanOf<'mcp/browse'>['method'], Browsed>> = {
  'prompts/list': { kind: 'prompts', use: (name) => ({ action: 'prompts/get', input: { name } }) },
  'resources/list': { kind: 'resources', use: read },
  'resources/templates/list': { kind: 'templates', use: read },
};

/** Of what the server defines, as pinned, that which the caller may use. Depends on who calls and for whom alone. */
export async function browse(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/browse'>, call: Call): Promise<Forwarded> {
  const { server, method, era, id, session } = plan;
  if (session !== undefined) checkOwner(session, call);
  const { kind, use } = BROWSED[method];
  const snapshot = pep.snapshot();
  const pinned = snapshot?.world.offers?.get(server)?.[kind];
  if (snapshot === undefined || pinned === undefined) throw new Refusal('CORDON-3008', 'the server has no such list');
  const visible = pinned.filter(({ name }) => {
    if (snapshot.changedTools.has(`${server}/${offerName(kind, name)}`)) return false;
    const { action, input } = use(name);
    const request = { ...call.request, action: { name: action }, context: { input } };
    const { verdict } = decide(snapshot, { request }, pep.now(), pep.settings).decision;
    return verdict === 'allow' || verdict === 'approval_required'; // what a person may approve is no secret
  });
  const caching = era === 'modern' ? { ttlMs: 0, cacheScope: 'private' } : {};
  const items = visible.map(({ definition }) => definition);
  return reply(exchange, rpcResult(id, era, { [LISTINGS[kind].member]: items, ...caching }), session);
}

/** The request as it was decided. */
export async function askServer(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/ask'>, call: Call): Promise<Forwarded> {
  const { server, method, params, answers } = plan;
  const upstream = upstreamOf(pep, server);
  const asked = {
    method,
    params: { ...params, ...(answers && onward(pep, call, answers)) },
    ...toServer(pep, exchange, call, { upstream, plan }),
  };
  const outcome = await upstream.ask(asked, relayTo(pep, exchange, call, { upstream, plan }), exchange.abort.signal);
  return answered(pep, exchange, call, { plan, outcome });
}

/** The call as it was decided; what the server says meanwhile is streamed to a caller that may have it. */
export async function callTool(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/call'>, call: Call): Promise<Forwarded> {
  const { server, tool, args, progressToken, answers } = plan;
  const upstream = upstreamOf(pep, server);
  const definition = pep
    .snapshot()
    ?.world.tools.get(server)
    ?.find(({ name }) => name === tool)?.definition;
  const { via, ...token } = toServer(pep, exchange, call, { upstream, plan });
  const asked = {
    tool,
    args,
    progress: progressToken !== undefined,
    ...token,
    via: { ...via, headers: paramHeaders(definition, args) },
    ...(answers === undefined ? {} : { more: onward(pep, call, answers) }),
  };
  const outcome = await upstream.call(asked, relayTo(pep, exchange, call, { upstream, plan }), exchange.abort.signal);
  if ('result' in outcome) pep.taskSessions.observe(call.request, outcome.result);
  return answered(pep, exchange, call, { plan, outcome });
}

interface Towards {
  readonly upstream: McpUpstream;
  readonly plan: McpRequestPlan;
}

type Beside = { readonly via: Via } & Pick<ToolCall, 'retry' | 'txnToken'>;

/** With whose session, able to do what, and for whom the server is asked. */
function toServer(pep: Pep, exchange: Exchange, call: Call, { upstream, plan }: Towards): Beside {
  const { server, session, envelope } = plan;
  if (session !== undefined) checkOwner(session, call);
  const token = { retry: exchange.mayRepeat, ...(upstream.takesTxnToken ? { txnToken: txnTokenFor(pep, call) } : {}) };
  if (session !== undefined) return { via: { session: session.upstream }, ...token };
  if (envelope === undefined) return { via: {}, ...token };
  const { capabilities, logLevel } = envelope;
  return { via: { capabilities: askable(pep, call, server, capabilities), ...(logLevel === undefined ? {} : { logLevel }) }, ...token };
}

interface Outcome {
  readonly plan: PlanOf<'mcp/ask'> | PlanOf<'mcp/call'>;
  readonly outcome: RpcOutcome;
}

async function answered(pep: Pep, exchange: Exchange, call: Call, { plan, outcome }: Outcome): Promise<Forwarded> {
  const { era, id } = plan;
  if ('error' in outcome && !exchange.res.headersSent) return refused(exchange, plan, outcome.error);
  const message =
    'error' in outcome ? { jsonrpc: '2.0', id, error: outcome.error } : rpcResult(id, era, await resultOf(pep, call, plan, outcome.result));
  return reply(exchange, message, plan.session);
}

/** Errors of 2026-07-28 that have a status of their own. */
const STATUS: ReadonlyMap<unknown, number> = new Map([
  [-32_021, 400],
  [-32_601, 404],
]);

function refused(exchange: Exchange, { id, era }: Pick<McpRequestPlan, 'id' | 'era'>, error: JsonObject): Forwarded {
  const status = (era === 'modern' ? STATUS.get(error['code']) : undefined) ?? 200;
  sendReply(exchange, jsonReply(status, { jsonrpc: '2.0', id, error }));
  return { upstreamStatus: status };
}

/** `resultType` is a word of 2026-07-28 that an older client does not know; what one caller may read is not for the next to be kept. */
async function resultOf(pep: Pep, call: Call, plan: Outcome['plan'], result: JsonObject): Promise<JsonObject> {
  const { resultType, ...rest } = result;
  if (plan.era === 'legacy') return rest;
  if (resultType === 'input_required') return requiring(pep, call, plan.server, result);
  return plan.kind === 'mcp/ask' && plan.method === 'resources/read' ? { ...result, ttlMs: 0, cacheScope: 'private' } : result;
}
