// Step 3 for HTTP APIs: which route a request is, what it says there, and the request that is made of that alone. INVARIANTS I2, I9, I10
// attacker-controlled
import { sha256Hex } from '../crypto/hash.ts';
import type { BytesBody, HttpRoute, JsonBody } from '../domain/http-route.ts';
import { type Json, type JsonObject, parseJson, writeJson } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { ROUTE_CALL } from '../policy/methods.ts';
import { readBody } from './body.ts';
import type { Call } from './call.ts';
import type { Peer } from './connections.ts';
import type { Exchange } from './exchange.ts';
import { checkConnection, readContentType, requestHeaders } from './http-headers.ts';
import { inputOf, readParameters } from './http-input.ts';
import { readTarget } from './http-target.ts';
import { readOffer } from './http-websocket.ts';
import type { Pep } from './pep.ts';
import { knows, type Route } from './route.ts';

type ApiRoute = Extract<Route, { readonly protocol: 'api' }>;

/** @throws Refusal CORDON-3003 no such route, CORDON-3006 arguments, CORDON-9011 malformed */
export async function decodeHttp(pep: Pep, exchange: Exchange, peer: Peer, api: ApiRoute): Promise<Call> {
  try {
    return await decodeCall(pep, exchange, peer, api);
  } catch (error) {
    const world = pep.snapshot()?.world;
    if (world !== undefined && knows(world, peer, api)) throw error;
    throw noRoute(error); // whoever may not know the API is not told what it takes
  }
}

const noRoute = (cause?: unknown): Refusal => new Refusal('CORDON-3003', 'no such path', cause === undefined ? {} : { cause });

async function decodeCall(pep: Pep, exchange: Exchange, peer: Peer, { name: api, target: text }: ApiRoute): Promise<Call> {
  const { req } = exchange;
  checkConnection(req);
  const upstream = pep.upstreams.http(api);
  const { segments, query } = readTarget(text);
  const matched = upstream?.routes.match(req.method ?? '', segments);
  if (upstream === undefined || matched === undefined) throw noRoute();
  const { route } = matched;
  const { values, target } = readParameters(matched, query);
  const asked = (input: JsonObject): Call['request'] => ({
    subject: { type: 'agent', id: peer.agent, spiffeId: peer.svid.workload.id, run: peer.run },
    action: { name: ROUTE_CALL },
    resource: { type: 'route', id: `${api}/${route.name}` },
    context: { input },
  });
  const passed = requestHeaders(req, [...upstream.headers, ...route.headers]);
  if (route.websocket !== undefined) {
    const offer = readOffer(exchange, route.websocket.origins);
    return {
      request: asked(inputOf(route, values, undefined)),
      plan: { kind: 'http/upgrade', server: api, target, headers: passed, offer },
    };
  }
  if (exchange.door.kind !== 'request') throw new Refusal('CORDON-9011', 'the route is no WebSocket');
  const sent = await readSent(pep, req, route);
  const headers = { ...passed, ...sent.headers };
  return {
    request: asked({ ...inputOf(route, values, sent.json), ...sent.facts }),
    plan: { kind: 'http/call', server: api, route, target, headers, ...(sent.body === undefined ? {} : { body: sent.body }) },
  };
}

/** A body: for policy, and as it is sent on. */
interface Sent {
  readonly json?: Json;
  readonly facts?: JsonObject;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

async function readSent(pep: Pep, req: Exchange['req'], { body }: HttpRoute): Promise<Sent> {
  const bytes = await readBody(req, pep.settings.maxBodyBytes);
  if (bytes.byteLength === 0) {
    if (body?.required === true) throw new Refusal('CORDON-3006', 'the body is missing');
    return {};
  }
  if (body === undefined) throw new Refusal('CORDON-9011', 'the route takes no body');
  return body.kind === 'json' ? jsonSent(pep, req, body, bytes) : bytesSent(req, body, bytes);
}

function jsonSent({ settings }: Pep, req: Exchange['req'], { type }: JsonBody, bytes: Uint8Array): Sent {
  const [sentType, charset = 'utf-8'] = contentTypeOf(req);
  if (sentType !== type || charset !== 'utf-8') throw new Refusal('CORDON-9011', 'content type not accepted', { expected: type });
  const json = parseJson(bytes, { maxBytes: settings.maxBodyBytes, maxDepth: settings.maxDepth });
  return { json, headers: { 'content-type': type }, body: writeJson(json) };
}

/** A media type and its `charset`. */
function contentTypeOf({ headers }: Exchange['req']): readonly string[] {
  const [, type = '', charset] = /^([\w.+-]+\/[\w.+-]+)(?:\s*;\s*charset="?([\w-]+)"?)?$/.exec(headers['content-type'] ?? '') ?? [];
  return charset === undefined ? [type.toLowerCase()] : [type.toLowerCase(), charset.toLowerCase()];
}

function bytesSent(req: Exchange['req'], { types }: BytesBody, bytes: Uint8Array): Sent {
  const { type, whole } = readContentType(req);
  if (!types.includes(type)) throw new Refusal('CORDON-9011', 'content type not accepted', { expected: types.join(', ').slice(0, 300) });
  return { facts: bytesFacts(type, bytes), headers: { 'content-type': whole }, body: bytes };
}

/** What policy sees of bytes. */
const bytesFacts = (type: string, bytes: Uint8Array): JsonObject => ({
  content_type: type,
  body_bytes: bytes.byteLength,
  body_sha256: sha256Hex(bytes),
});
