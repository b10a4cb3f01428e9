// JSON-RPC 2.0 as MCP and A2A use it: reading one request of a caller, and one answer of an upstream. attacker-controlled, both ways
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { RpcOutcome } from './upstreams.ts';
import type { RpcId } from './mcp-words.ts';

export interface Rpc {
  /** Absent for a notification. */
  readonly id: RpcId | undefined;
  readonly method: string;
  readonly params: JsonObject;
}

/** Reads one request or notification. @throws Refusal CORDON-9011 */
export function readRpc(body: Json): Rpc {
  if (isJsonArray(body)) throw noRequest('a batch');
  if (!isJsonObject(body) || body['jsonrpc'] !== '2.0') throw noRequest('no `jsonrpc: "2.0"`');
  const { id, method, params = {} } = body;
  if (typeof method !== 'string' || method.length > 128) throw noRequest('`method`');
  if (!isJsonObject(params)) throw noRequest('`params` is no object');
  if (id !== undefined && !isRpcId(id)) throw noRequest('`id`');
  return { id, method, params };
}

const noRequest = (observed: string): Refusal => new Refusal('CORDON-9011', 'not one JSON-RPC 2.0 request', { observed });

/** An id that can be written back as it was read: a short string or an exact integer. */
export const isRpcId = (id: Json | undefined): id is RpcId =>
  (typeof id === 'string' && id.length <= 256) || (typeof id === 'number' && Number.isSafeInteger(id));

/** Notifications that belong to a call; anything else a server says of its own accord is not handed on. */
export const isNotification = (message: JsonObject): boolean =>
  message['method'] === 'notifications/progress' || message['method'] === 'notifications/message';

/** The outcome that `message` reports of our request `id`. @throws Refusal CORDON-9010 when it is the answer to another one */
export function outcomeOf(message: JsonObject, id: number, status: number): RpcOutcome {
  const { result, error } = message;
  if (isJsonObject(result) && message['id'] === id) return { result };
  if (isJsonObject(error)) return { error };
  throw new Refusal('CORDON-9010', 'the MCP server answers another request', { observed: `status ${status}` });
}
