// Public keys as JSON Web Keys (RFC 7517, RFC 7518 §6, RFC 8037). A key is read once, strictly, and stays with the algorithms that fit it.
import { createPublicKey, hash, type JsonWebKey, type KeyObject } from 'node:crypto';
import type { JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';

/** Signature algorithms that are known here (RFC 7518 §3.1, RFC 8037, RFC 9864). No `none`, no HMAC: a verifier never holds a secret. */
export const JWS_ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'EdDSA',
  'Ed25519',
] as const;
export type JwsAlgorithm = (typeof JWS_ALGORITHMS)[number];

/** A public key and the algorithms that its signatures may say. */
export interface VerificationKey {
  /** As its set names it; absent for a key that came by itself. */
  readonly kid: string | undefined;
  readonly key: KeyObject;
  readonly algorithms: ReadonlySet<JwsAlgorithm>;
  /** The members of the public key, and no others. */
  readonly jwk: JsonObject;
  /** RFC 7638, SHA-256, base64url. */
  readonly thumbprint: string;
}

const CURVES: Readonly<Record<string, JwsAlgorithm>> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' };
const RSA: readonly JwsAlgorithm[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
const RSA_BITS = { least: 2048, most: 8192 };

/**
 * Reads a public key. attacker-controlled
 * @throws Refusal CORDON-1006 private or symmetric members, a type or curve that is not known, an RSA key out of bounds
 */
export function readJwk(jwk: JsonObject): VerificationKey {
  if (isPrivate(jwk)) throw bad('it holds private members');
  const [members, algorithms] = formOf(jwk);
  const named = jwk['alg'];
  const only = named === undefined ? algorithms : algorithms.filter((algorithm) => algorithm === named);
  if (only.length === 0) throw bad('`alg` does not fit the key');
  const key = importKey(members);
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && (bits < RSA_BITS.least || bits > RSA_BITS.most)) throw bad('RSA modulus out of bounds');
  const kid = jwk['kid'];
  return {
    kid: typeof kid === 'string' ? kid : undefined,
    key,
    algorithms: new Set(only),
    jwk: members,
    thumbprint: hash('sha256', JSON.stringify(members), 'base64url'),
  };
}

/** Does it hold more than a public key? */
export const isPrivate = (jwk: JsonObject): boolean => PRIVATE.some((member) => Object.hasOwn(jwk, member));

/** What of a key others may see. */
export const publicPart = (jwk: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(jwk).filter(([member]) => !PRIVATE.includes(member)));

/** The required members in the order of RFC 7638 §3.2, which is also the order of the thumbprint. */
function formOf(jwk: JsonObject): readonly [JsonObject, readonly JwsAlgorithm[]] {
  const { kty, crv } = jwk;
  const ec = typeof crv === 'string' && Object.hasOwn(CURVES, crv) ? CURVES[crv] : undefined;
  if (kty === 'EC' && typeof crv === 'string' && ec !== undefined) {
    return [{ crv, kty, x: text(jwk, 'x'), y: text(jwk, 'y') }, [ec]];
  }
  if (kty === 'OKP' && crv === 'Ed25519') return [{ crv, kty, x: text(jwk, 'x') }, ['EdDSA', 'Ed25519']];
  if (kty === 'RSA') return [{ e: text(jwk, 'e'), kty, n: text(jwk, 'n') }, RSA];
  throw bad('key type not known');
}

function text(jwk: JsonObject, member: string): string {
  const value = jwk[member];
  if (typeof value === 'string' && value.length <= 1400 && /^[\w-]+$/.test(value)) return value;
  throw bad(`\`${member}\` is missing or malformed`);
}

function importKey(members: JsonObject): KeyObject {
  const key: JsonWebKey = {};
  for (const [name, value] of Object.entries(members)) if (typeof value === 'string') key[name] = value;
  try {
    return createPublicKey({ key, format: 'jwk' });
  } catch (cause) {
    throw new Refusal('CORDON-1006', 'not a public key: no such point or modulus', { cause });
  }
}

const bad = (why: string): Refusal => new Refusal('CORDON-1006', `not a public key: ${why}`);
