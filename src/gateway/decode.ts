// Step 3: from bytes to a call, by the protocol of the path. INVARIANTS I2, I10
import type { JsonBounds, JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { decodeA2a, decodeA2aRest, decodeCard, type A2aMessage } from './a2a-decode.ts';
import { decodePush } from './a2a-push-decode.ts';
import { a2aRestWire } from './a2a-wire.ts';
import { readBody } from './body.ts';
import type { Call } from './call.ts';
import type { Peer } from './connections.ts';
import { decodeEgress, decodeInner } from './egress-decode.ts';
import { isForOutside, type Exchange } from './exchange.ts';
import { decodeHttp } from './http-decode.ts';
import { decodeMcp, decodeMcpStream, type McpMessage } from './mcp-decode.ts';
import type { Pep } from './pep.ts';
import { knows, routeOf, type Route } from './route.ts';

/** @throws Refusal CORDON-3003, -3006, -3008, -3011, -9011 */
export async function decode(pep: Pep, exchange: Exchange, peer: Peer): Promise<Call> {
  const { req } = exchange;
  if (exchange.via !== undefined) return decodeInner(pep, exchange, peer, exchange.via);
  if (isForOutside(exchange)) return decodeEgress(pep, exchange, peer);
  const route = routeOf(req.url ?? '');
  exchange.action = route.protocol;
  exchange.resource = route.name;
  if (route.protocol === 'a2a' && route.card) {
    if (req.method !== 'GET') throw notAllowed('GET');
    return decodeCard(peer, route.name);
  }
  if (route.protocol === 'a2a' && 'sealed' in route) return decodePush(pep, exchange, peer, route);
  if (route.protocol === 'api') return decodeHttp(pep, exchange, peer, route);
  if (exchange.door.kind !== 'request') throw new Refusal('CORDON-9011', 'header not accepted', { observed: 'upgrade' });
  if (route.protocol === 'a2a' && 'rest' in route) return decodeRest(pep, exchange, peer, route);
  if (route.protocol === 'mcp' && (req.method === 'GET' || req.method === 'DELETE')) {
    return decodeMcpStream(req, aboutMcp(pep, exchange, peer, route));
  }
  if (req.method !== 'POST') throw notAllowed('POST');
  if ((req.headers['content-type'] ?? '').split(';', 1)[0]?.trim() !== 'application/json') {
    throw new Refusal('CORDON-9011', 'content type not accepted', { expected: 'application/json' });
  }
  const { maxBodyBytes: maxBytes, maxDepth } = pep.settings;
  const bytes = await readBody(req, maxBytes);
  return decodeBody(pep, exchange, { peer, route, bytes, bounds: { maxBytes, maxDepth } });
}

async function decodeRest(pep: Pep, exchange: Exchange, peer: Peer, { name, rest }: RestRoute): Promise<Call> {
  exchange.wire = a2aRestWire;
  const { maxBodyBytes: maxBytes, maxDepth } = pep.settings;
  const bytes = await readBody(exchange.req, maxBytes);
  return decodeA2aRest(exchange.req, rest, { peer, agent: name, bytes, bounds: { maxBytes, maxDepth }, ...taken(pep, name) });
}

/** What an agent takes. */
const taken = (pep: Pep, agent: string): Pick<A2aMessage, 'accepts' | 'pushes'> => {
  const upstream = pep.upstreams.a2a(agent);
  return { accepts: upstream?.accepts, pushes: upstream?.pushBase !== undefined };
};

type RestRoute = Extract<Route, { readonly rest: string }>;

const notAllowed = (expected: string): Refusal => new Refusal('CORDON-3008', 'HTTP method not accepted here', { expected });

interface Body {
  readonly peer: Peer;
  readonly route: Exclude<Route, { readonly protocol: 'api' }>;
  readonly bytes: Uint8Array;
  readonly bounds: JsonBounds;
}

function decodeBody(pep: Pep, exchange: Exchange, { peer, route, bytes, bounds }: Body): Call {
  const { name, protocol } = route;
  if (protocol === 'a2a') {
    return decodeA2a(exchange.req, { peer, agent: name, bytes, bounds, ...taken(pep, name), setWire: (wire) => (exchange.wire = wire) });
  }
  const definition = (tool: string): JsonObject | undefined =>
    pep
      .snapshot()
      ?.world.tools.get(name)
      ?.find((one) => one.name === tool)?.definition;
  return decodeMcp(exchange.req, { ...aboutMcp(pep, exchange, peer, route), bytes, bounds, definition });
}

/** What a message of MCP is read beside. */
const aboutMcp = (pep: Pep, exchange: Exchange, peer: Peer, route: Route): Omit<McpMessage, 'bytes' | 'bounds' | 'definition'> => ({
  server: route.name,
  peer,
  known: () => {
    const world = pep.snapshot()?.world;
    return world !== undefined && knows(world, peer, route);
  },
  setWire: (wire) => {
    exchange.wire = wire;
  },
  ...(exchange.origin === undefined ? { session: (id: string) => pep.mcpSessions.find(id, route.name, peer.run, pep.now()) } : {}),
});
