// The gateway as an OAuth protected resource (RFC 9728): where its tokens come from, and what a 401 says of that (§5.1, RFC 6750 §3,
// RFC 9449 §7.1).
import { JWS_ALGORITHMS } from '../crypto/jwk.ts';
import type { Code } from '../domain/codes.ts';
import type { JsonObject } from '../domain/json.ts';
import { MANDATE_TYPE } from '../domain/mandate.ts';
import { Refusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import { isLive } from '../pdp/liveness.ts';
import { shownBy } from './authenticate.ts';
import type { Peer } from './connections.ts';
import type { Exchange } from './exchange.ts';
import { sendReply } from './exchange.ts';
import { jsonReply } from './mcp-wire.ts';
import type { Pep } from './pep.ts';
import { knows, routeOf } from './route.ts';

const WELL_KNOWN = '/.well-known/oauth-protected-resource';

export const isMetadata = ({ url = '' }: Exchange['req']): boolean => url === WELL_KNOWN || url.startsWith(`${WELL_KNOWN}/`);

/**
 * Answers with the metadata of the gateway, or of one of its routes, when the caller may know of it (INVARIANT I9).
 * @throws Refusal CORDON-3003, -3008, -4002, -4005, -9012
 */
export function sendMetadata(pep: Pep, exchange: Exchange, peer: Peer): void {
  const { req } = exchange;
  exchange.action = 'oauth-protected-resource';
  const path = (req.url ?? '').slice(WELL_KNOWN.length);
  const snapshot = pep.snapshot();
  if (snapshot?.tokens === undefined) throw new Refusal('CORDON-9012', 'the gateway has no keys of the token service');
  if (!isLive(snapshot, shownBy(peer), pep.now())) throw new Refusal('CORDON-4005', 'the run has ended or was never started');
  if (snapshot.world.levels.get(peer.agent) === 'off') throw new Refusal('CORDON-4002', 'the level of the agent is off');
  if (path !== '' && !isResource(snapshot.world, peer, path)) throw new Refusal('CORDON-3003', 'no such path');
  if (req.method !== 'GET') throw new Refusal('CORDON-3008', 'HTTP method not accepted here', { expected: 'GET' });
  sendReply(exchange, jsonReply(200, metadataOf(`${pep.publicUrl}${path}`, snapshot.tokens.issuer)));
}

/** A route as tokens name it, and not a path below one. */
function isResource(world: World, peer: Peer, path: string): boolean {
  const route = routeOf(path);
  return !('rest' in route) && knows(world, peer, route);
}

const metadataOf = (resource: string, issuer: string): JsonObject => ({
  resource,
  authorization_servers: [issuer],
  bearer_methods_supported: ['header'],
  authorization_details_types_supported: [MANDATE_TYPE],
  dpop_signing_alg_values_supported: JWS_ALGORITHMS,
  tls_client_certificate_bound_access_tokens: true,
});

/** What is wrong with a token, as RFC 6750 §3.1 and RFC 9449 §7.1 call it; of one that is missing nothing is. */
const ERRORS: Readonly<Partial<Record<Code, string | undefined>>> = {
  'CORDON-1008': undefined,
  'CORDON-1009': 'invalid_token',
  'CORDON-1010': 'invalid_token',
  'CORDON-1011': 'invalid_token',
  'CORDON-1013': 'invalid_token',
  'CORDON-1016': 'invalid_dpop_proof',
};

/** `WWW-Authenticate` for a call that was refused for its token; undefined when it was refused for something else. */
export function challengeOf({ publicUrl }: Pep, { scheme, action, resource }: Exchange, code: Code): string | undefined {
  if (!Object.hasOwn(ERRORS, code)) return undefined;
  const error = ERRORS[code];
  const route = action === 'egress' ? '' : `/${action}/${resource}`;
  return [
    `${scheme} resource_metadata="${publicUrl}${WELL_KNOWN}${route}"`,
    ...(error === undefined ? [] : [`error="${error}"`]),
    ...(scheme === 'DPoP' ? [`algs="${JWS_ALGORITHMS.join(' ')}"`] : []),
  ].join(', ');
}
