// Speaking to an agent in the binding that it knows (A2A 1.0 §9, §11): what was decided on goes out in a request of our own, and what comes back is
// read as JSON-RPC would have said it. attacker-controlled: an agent is not trusted either. INVARIANT I2
import type { Dispatcher } from 'undici';
import { isJsonArray, isJsonObject, writeJson, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { rpcErrorOf } from './a2a-wire.ts';
import { writeQuery } from './http-target.ts';
import type { RpcId } from './mcp-words.ts';
import type { A2aUpstream } from './upstreams.ts';

/** An operation by its JSON-RPC name, with its parameters in the ids of the agent. */
export interface Operation {
  readonly id: RpcId;
  readonly method: string;
  readonly params: JsonObject;
  readonly streams: boolean;
  /** What goes with it: who calls, for whom. */
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** @throws Refusal CORDON-9010 */
export function sendOperation({ channel, binding, path }: A2aUpstream, operation: Operation): Promise<Dispatcher.ResponseData> {
  const { streams, headers, signal } = operation;
  const { method, path: target, body } = binding === 'JSONRPC' ? rpcOf(path, operation) : restOf(path, operation);
  const types = {
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    accept: streams ? 'text/event-stream' : binding === 'JSONRPC' ? 'application/json' : 'application/a2a+json, application/json',
  };
  return channel.request({ method, path: target, headers: { ...types, ...headers }, ...(body === undefined ? {} : { body }), signal });
}

interface Sent {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: string;
}

const rpcOf = (path: string, { id, method, params }: Operation): Sent => ({
  method: 'POST',
  path,
  body: writeJson({ jsonrpc: '2.0', id, method, params }),
});

/** By the `google.api.http` options of a2a.proto. */
function restOf(path: string, { method, params }: Operation): Sent {
  const base = path.replace(/\/$/, '');
  const { id, taskId, ...rest } = params;
  const task = typeof id === 'string' ? segmentOf(id) : '';
  const webhooks = `${base}/tasks/${typeof taskId === 'string' ? segmentOf(taskId) : ''}/pushNotificationConfigs`;
  switch (method) {
    case 'SendMessage':
      return { method: 'POST', path: `${base}/message:send`, body: writeJson(params) };
    case 'SendStreamingMessage':
      return { method: 'POST', path: `${base}/message:stream`, body: writeJson(params) };
    case 'GetTask':
      return { method: 'GET', path: `${base}/tasks/${task}${queryOf(rest)}` };
    case 'ListTasks':
      return { method: 'GET', path: `${base}/tasks${queryOf(rest)}` };
    case 'CancelTask':
      return { method: 'POST', path: `${base}/tasks/${task}:cancel`, body: '{}' };
    case 'SubscribeToTask':
      return { method: 'GET', path: `${base}/tasks/${task}:subscribe` };
    case 'CreateTaskPushNotificationConfig':
      return { method: 'POST', path: webhooks, body: writeJson(params) };
    case 'ListTaskPushNotificationConfigs':
      return { method: 'GET', path: webhooks };
    case 'GetTaskPushNotificationConfig':
      return { method: 'GET', path: `${webhooks}/${task}` };
    case 'DeleteTaskPushNotificationConfig':
      return { method: 'DELETE', path: `${webhooks}/${task}` };
    case 'GetExtendedAgentCard':
      return { method: 'GET', path: `${base}/extendedAgentCard` };
    default:
      throw new Refusal('CORDON-9001', 'an operation without a path');
  }
}

/** An id that the agent itself gave; it must not become structure of a path. */
function segmentOf(id: string): string {
  if (id === '.' || id === '..') throw new Refusal('CORDON-9010', 'the agent gave an id that cannot stand in a path');
  return encodeURIComponent(id);
}

function queryOf(params: JsonObject): string {
  const pairs = Object.entries(params).map(([name, value]) => [name, typeof value === 'string' ? value : writeJson(value)] as const);
  return pairs.length === 0 ? '' : `?${writeQuery(pairs)}`;
}

/** The answer to `id`, whole or one of a stream, as JSON-RPC says it. @throws Refusal CORDON-9010 when it is no answer to this request */
export function answerTo({ binding }: A2aUpstream, id: RpcId, message: JsonObject, status: number): JsonObject {
  if (binding === 'HTTP+JSON') {
    const error = message['error'];
    const isError =
      status >= 300 || (isJsonObject(error) && !RESULTS.some((name) => isJsonObject(message[name]) || isJsonArray(message[name])));
    return isError ? { jsonrpc: '2.0', id, error: rpcErrorOf(isJsonObject(error) ? error : {}) } : { jsonrpc: '2.0', id, result: message };
  }
  const { result, error } = message;
  if (message['id'] !== id || (!isJsonObject(result) && !isJsonObject(error))) {
    throw new Refusal('CORDON-9010', 'the agent does not answer this request');
  }
  return isJsonObject(error) ? { jsonrpc: '2.0', id, error } : { jsonrpc: '2.0', id, result: result ?? null };
}

/** What a result of an operation has one of; an error of a stream (§11.7) has none. */
const RESULTS = ['task', 'message', 'statusUpdate', 'artifactUpdate', 'tasks', 'status', 'capabilities', 'url', 'configs'];
