// Step 3 for what leads outside: a tunnel (`CONNECT host:port`), or a request for another host (`GET http://host/path`), as a forward proxy
// is asked. Standards: RFC 9110 §9.3.6, RFC 9112 §3.2.2, §3.2.3. INVARIANTS I2, I9, I10. attacker-controlled
import { sha256Hex } from '../crypto/hash.ts';
import { HTTP_METHODS, type HttpMethod } from '../domain/http-route.ts';
import type { JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { readBody } from './body.ts';
import type { Call } from './call.ts';
import type { Peer } from './connections.ts';
import { type HostPort, readAuthority, writeHost } from './egress-host.ts';
import type { Via } from './egress-inner.ts';
import type { Outside } from './egress-table.ts';
import type { Exchange } from './exchange.ts';
import { checkConnection, readContentType, requestHeaders } from './http-headers.ts';
import { readTarget, writePath, writeQuery } from './http-target.ts';
import type { Pep } from './pep.ts';
import { proxyProblem } from './problem.ts';

const HTTPS = 443;
const HTTP = 80;
/** `http://host:port`, and the rest. Of `https:` nothing is asked in the open. */
const ABSOLUTE = /^http:\/\/([^/?#]*)(.*)$/is;

/** @throws Refusal CORDON-3003 a host that is not registered, CORDON-3008, -3011, -9011 */
export async function decodeEgress(pep: Pep, exchange: Exchange, peer: Peer): Promise<Call> {
  const { req, door } = exchange;
  exchange.wire = proxyProblem;
  exchange.action = 'egress';
  checkConnection(req);
  if (door.kind === 'connect') return decodeConnect(pep, exchange, peer);
  const [, authority, rest = ''] = ABSOLUTE.exec(req.url ?? '') ?? [];
  if (authority === undefined || door.kind !== 'request')
    throw new Refusal('CORDON-9011', 'target not accepted', { expected: '`http://host/path`' });
  const to = readAuthority(authority, HTTP);
  checkHost(req.headers.host, to, HTTP);
  return decodeRequest(pep, exchange, peer, { scheme: 'http', to, target: rest.startsWith('/') ? rest : `/${rest}` });
}

/** Two hosts in one message are two things to two readers. @throws Refusal CORDON-3011 */
function checkHost(header: string | undefined, to: HostPort, usual: number): void {
  const said = readAuthority(header ?? '', usual);
  if (said.host === to.host && said.port === to.port) return;
  throw new Refusal('CORDON-3011', '`host` names another host than the target');
}

/** @throws Refusal CORDON-3003 */
function registered(pep: Pep, exchange: Exchange, to: HostPort): Outside {
  exchange.resource = `${writeHost(to.host)}:${to.port}`;
  const outside = pep.upstreams.outside(to);
  if (outside === undefined) throw new Refusal('CORDON-3003', 'the host is not registered', { observed: exchange.resource });
  exchange.resource = outside.name;
  return outside;
}

function decodeConnect(pep: Pep, exchange: Exchange, peer: Peer): Call {
  const { req } = exchange;
  if (req.headers['content-length'] !== undefined || req.headers['transfer-encoding'] !== undefined) {
    throw new Refusal('CORDON-9011', 'CONNECT has no body');
  }
  const to = readAuthority(req.url ?? '');
  checkHost(req.headers.host, to, HTTPS);
  const { name } = registered(pep, exchange, to);
  return {
    request: requestTo(peer, name, 'egress/connect', { host: to.host, port: to.port }),
    plan: { kind: 'egress/connect', server: name, to },
  };
}

/** A call of the peer's to a registered host. */
export const requestTo = (peer: Peer, name: string, action: string, input: JsonObject): Call['request'] => ({
  subject: { type: 'agent', id: peer.agent, spiffeId: peer.svid.workload.id, run: peer.run },
  action: { name: action },
  resource: { type: 'egress', id: name },
  context: { input },
});

/** A request inside an intercepted tunnel: to its host, whatever else it says. @throws Refusal CORDON-3008, -3011, -9011 */
export function decodeInner(pep: Pep, exchange: Exchange, peer: Peer, { to }: Via): Promise<Call> {
  exchange.action = 'egress';
  checkConnection(exchange.req);
  checkHost(exchange.req.headers.host, to, HTTPS);
  return decodeRequest(pep, exchange, peer, { scheme: 'https', to, target: exchange.req.url ?? '' });
}

/** A request that is read here, in the open or behind an intercepted handshake. */
export interface Asked {
  readonly scheme: 'http' | 'https';
  readonly to: HostPort;
  /** Path and query. */
  readonly target: string;
}

/** @throws Refusal CORDON-3003, -3008, -9011 */
export async function decodeRequest(pep: Pep, exchange: Exchange, peer: Peer, { scheme, to, target: text }: Asked): Promise<Call> {
  const { req } = exchange;
  const outside = registered(pep, exchange, to);
  const method = methodOf(req.method);
  const { segments, query } = readTarget(text);
  const written = writeQuery(query);
  const bytes = await readBody(req, pep.settings.maxBodyBytes);
  const type = req.headers['content-type'] === undefined ? undefined : readContentType(req);
  const input = {
    host: to.host,
    port: to.port,
    scheme,
    method,
    path: `/${segments.join('/')}`,
    ...(written === '' ? {} : { query: written }),
    ...(type === undefined ? {} : { content_type: type.type }),
    ...(bytes.byteLength === 0 ? {} : { body_bytes: bytes.byteLength, body_sha256: sha256Hex(bytes) }),
  };
  return {
    request: requestTo(peer, outside.name, 'egress/request', input),
    plan: {
      kind: 'egress/request',
      server: outside.name,
      scheme,
      to,
      method,
      target: `${writePath(segments)}${written === '' ? '' : `?${written}`}`,
      headers: { ...requestHeaders(req, outside.headers), ...(type === undefined ? {} : { 'content-type': type.whole }) },
      ...(bytes.byteLength === 0 ? {} : { body: bytes }),
    },
  };
}

function methodOf(text: string | undefined): HttpMethod {
  const method = HTTP_METHODS.find((one) => one === text);
  if (method === undefined) throw new Refusal('CORDON-3008', 'HTTP method not accepted here', { expected: HTTP_METHODS.join(', ') });
  return method;
}
