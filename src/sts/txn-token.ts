// Transaction tokens (draft-ietf-oauth-transaction-tokens-10): what the gateway sends along with a call inside the trust domain. They say
// for whom, by whom and what for the callee is called; they give access to nothing, and prove nothing about whoever shows them.
// Promises: a replacement has the `txn`, `sub`, `aud` and `tctx` of what it replaces, a scope that is no wider, and no later end.
import { type JwsSigner, type KeysFor, verifyJws } from '../crypto/jws.ts';
import { type JsonObject, writeJson } from '../domain/json.ts';
import { type Mandate, mandateJson } from '../domain/mandate.ts';
import { Refusal } from '../domain/refusal.ts';
import type { SpiffeId, TrustDomain } from '../domain/spiffe-id.ts';
import {
  actClaim,
  chainOf,
  type Clock,
  type Lifetime,
  lifetimeOf,
  objectClaim,
  runIn,
  secondsOf,
  textClaim,
  textsClaim,
  type TokenUser,
  userClaim,
  userIn,
} from './claims.ts';
import { narrowScope } from './scope.ts';
import { mandateIn, MOST_TASK_LIFE } from './task-token.ts';
import { TYP } from './token-type.ts';

/** Times are Unix seconds. */
export interface TxnToken extends Lifetime {
  readonly issuer: string;
  readonly trustDomain: TrustDomain;
  readonly txn: string;
  readonly sub: string;
  readonly scope: string;
  /** `req_wl`: the run that the token was made for, or that had it replaced. */
  readonly requester: SpiffeId;
  /** `tctx`, as it came: it never changes. */
  readonly context: JsonObject;
  /** How often it was replaced; in `rctx`. */
  readonly replaced: number;
}

/** What `tctx` says. */
export interface TxnContext {
  /** What is called, and who is: the name of an agent. */
  readonly action: string;
  readonly resource: string;
  readonly callee: string;
  readonly mandate: Mandate;
  /** `jti` of the caller's task token and of those before it, oldest first. */
  readonly parents: readonly string[];
  /** Runs, oldest first; the last is the caller. */
  readonly chain: readonly SpiffeId[];
  readonly user: TokenUser | undefined;
}

export const contextClaim = ({ action, resource, callee, mandate, parents, chain, user }: TxnContext): JsonObject => ({
  action,
  resource,
  callee,
  authorization_details: mandateJson(mandate),
  parents,
  act: actClaim(chain),
  ...(user === undefined ? {} : { user: userClaim(user) }),
});

/** @throws Refusal CORDON-1009 */
export const contextOf = ({ context }: TxnToken): TxnContext => ({
  action: textClaim(context, 'action'),
  resource: textClaim(context, 'resource'),
  callee: textClaim(context, 'callee'),
  mandate: mandateIn(context),
  parents: textsClaim(context, 'parents'),
  chain: chainOf(context['act']),
  user: userIn(context),
});

/** @returns the compact form */
export const writeTxnToken = (signer: JwsSigner, token: TxnToken): string =>
  signer.sign(
    {
      iss: token.issuer,
      iat: token.issuedAt,
      exp: token.expiresAt,
      aud: token.trustDomain,
      txn: token.txn,
      sub: token.sub,
      scope: token.scope,
      req_wl: token.requester,
      tctx: token.context,
      rctx: token.replaced === 0 ? {} : { replaced: token.replaced },
    },
    TYP.txn,
  );

export interface ExpectedTxn extends Clock {
  readonly issuer: string;
  readonly trustDomain: TrustDomain;
}

/**
 * Verifies and reads a transaction token. attacker-controlled
 * @throws Refusal CORDON-1009 not a transaction token of this issuer, CORDON-1010 expired, CORDON-1011 of another trust domain
 */
export function readTxnToken(token: string, keys: KeysFor, expected: ExpectedTxn): TxnToken {
  const claims = verifyJws(token, keys, [TYP.txn]).payload;
  if (claims['iss'] !== expected.issuer) throw new Refusal('CORDON-1009', 'token of another issuer');
  if (claims['aud'] !== expected.trustDomain) throw new Refusal('CORDON-1011', 'transaction token of another trust domain');
  const { replaced: times = 0 } = objectClaim(claims, 'rctx');
  if (typeof times !== 'number' || times < 0) throw new Refusal('CORDON-1009', 'token malformed: `rctx`');
  return {
    issuer: expected.issuer,
    trustDomain: expected.trustDomain,
    txn: textClaim(claims, 'txn'),
    sub: textClaim(claims, 'sub'),
    scope: textClaim(claims, 'scope'),
    requester: runIn('req_wl', claims['req_wl']).id,
    context: objectClaim(claims, 'tctx'),
    replaced: times,
    ...lifetimeOf(claims, expected, MOST_TASK_LIFE),
  };
}

export interface Replacement {
  /** The run that asks for it. */
  readonly requester: SpiffeId;
  readonly scope?: string;
  /** What the request says of `tctx`; it may only repeat it. */
  readonly context?: JsonObject;
  /** Unix milliseconds. */
  readonly now: number;
  /** How often a token is replaced, at most. */
  readonly most: number;
}

/** @throws Refusal CORDON-2004 replaced too often, CORDON-2003 a wider scope, CORDON-2011 another context */
export function replaced(token: TxnToken, { requester, scope, context, now, most }: Replacement): TxnToken {
  if (token.replaced >= most)
    throw new Refusal('CORDON-2004', 'the transaction token was replaced too often', { expected: `at most ${most} times` });
  if (context !== undefined && writeJson(context) !== writeJson(token.context)) {
    throw new Refusal('CORDON-2011', 'the transaction context never changes');
  }
  const narrowed = narrowScope(token.scope, scope) ?? token.scope;
  return { ...token, scope: narrowed, requester, issuedAt: secondsOf(now), replaced: token.replaced + 1 };
}
