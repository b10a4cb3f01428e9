// Step 3 where the data plane shows no body: what URL, method and headers tell. That is all there is to know of a card,
// and of a route of an HTTP API that takes no body; what an MCP or A2A
// message asks is in its body, and its headers are the caller's own word for it. attacker-controlled
import { writeJson, type JsonObject } from '../../domain/json.ts';
import { Refusal } from '../../domain/refusal.ts';
import { decodeCard } from '../a2a-decode.ts';
import type { Call } from '../call.ts';
import type { Peer } from '../connections.ts';
import type { Exchange } from '../exchange.ts';
import { decode } from '../decode.ts';
import { decodeMcp } from '../mcp-decode.ts';
import { decodeHeader, META_CAPABILITIES, META_VERSION, MODERN, namedMember } from '../mcp-headers.ts';
import type { Pep } from '../pep.ts';
import { routeOf, type Route } from '../route.ts';
import type { Plane, PlaneRoute } from './plane.ts';

/** A route that this data plane serves. */
export interface Served {
  readonly route: Route;
  readonly terms: PlaneRoute;
}

/** @throws Refusal CORDON-3003 for any other */
export function servedBy(plane: Plane, exchange: Exchange): Served {
  const route = routeOf(exchange.req.url ?? '');
  exchange.action = route.protocol;
  exchange.resource = route.name;
  const terms = plane.routes.get(`${route.protocol}/${route.name}`);
  if (terms !== undefined) return { route, terms };
  throw new Refusal('CORDON-3003', 'this data plane does not serve it', {
    observed: `${route.protocol}/${route.name}`,
    fix: `add it under \`dataPlanes.${plane.name}.routes\` in cordon.yaml`,
  });
}

/** @throws Refusal CORDON-3009 when the body would decide; as `decodeMcp` */
export async function decodeUnseen(pep: Pep, exchange: Exchange, peer: Peer, { route, terms }: Served): Promise<Call> {
  const { req } = exchange;
  if (route.protocol === 'a2a' && route.card && req.method === 'GET') return decodeCard(peer, route.name);
  if (route.protocol === 'mcp' && terms.headersOnly) return decodeHeaders(pep, exchange, peer, route.name);
  if (route.protocol === 'api') {
    const call = await decode(pep, exchange, peer);
    if (call.plan.kind === 'http/call' && call.plan.route.body === undefined) return call;
  }
  throw new Refusal('CORDON-3009', 'the body decides, and the data plane does not show it', {
    observed: `${req.method} of ${route.protocol}/${route.name}`,
    fix: 'let a data plane forward this that shows the body, or the gateway of Cordon',
  });
}

/**
 * MCP 2026-07-28 by its headers: the message that they mirror, with nothing else in it. A server of that revision refuses a body that says
 * anything else (-32020), which is why only that revision is accepted, and only where cordon.yaml says `headersOnly`.
 */
function decodeHeaders(pep: Pep, exchange: Exchange, peer: Peer, server: string): Call {
  const { req } = exchange;
  const { 'mcp-method': method, 'mcp-name': name, 'mcp-protocol-version': version } = req.headers;
  if (req.method !== 'POST') throw new Refusal('CORDON-3008', 'HTTP method not accepted here', { expected: 'POST' });
  if (version !== MODERN || typeof method !== 'string') {
    throw new Refusal('CORDON-3009', 'without the body only MCP with its headers can be decided', {
      expected: `\`mcp-method\` and \`mcp-protocol-version: ${MODERN}\``,
    });
  }
  const member = namedMember(method);
  const named = member === undefined || typeof name !== 'string' ? {} : { [member]: decodeHeader(name) };
  const params: JsonObject = { ...named, _meta: { [META_VERSION]: MODERN, [META_CAPABILITIES]: {} } };
  const { maxBodyBytes: maxBytes, maxDepth } = pep.settings;
  const call = decodeMcp(req, {
    server,
    peer,
    bytes: Buffer.from(writeJson({ jsonrpc: '2.0', id: 0, method, params })),
    bounds: { maxBytes, maxDepth },
    known: () => false,
    setWire: () => undefined,
    definition: () => undefined,
  });
  return { ...call, request: { ...call.request, context: { body: 'unseen' } } };
}
