// A route of an HTTP API as it is registered: how a request to it is written, and under which names policy sees its parts.
import type { JsonObject } from './json.ts';

/** `GET` and `HEAD` change nothing (RFC 9110 §9.2.1). */
export const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
export type HttpMethod = (typeof HTTP_METHODS)[number];
export const isSafe = (method: HttpMethod): boolean => method === 'GET' || method === 'HEAD' || method === 'OPTIONS';

/** How the text of a parameter is read. */
export type ParameterType = 'string' | 'integer' | 'number' | 'boolean';

export interface HttpParameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly type: ParameterType;
  readonly required: boolean;
  /** Several values: as repeated parameters, or in one with commas. Absent: one value. */
  readonly list?: 'repeated' | 'commas';
}

/** `input`: where policy finds it: the members of the object among the parameters, or the whole of it as `body`. */
export interface JsonBody {
  readonly kind: 'json';
  /** `application/json`, or another media type that is JSON. */
  readonly type: string;
  readonly required: boolean;
  readonly input: 'members' | 'body';
}

/** Bytes of one of these media types: policy sees the type, how many bytes, and their digest. */
export interface BytesBody {
  readonly kind: 'bytes';
  readonly required: boolean;
  readonly types: readonly string[];
}

export interface HttpRoute {
  /** What policy calls it: `operationId`, or the key in the table. */
  readonly name: string;
  readonly method: HttpMethod;
  /** `/invoices/{id}` */
  readonly path: string;
  readonly parameters: readonly HttpParameter[];
  /** Absent: a body is refused. */
  readonly body?: JsonBody | BytesBody;
  /** JSON Schema of `context.input`. */
  readonly inputSchema: JsonObject;
  /** Request headers that are handed on besides those that always are; lower case. */
  readonly headers: readonly string[];
  /** Trailers of the answer that are handed on; lower case. */
  readonly trailers: readonly string[];
  /** It is a WebSocket: web origins that may open it; others come without an `Origin`. */
  readonly websocket?: { readonly origins: readonly string[] };
}
