// Task tokens whose signature was verified: once for a token, not once for a call. What may change while a token lives is asked on every
// call: whose it is, what it is for, and whether it was revoked.
import { keysByKid } from '../crypto/jws.ts';
import type { Delegation } from '../domain/access.ts';
import type { TokenIssuer } from '../pdp/snapshot.ts';
import { delegationOf, readTaskToken, type TaskToken } from '../sts/task-token.ts';

export interface VerifiedToken {
  readonly token: TaskToken;
  /** The same, as a decision asks for it. */
  readonly delegation: Delegation;
}

export interface VerifiedTokens {
  /** `now`: Unix milliseconds. attacker-controlled @throws Refusal CORDON-1009, CORDON-1010 */
  read(text: string, issuer: TokenIssuer, now: number): VerifiedToken;
}

/** Tokens that are remembered; of one that was forgotten the signature is verified again. */
const MOST = 4_096;
/** Seconds that the clock of the token service may be ahead. */
const SKEW = 30;

export function createVerifiedTokens(): VerifiedTokens {
  const known = new Map<string, VerifiedToken>();
  let verifiedWith: TokenIssuer['keys'] | undefined;
  return {
    read(text, { issuer, keys }, now): VerifiedToken {
      if (keys !== verifiedWith) known.clear();
      verifiedWith = keys;
      const found = known.get(text);
      if (found !== undefined && now < found.delegation.expiresAt) return found;
      known.delete(text);
      const token = readTaskToken(text, keysByKid(keys), { issuer, isAudience: () => true, now, skew: SKEW });
      const verified = { token, delegation: delegationOf(token) };
      const [oldest] = known.keys();
      if (known.size >= MOST && oldest !== undefined) known.delete(oldest);
      known.set(text, verified);
      return verified;
    },
  };
}
