// Step 3 for the HTTP+JSON binding of A2A 1.0 (§11, and the `google.api.http` options of a2a.proto): which operation a method and a path are,
// and its parameters. From there on it is one with JSON-RPC: the same actions, the same decision, the same request to the agent.
// attacker-controlled. INVARIANTS I2, I10
import type { IncomingMessage } from 'node:http';
import { isJsonObject, parseJson, type Json, type JsonBounds, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { REST_TYPE } from './a2a-wire.ts';
import { readTarget, type QueryPair } from './http-target.ts';

/** What is asked, as JSON-RPC would have said it. */
export interface RestRequest {
  readonly method: string;
  readonly params: JsonObject;
}

interface Operation {
  readonly http: readonly string[];
  /** `{id}` is a segment, up to the verb behind it. */
  readonly path: RegExp;
  readonly method: string;
  /** Its parameters are the body; else path and query. */
  readonly inBody?: true;
}

const OPERATIONS: readonly Operation[] = [
  { http: ['POST'], path: /^\/message:send$/, method: 'SendMessage', inBody: true },
  { http: ['POST'], path: /^\/message:stream$/, method: 'SendStreamingMessage', inBody: true },
  { http: ['GET'], path: /^\/extendedAgentCard$/, method: 'GetExtendedAgentCard' },
  { http: ['GET'], path: /^\/tasks$/, method: 'ListTasks' },
  { http: ['POST'], path: /^\/tasks\/([^/]+):cancel$/, method: 'CancelTask' },
  { http: ['GET', 'POST'], path: /^\/tasks\/([^/]+):subscribe$/, method: 'SubscribeToTask' },
  { http: ['GET'], path: /^\/tasks\/([^/]+)$/, method: 'GetTask' },
];

/** `target`: path and query below the agent. @throws Refusal CORDON-3003, -3008, -9011 */
export function readRest(req: IncomingMessage, target: string, bytes: Uint8Array, bounds: JsonBounds): RestRequest {
  const [path = ''] = target.split('?', 1);
  const webhook = WEBHOOKS.exec(path);
  if (webhook !== null) return readWebhooks(req, webhook, bytes, bounds);
  const operation = OPERATIONS.find((one) => one.path.test(path));
  if (operation === undefined) throw new Refusal('CORDON-3003', 'no such path');
  if (!operation.http.includes(req.method ?? '')) {
    throw new Refusal('CORDON-3008', 'HTTP method not accepted here', { expected: operation.http.join(', ') });
  }
  const [, rawId] = operation.path.exec(path) ?? [];
  const body = req.method === 'GET' ? noBody(bytes) : readObject(req, bytes, bounds);
  if (operation.inBody) return { method: operation.method, params: body };
  const { query } = readTarget(target);
  const id = rawId === undefined ? undefined : readTarget(`/${rawId}`).segments[0];
  // a body that names another task than the path would be read by some
  if (body['id'] !== undefined && body['id'] !== id) throw new Refusal('CORDON-9011', 'the body names another task than the path');
  return { method: operation.method, params: { ...readQuery(query), ...(id === undefined ? {} : { id }) } };
}

const WEBHOOKS = /^\/tasks\/([^/]+)\/pushNotificationConfigs(?:\/([^/]+))?$/;

/** What is asked about webhooks: all of a task, or one. */
const OF_WEBHOOKS: Readonly<Record<'all' | 'one', Readonly<Record<string, string>>>> = {
  all: { POST: 'CreateTaskPushNotificationConfig', GET: 'ListTaskPushNotificationConfigs' },
  one: { GET: 'GetTaskPushNotificationConfig', DELETE: 'DeleteTaskPushNotificationConfig' },
};

function readWebhooks(req: IncomingMessage, [, task = '', one]: RegExpExecArray, bytes: Uint8Array, bounds: JsonBounds): RestRequest {
  const methods = OF_WEBHOOKS[one === undefined ? 'all' : 'one'];
  const method = methods[req.method ?? ''];
  if (method === undefined)
    throw new Refusal('CORDON-3008', 'HTTP method not accepted here', { expected: Object.keys(methods).join(', ') });
  const [taskId] = readTarget(`/${task}`).segments;
  const body = req.method === 'POST' ? readObject(req, bytes, bounds) : noBody(bytes);
  const named = body['taskId'] ?? '';
  if (named !== '' && named !== taskId) throw new Refusal('CORDON-9011', 'the body names another task than the path');
  const [id] = one === undefined ? [] : readTarget(`/${one}`).segments;
  return { method, params: { ...body, ...(taskId === undefined ? {} : { taskId }), ...(id === undefined ? {} : { id }) } };
}

function noBody(bytes: Uint8Array): JsonObject {
  if (bytes.length > 0) throw new Refusal('CORDON-9011', 'a body is not accepted here');
  return {};
}

const TYPES: ReadonlySet<string> = new Set(['application/json', REST_TYPE]);

/** Which of the two types of JSON it is. @throws Refusal CORDON-9011 */
export function jsonTypeOf({ headers }: IncomingMessage): string {
  const type = (headers['content-type'] ?? '').split(';', 1).join('').trim().toLowerCase();
  if (!TYPES.has(type)) throw new Refusal('CORDON-9011', 'content type not accepted', { expected: [...TYPES].join(', ') });
  return type;
}

function readObject(req: IncomingMessage, bytes: Uint8Array, bounds: JsonBounds): JsonObject {
  if (bytes.length === 0) return {};
  jsonTypeOf(req);
  const body = parseJson(bytes, bounds);
  if (!isJsonObject(body)) throw new Refusal('CORDON-9011', 'the body is no object');
  return body;
}

const COUNTS: ReadonlySet<string> = new Set(['historyLength', 'pageSize']);
const FLAGS: ReadonlySet<string> = new Set(['includeArtifacts']);

/** Each parameter once, as the type that it has in JSON; what an operation does not have is left out where its parameters are read. */
function readQuery(query: readonly QueryPair[]): JsonObject {
  const read = query.map(([name, text]): readonly [string, Json] => [name, valueOf(name, text)]);
  if (new Set(read.map(([name]) => name)).size < read.length) throw new Refusal('CORDON-9011', 'a query parameter is there more than once');
  return Object.fromEntries(read);
}

function valueOf(name: string, text: string): Json {
  if (COUNTS.has(name) && /^(?:0|[1-9]\d{0,8})$/.test(text)) return Number(text);
  if (FLAGS.has(name) && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}
