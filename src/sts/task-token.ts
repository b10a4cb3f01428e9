// Task tokens: JWT access tokens (RFC 9068) that say for whom, through whom (RFC 8693 §4.1) and within what (RFC 9396) a run may act.
// Promises: what `readTaskToken` returns was signed by the token service, for one of these audiences, and lives; whether it was revoked
// and whether its holder is its actor is the caller's to ask.
import { type KeysFor, type JwsSigner, verifyJws } from '../crypto/jws.ts';
import type { Delegation } from '../domain/access.ts';
import type { JsonObject } from '../domain/json.ts';
import { type Mandate, mandateJson, parseMandate } from '../domain/mandate.ts';
import { Refusal } from '../domain/refusal.ts';
import { parseWorkload, type SpiffeId, trustDomainOf, workloadId } from '../domain/spiffe-id.ts';
import {
  actClaim,
  chainOf,
  type Clock,
  type Lifetime,
  lifetimeOf,
  malformed,
  optionalText,
  textClaim,
  textsClaim,
  type TokenUser,
  userClaim,
  userIn,
} from './claims.ts';
import { type Confirmation, confirmationIn } from './confirm.ts';
import { TYP } from './token-type.ts';

/** What a task token says. Times are Unix seconds. */
export interface TaskToken extends Lifetime {
  readonly issuer: string;
  /** The user as policy knows them, or the SPIFFE ID of an agent that acts for itself. */
  readonly sub: string;
  /** Absent when an agent acts for itself. */
  readonly user: TokenUser | undefined;
  readonly audience: string;
  readonly jti: string;
  /** The same for every token of one task. */
  readonly txn: string;
  /** Runs, oldest first; the last is the actor. */
  readonly chain: readonly SpiffeId[];
  readonly mandate: Mandate;
  readonly scope: string | undefined;
  readonly confirmation: Confirmation | undefined;
  /** `jti` of the tokens it was exchanged from, oldest first. */
  readonly parents: readonly string[];
}

/** Seconds; whatever is configured, no task token lives longer. */
export const MOST_TASK_LIFE = 3_600;
export const MOST_PARENTS = 32;

/** The run that may use the token. */
export function actorOf({ chain }: Pick<TaskToken, 'chain'>): SpiffeId {
  const actor = chain.at(-1);
  if (actor === undefined) throw malformed('act');
  return actor;
}

/** The agent of a run: `client_id`. */
export function agentOf(run: SpiffeId): SpiffeId {
  return workloadId(trustDomainOf(run), 'agent', parseWorkload(run).name);
}

/** @returns the compact form @throws Refusal CORDON-2003 when it says more than fits in a token */
export function writeTaskToken(signer: JwsSigner, token: TaskToken): string {
  return signer.sign(taskClaims(token), TYP.task);
}

/** The claims of the token, as they are signed and as introspection shows them. */
export const taskClaims = (token: TaskToken): JsonObject => ({
  iss: token.issuer,
  sub: token.sub,
  aud: token.audience,
  exp: token.expiresAt,
  iat: token.issuedAt,
  jti: token.jti,
  client_id: agentOf(actorOf(token)),
  txn: token.txn,
  act: actClaim(token.chain),
  authorization_details: mandateJson(token.mandate),
  ...(token.scope === undefined ? {} : { scope: token.scope }),
  ...(token.confirmation === undefined ? {} : { cnf: token.confirmation }),
  ...(token.user === undefined ? {} : { user: userClaim(token.user) }),
  parents: token.parents,
});

export interface Expected extends Clock {
  readonly issuer: string;
  /** Is the token for us? */
  readonly isAudience: (audience: string) => boolean;
}

/**
 * Verifies and reads a task token. attacker-controlled
 * @throws Refusal CORDON-1009 not a task token of this issuer, CORDON-1010 expired, CORDON-1011 for another audience
 */
export function readTaskToken(token: string, keys: KeysFor, expected: Expected): TaskToken {
  const claims = verifyJws(token, keys, [TYP.task]).payload;
  if (claims['iss'] !== expected.issuer) throw new Refusal('CORDON-1009', 'token of another issuer');
  const lifetime = lifetimeOf(claims, expected, MOST_TASK_LIFE);
  // Cordon's own rule, stricter than RFC 9068: one audience, as a text
  const audience = textClaim(claims, 'aud');
  if (!expected.isAudience(audience)) throw new Refusal('CORDON-1011', 'token for another audience', { observed: audience.slice(0, 120) });
  const chain = chainOf(claims['act']);
  if (claims['client_id'] !== agentOf(actorOf({ chain }))) throw malformed('client_id');
  const parents = textsClaim(claims, 'parents');
  if (parents.length > MOST_PARENTS) throw malformed('parents');
  return {
    issuer: expected.issuer,
    sub: textClaim(claims, 'sub'),
    user: userIn(claims),
    audience,
    jti: textClaim(claims, 'jti'),
    txn: textClaim(claims, 'txn'),
    chain,
    mandate: mandateIn(claims),
    scope: optionalText(claims, 'scope'),
    confirmation: confirmationIn(claims),
    parents,
    ...lifetime,
  };
}

/** The mandate of a token. @throws Refusal CORDON-1009 */
export function mandateIn(claims: JsonObject): Mandate {
  try {
    return parseMandate(claims['authorization_details'] ?? null);
  } catch (cause) {
    throw new Refusal('CORDON-1009', 'token malformed: `authorization_details`', { cause });
  }
}

/** What a verified token says of the call that it comes with. */
export const delegationOf = (token: TaskToken): Delegation => ({
  ...(token.user === undefined ? {} : { user: { id: token.sub, issuer: token.user.issuer, groups: token.user.groups } }),
  chain: token.chain,
  mandate: token.mandate,
  txn: token.txn,
  token: token.jti,
  parents: token.parents,
  expiresAt: token.expiresAt * 1000,
});
