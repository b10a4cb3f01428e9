// How A2A hears a no, and what an agent answers: the same errors in both bindings. Standard: A2A 1.0 §3.3.2, §5.4 (one table of errors), §9.5
// (JSON-RPC), §11.6 (HTTP+JSON: google.rpc.Status, AIP-193). INVARIANT I9: what is hidden is a task that is not found, in the same bytes.
import { CODES, type Code } from '../domain/codes.ts';
import { isJsonArray, isJsonObject, writeJson, type Json, type JsonObject } from '../domain/json.ts';
import { HIDDEN, type No, type Reply, type Wire } from './call.ts';
import { jsonReply } from './mcp-wire.ts';
import { problem } from './problem.ts';
import type { RpcId } from './mcp-words.ts';

interface A2aError {
  /** Of JSON-RPC. */
  readonly rpc: number;
  readonly status: number;
  /** `reason` of `google.rpc.ErrorInfo`. */
  readonly reason: string;
  /** Name of the `google.rpc.Code`. */
  readonly grpc: string;
}

const row = (rpc: number, status: number, reason: string, grpc: string): A2aError => ({ rpc, status, reason, grpc });
const NOT_FOUND = row(-32_001, 404, 'TASK_NOT_FOUND', 'NOT_FOUND');
const NO_PUSH = row(-32_003, 400, 'PUSH_NOTIFICATION_NOT_SUPPORTED', 'FAILED_PRECONDITION');
/** JSON-RPC 2.0 §5.1: method not found. */
const NO_METHOD = row(-32_601, 400, 'UNSUPPORTED_OPERATION', 'UNIMPLEMENTED');
const CONTENT_TYPE = row(-32_005, 400, 'CONTENT_TYPE_NOT_SUPPORTED', 'INVALID_ARGUMENT');
const BAD_ANSWER = row(-32_006, 502, 'INVALID_AGENT_RESPONSE', 'INTERNAL');
const VERSION = row(-32_009, 400, 'VERSION_NOT_SUPPORTED', 'FAILED_PRECONDITION');
const BAD_PARAMS = row(-32_602, 400, 'INVALID_PARAMS', 'INVALID_ARGUMENT');

const ERRORS: readonly A2aError[] = [
  NOT_FOUND,
  row(-32_002, 400, 'TASK_NOT_CANCELABLE', 'FAILED_PRECONDITION'),
  NO_PUSH,
  row(-32_004, 400, 'UNSUPPORTED_OPERATION', 'FAILED_PRECONDITION'),
  CONTENT_TYPE,
  BAD_ANSWER,
  row(-32_007, 400, 'EXTENDED_AGENT_CARD_NOT_CONFIGURED', 'FAILED_PRECONDITION'),
  row(-32_008, 400, 'EXTENSION_SUPPORT_REQUIRED', 'FAILED_PRECONDITION'),
  VERSION,
  BAD_PARAMS,
  NO_METHOD,
];

/** What of ours is an error of A2A; a denial is none. */
const OF_CODE: Readonly<Partial<Record<Code, A2aError>>> = {
  'CORDON-3006': CONTENT_TYPE,
  'CORDON-3008': NO_METHOD,
  'CORDON-3011': BAD_PARAMS,
  'CORDON-3016': BAD_ANSWER,
  'CORDON-3021': VERSION,
  'CORDON-3023': NO_PUSH,
  'CORDON-9010': BAD_ANSWER,
  'CORDON-9011': BAD_PARAMS,
};

/** By status, for what A2A has no error for (google/rpc/code.proto). */
const GRPC: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  405: 'UNIMPLEMENTED',
  429: 'RESOURCE_EXHAUSTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo';
const infoOf = ({ reason }: A2aError, metadata?: JsonObject): JsonObject => ({
  '@type': ERROR_INFO,
  reason,
  domain: 'a2a-protocol.org',
  ...(metadata === undefined ? {} : { metadata }),
});

