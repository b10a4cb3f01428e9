// INVARIANT I2, where another data plane forwards: it sends the very bytes on that it showed. Our own gateway leaves out what was not
// decided on; here a message that holds more than that is refused.
import { isJsonObject, parseJson, type JsonObject, writeSorted } from '../../domain/json.ts';
import { Refusal } from '../../domain/refusal.ts';
import { namesIds } from '../a2a-inward.ts';
import type { Call, Plan, PlanKind } from '../call.ts';
import type { Exchange } from '../exchange.ts';
import type { Pep } from '../pep.ts';
import type { Asked } from './asked.ts';

const RPC = new Set(['jsonrpc', 'id', 'method', 'params']);

/** Members of `_meta` that change nothing of what is asked (MCP 2026-07-28, basic; W3C Trace Context). */
const META = new Set([
  'progressToken',
  'traceparent',
  'tracestate',
  'baggage',
  'io.modelcontextprotocol/protocolVersion',
  'io.modelcontextprotocol/clientInfo',
  'io.modelcontextprotocol/clientCapabilities',
  'io.modelcontextprotocol/logLevel',
]);

/** Members of `params` that may stand there by kind of call; `same`: exactly the params that were decided on. */
const PARAMS: Readonly<Partial<Record<PlanKind, ReadonlySet<string> | 'same'>>> = {
  'mcp/session': new Set(['protocolVersion', 'capabilities', 'clientInfo', '_meta']),
  'mcp/notification': new Set(['requestId', 'reason', '_meta']),
  'mcp/list': new Set(['cursor', '_meta']),
  'mcp/browse': new Set(['cursor', '_meta']),
  'mcp/ask': 'same',
  'mcp/call': new Set(['name', 'arguments', '_meta']),
  'a2a/send': 'same',
};

/** It sends on what it showed, and whose an id is stands in the id as callers see it (a2a-ids.ts). */
const IDS = {
  expected: 'a message without `taskId`, `contextId` and `referenceTaskIds`',
  fix: 'go on with a task through the gateway of Cordon',
};

/** @throws Refusal CORDON-9011 when the body says anything that was not decided on; CORDON-3008 for what only our gateway carries out */
export function checkExact({ settings }: Pep, { req }: Exchange, { plan }: Call, body: Asked['body']): void {
  if (plan.kind === 'http/call' && req.url !== `/api/${plan.server}${plan.target}`) {
    throw new Refusal('CORDON-9011', 'the path is not as it would be sent on', { expected: 'the one spelling that needs no decoding' });
  }
  if (!(body instanceof Uint8Array) || plan.kind === 'http/call') return;
  if (plan.kind === 'a2a/card') {
    if (body.length > 0) throw more('a body');
    return;
  }
  const allowed = 'binding' in plan && plan.binding !== 'JSONRPC' ? undefined : PARAMS[plan.kind];
  if (allowed === undefined) throw new Refusal('CORDON-3008', 'another data plane cannot carry this out');
  if (plan.kind === 'a2a/send' && namesIds(plan.params))
    throw new Refusal('CORDON-3008', 'another data plane cannot open ids of tasks', IDS);
  const message = parseJson(body, { maxBytes: settings.maxBodyBytes, maxDepth: settings.maxDepth });
  if (!isJsonObject(message)) throw more('another message');
  only(message, RPC, '');
  const { params = {} } = message;
  if (!isJsonObject(params)) throw more('`params`');
  const { _meta: meta, ...rest } = params;
  if (meta !== undefined) only(isJsonObject(meta) ? meta : { '': meta }, META, 'params._meta.');
  if (allowed === 'same') same(plan, rest);
  else only(params, allowed, 'params.');
}

function only(json: JsonObject, names: ReadonlySet<string>, path: string): void {
  const other = Object.keys(json).find((name) => !names.has(name));
  if (other !== undefined) throw more(`\`${path}${other.slice(0, 60)}\``);
}

function same(plan: Plan, params: JsonObject): void {
  const decided = 'params' in plan ? plan.params : {};
  if (writeSorted(params) !== writeSorted(decided)) throw more('members of `params`');
}

const more = (observed: string): Refusal =>
  new Refusal('CORDON-9011', 'the body holds what was not decided on', {
    observed,
    fix: 'call through the gateway of Cordon, which leaves it out, or leave it out yourself',
  });
