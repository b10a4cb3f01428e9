// The story of one JWT-SVID that somebody brought: whose it says it is → the keys of that trust domain → signature → lifetime → audience.
// Standard: SPIFFE JWT-SVID §2, §3, §4, §5. A key of one domain never proves an identity of another.
import { verifyJws, readJws, type UnverifiedJws } from '../crypto/jws.ts';
import type { VerificationKey } from '../crypto/jwk.ts';
import { isJsonArray, type Json, type JsonObject } from '../domain/json.ts';
import { parseSpiffeId, trustDomainOf, type SpiffeId, type TrustDomain } from '../domain/spiffe-id.ts';
import { BACKDATE } from './authority.ts';
import { readJwtBundle } from './bundle.ts';
import { flaw } from './flaws.ts';

export interface JwtSvidCheck {
  /** JWK Set of a trust domain; undefined: not one that is known. */
  readonly keysOf: (domain: TrustDomain) => JsonObject | undefined;
  /** The token must be for one of these; none: it is accepted nowhere. */
  readonly audiences: readonly string[];
  /** Unix milliseconds. */
  readonly now: number;
}

export interface ProvenJwtSvid {
  readonly id: SpiffeId;
  readonly claims: JsonObject;
}

/**
 * attacker-controlled
 * @throws Refusal CORDON-1006 no SPIFFE ID, CORDON-1004 unknown domain, CORDON-1009 not signed by it, CORDON-1010, CORDON-1011
 */
export function validateJwtSvid(token: string, { keysOf, audiences, now }: JwtSvidCheck): ProvenJwtSvid {
  const read = readJws(token);
  if (read.algorithm === 'EdDSA' || read.algorithm === 'Ed25519') throw flaw('alg'); // §2.1
  const id = subjectOf(read);
  const jwks = keysOf(trustDomainOf(id));
  if (jwks === undefined) throw flaw('unknown-domain', { observed: trustDomainOf(id) });
  const key = keyOf(read, readJwtBundle(jwks));
  const { payload } = verifyJws(token, () => key, ['jwt', 'jose', '', undefined]);
  checkTimes(payload, now);
  checkAudience(payload['aud'], audiences);
  return { id, claims: payload };
}

/** Whom a token says that it names. @throws Refusal CORDON-1006 */
export function subjectOf({ payload: { sub } }: UnverifiedJws): SpiffeId {
  if (typeof sub !== 'string' || sub === '') throw flaw('no-sub');
  try {
    return parseSpiffeId(sub);
  } catch (cause) {
    throw flaw('sub', { cause });
  }
}

/** The key that the header names: §2 lets a token name none, nobody accepts such a one. @throws Refusal CORDON-1006 */
export function keyOf({ kid = '' }: UnverifiedJws, keys: ReadonlyMap<string, VerificationKey>): readonly VerificationKey[] {
  if (kid.trim() === '') throw flaw('token-kid');
  const key = keys.get(kid);
  return key === undefined ? [] : [key];
}

/** @throws Refusal CORDON-1009, CORDON-1010 */
export function checkTimes({ exp, nbf, iat }: JsonObject, now: number): void {
  if (typeof exp !== 'number') throw flaw('no-exp');
  if (now >= exp * 1000) throw flaw('expired');
  const begins = Math.max(typeof nbf === 'number' ? nbf : 0, typeof iat === 'number' ? iat : 0) * 1000;
  if (now + BACKDATE < begins) throw flaw('not-yet');
}

function checkAudience(aud: Json | undefined, accepted: readonly string[]): void {
  const named = isJsonArray(aud) ? aud : aud === undefined ? [] : [aud];
  if (named.length === 0) throw flaw('no-aud');
  if (!accepted.some((one) => named.includes(one))) throw flaw('audience', { expected: accepted.join(', ') });
}
