// DPoP proofs (RFC 9449): that whoever sends a request holds the key that a token is, or will be, bound to.
// Promises: a proof is accepted for one method, one address, one token, within seconds, once.
import { sha256 } from '../crypto/hash.ts';
import { embeddedKey, type UnverifiedJws, verifyJws } from '../crypto/jws.ts';
import type { JsonObject } from '../domain/json.ts';
import { asRefusal } from '../domain/refusal.ts';
import { secondsClaim, secondsOf, textClaim } from './claims.ts';
import { OAuthRefusal } from './errors.ts';
import { TYP } from './token-type.ts';

/** Remembers what was used, for as long as it could be used again; what it cannot remember it refuses. */
export interface Replays {
  /** Times are Unix milliseconds. @throws Refusal CORDON-1016 used before, CORDON-4003 more than can be remembered */
  use(key: string, id: string, until: number, now: number): void;
}

export interface ExpectedProof {
  readonly method: string;
  /** Where the request was sent to, as the sender sees it. */
  readonly url: string;
  /** Unix milliseconds. */
  readonly now: number;
  /** Seconds that a proof is accepted after it was made. */
  readonly life: number;
  /** Seconds by which the clock of the sender may be ahead. */
  readonly skew: number;
  readonly replays: Replays;
  /** Is the nonce one that was given out lately? Without it no nonce is asked for (§8). */
  readonly acceptsNonce?: (nonce: string) => boolean;
  /** The access token that comes with the request (§4.3, `ath`). */
  readonly accessToken?: string;
}

const MOST_JTI = 256;

/**
 * Verifies the proof of a request, and uses it up. attacker-controlled
 * @returns the thumbprint of its key (RFC 7638, SHA-256, base64url)
 * @throws Refusal CORDON-1013 not a proof of this request, CORDON-1016 used before; OAuthRefusal `use_dpop_nonce`
 */
export function verifyProof(proof: string, expected: ExpectedProof): string {
  const { payload, thumbprint } = signedByItsKey(proof);
  checkRequest(payload, expected);
  checkNonce(payload, expected);
  const jti = textClaim(payload, 'jti');
  if (jti.length > MOST_JTI) throw refused('`jti` is too long');
  const until = (secondsClaim(payload, 'iat') + expected.life + 1) * 1000;
  expected.replays.use(`dpop ${thumbprint}`, jti, until, expected.now);
  return thumbprint;
}

/** §4.3, 3 to 7: one key, public, in the header, and the signature is its. */
function signedByItsKey(proof: string): { readonly payload: JsonObject; readonly thumbprint: string } {
  let thumbprint = '';
  const keyOf = (token: UnverifiedJws): ReturnType<typeof embeddedKey>[] => {
    const key = embeddedKey(token);
    thumbprint = key.thumbprint;
    return [key];
  };
  try {
    const { payload } = verifyJws(proof, keyOf, [TYP.dpop]);
    for (const claim of ['jti', 'htm', 'htu']) textClaim(payload, claim);
    secondsClaim(payload, 'iat');
    return { payload, thumbprint };
  } catch (error) {
    throw refused(asRefusal(error, 'CORDON-1009', 'malformed').message, { cause: error });
  }
}

/** §4.3, 8, 9, 11 and 12. */
function checkRequest(payload: JsonObject, { method, url, now, life, skew, accessToken }: ExpectedProof): void {
  if (payload['htm'] !== method) throw refused('it is for another method');
  const [shown, wanted] = [normalised(textClaim(payload, 'htu')), normalised(url)];
  if (shown === undefined || shown !== wanted) throw refused('it is for another address', { expected: wanted ?? url });
  const age = secondsOf(now) - secondsClaim(payload, 'iat');
  if (age > life || age < -skew) throw refused('it was not made just now', { observed: `${age} s ago`, expected: `at most ${life} s` });
  const ath = accessToken === undefined ? undefined : Buffer.from(sha256(Buffer.from(accessToken))).toString('base64url');
  if (payload['ath'] !== ath) throw refused('it is for another access token');
}

/** §8: the sender is told which nonce to use. */
function checkNonce({ nonce }: JsonObject, { acceptsNonce }: ExpectedProof): void {
  if (acceptsNonce === undefined || (typeof nonce === 'string' && acceptsNonce(nonce))) return;
  throw new OAuthRefusal('use_dpop_nonce', 'CORDON-1013', 'the proof needs the nonce of the answer');
}

const UNRESERVED = /%(?:4[1-9A-F]|5[0-9A]|6[1-9A-F]|7[0-9A]|3[0-9]|2D|2E|5F|7E)/g;

/** Scheme, host, port and path as RFC 3986 §6.2.2 and §6.2.3 write them; query and fragment do not count. */
export function normalised(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { protocol, origin, pathname, username, password } = new URL(url);
  if ((protocol !== 'https:' && protocol !== 'http:') || username !== '' || password !== '') return undefined;
  const path = pathname.replaceAll(/%[\da-f]{2}/gi, (escape) => escape.toUpperCase()).replaceAll(UNRESERVED, decodeURIComponent);
  return origin + path;
}

const refused = (
  why: string,
  detail: { readonly observed?: string; readonly expected?: string; readonly cause?: unknown } = {},
): OAuthRefusal => new OAuthRefusal('invalid_dpop_proof', 'CORDON-1013', `the DPoP proof is refused: ${why}`, detail);