/** What Cordon adds: texts alone, as ErrorInfo has it. */
const metadataOf = ({ code, decisionId }: No): JsonObject => ({
  code,
  retryable: String(CODES[code].retryable),
  ...(decisionId === undefined ? {} : { decision_id: decisionId }),
});

/**
 * Of an error object: 200, as the official servers answer, because Python's client reads the object of no other answer. A fault behind the
 * gateway stays one in HTTP too.
 */
const rpcStatus = (code: Code): number => (CODES[code].status >= 500 ? CODES[code].status : 200);

/** Says no in JSON-RPC, where A2A has an error for it; else in plain HTTP. */
export const a2aRpcWire =
  (id: RpcId): Wire =>
  (no) => {
    const said = (error: A2aError, status: number, message: string, data: JsonObject): Reply =>
      jsonReply(status, { jsonrpc: '2.0', id, error: { code: error.rpc, message, data: [data] } });
    if (HIDDEN.has(no.code)) return said(NOT_FOUND, 200, 'Task not found', infoOf(NOT_FOUND));
    const error = OF_CODE[no.code];
    if (error === undefined) return problem(no);
    return said(error, rpcStatus(no.code), no.reason ?? CODES[no.code].title, infoOf(error, metadataOf(no)));
  };

/** Of the HTTP+JSON binding (§11.1). */
export const REST_TYPE = 'application/a2a+json';
const restReply = (status: number, body: Json, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers: { ...headers, 'content-type': REST_TYPE, 'cache-control': 'no-store' },
  body: writeJson(body),
});

/** The error of JSON-RPC that an agent says over HTTP+JSON. Whether it is one of A2A stands in its details. */
export function rpcErrorOf({ message, details }: JsonObject): JsonObject {
  const infos = isJsonArray(details) ? details.filter(isJsonObject) : [];
  const known = ERRORS.find(({ reason }) => infos.some((info) => info['reason'] === reason));
  return {
    code: known?.rpc ?? -32_603,
    message: typeof message === 'string' ? message : 'the agent answers with an error',
    ...(infos.length === 0 ? {} : { data: infos }),
  };
}

const statusBody = (code: number, status: string, message: string, details: readonly Json[]): JsonObject => ({
  error: { code, status, message, details },
});

/** Says no over HTTP+JSON. */
export const a2aRestWire: Wire = (no) => {
  if (HIDDEN.has(no.code)) return restReply(404, statusBody(404, NOT_FOUND.grpc, 'Task not found', [infoOf(NOT_FOUND)]));
  const { title } = CODES[no.code];
  const { status, headers } = problem(no); // what a client of HTTP is told in headers: the challenge, when to come again
  const error = OF_CODE[no.code];
  const info =
    error === undefined
      ? { '@type': ERROR_INFO, reason: 'DENIED', domain: 'cordon', metadata: metadataOf(no) }
      : infoOf(error, metadataOf(no));
  return restReply(status, statusBody(status, error?.grpc ?? GRPC[status] ?? 'INTERNAL', no.reason ?? title, [info]), headers);
};

/** An answer of an agent, which speaks JSON-RPC, over HTTP+JSON. */
export const restAnswer = ({ result, error }: JsonObject): Reply => (isJsonObject(error) ? restError(error) : restReply(200, result ?? {}));

/** The same of an error in the middle of a stream, as its event has it. */
export const restErrorText = (error: JsonObject): string => restError(error).body;

function restError({ code, message, data }: JsonObject): Reply {
  const known = ERRORS.find(({ rpc }) => rpc === code);
  const status = known?.status ?? 500;
  const details = isJsonArray(data) ? data.filter(isJsonObject) : known === undefined ? [] : [infoOf(known)];
  const text = typeof message === 'string' ? message : 'the agent answers with an error';
  return restReply(status, statusBody(status, known?.grpc ?? GRPC[status] ?? 'INTERNAL', text, details));
}
