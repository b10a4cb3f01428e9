// The story of one JWT-SVID: claims → sign → verify what was signed. Standard: SPIFFE JWT-SVID §2, §3.
import type { JwsSigner } from '../crypto/jws.ts';
import { keysByKid, verifyJws } from '../crypto/jws.ts';
import type { VerificationKey } from '../crypto/jwk.ts';
import { Refusal } from '../domain/refusal.ts';
import type { SpiffeId } from '../domain/spiffe-id.ts';

/** A JWT-SVID can be handed on by whoever sees it, so it lives for minutes. Milliseconds. */
export const LONGEST_JWT_SVID = 5 * 60_000;
const MAX_AUDIENCES = 16;
const MAX_AUDIENCE = 2048;

export interface JwtSvidRequest {
  readonly id: SpiffeId;
  /** Who may accept it; at least one. */
  readonly audience: readonly string[];
  /** Unix milliseconds. */
  readonly now: number;
  /** Milliseconds; cut to `LONGEST_JWT_SVID`. */
  readonly ttl: number;
}

export interface IssuedJwtSvid {
  readonly id: SpiffeId;
  /** Compact form. */
  readonly token: string;
  /** Unix milliseconds, whole seconds. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** What a JWT-SVID is signed with, and what it verifies with. */
export interface JwtSvidKeys {
  readonly current: () => JwsSigner;
  readonly keys: () => ReadonlyMap<string, VerificationKey>;
}

/** @throws Refusal CORDON-9011 for an audience that cannot be one, CORDON-1009 when what was signed does not verify */
export function issueJwtSvid({ current, keys }: JwtSvidKeys, { id, audience, now, ttl }: JwtSvidRequest): IssuedJwtSvid {
  checkAudience(audience);
  const iat = Math.floor(now / 1000);
  const exp = Math.floor((now + Math.min(ttl, LONGEST_JWT_SVID)) / 1000);
  const token = current().sign({ sub: id, aud: [...audience], exp, iat }, 'JWT');
  const { payload } = verifyJws(token, keysByKid(keys()), ['jwt']);
  if (payload['sub'] !== id || payload['exp'] !== exp)
    throw new Refusal('CORDON-9006', 'a JWT-SVID says something else than was asked for');
  return { id, token, issuedAt: iat * 1000, expiresAt: exp * 1000 };
}

function checkAudience(audience: readonly string[]): void {
  const fits = (one: string): boolean => one.length > 0 && one.length <= MAX_AUDIENCE && one.isWellFormed();
  if (audience.length > 0 && audience.length <= MAX_AUDIENCES && audience.every(fits)) return;
  throw new Refusal('CORDON-9011', 'a JWT-SVID names whom it is for', {
    observed: `${audience.length} audiences`,
    expected: `1 to ${MAX_AUDIENCES}, of 1 to ${MAX_AUDIENCE} characters`,
  });
}
