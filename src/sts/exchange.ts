// The story of one exchange (RFC 8693 §2): what the subject token holds → who may act → what of it is asked for → a token that holds no
// more. Deterministic: time, names, keys and what others decide are arguments. INVARIANT I4
import { endOf, narrow } from '../domain/mandate.ts';
import { Refusal } from '../domain/refusal.ts';
import { secondsOf } from './claims.ts';
import { boundTo, type Confirmation } from './confirm.ts';
import { type Held, heldBy } from './held.ts';
import { chainWith } from './hop.ts';
import { ISSUERS } from './issue.ts';
import { replace } from './replace.ts';
import type { Exchanged, ExchangeRequest } from './request.ts';
import { among, narrowScope } from './scope.ts';
import type { TokenService } from './service.ts';

/**
 * @throws Refusal CORDON-1004, -1013, -2002 to -2007, -2009, -2010, -2011; `oauthErrorOf` says what the client is told
 */
export function exchange(service: TokenService, request: ExchangeRequest): Exchanged {
  const { subject, actor, type = 'access_token' } = request;
  if (subject.kind === 'txn' && type === 'txn_token') return replace(service, request, subject.token);
  const held = heldBy(service, subject, actor);
  const chain = chainWith(service, held, request);
  const mandate = request.details === undefined ? held.mandate : narrow(held.mandate, request.details);
  const scope = scopeOf(service, held, request.scope);
  const confirmation = confirmationOf(held, request);
  const expiresAt = endIn(service, request, { ...held, mandate, confirmation });
  return ISSUERS[type](service, request, { ...held, chain, mandate, scope, confirmation, expiresAt });
}

/** A user's or an agent's own rights know no scopes: there, those that exist are the measure. */
function scopeOf(service: TokenService, held: Held, asked: string | undefined): string | undefined {
  if (held.scope !== undefined) return narrowScope(held.scope, asked);
  return asked === undefined ? undefined : among(service.scopes, asked);
}

function confirmationOf(held: Held, { proven = {}, bindCertificate = false }: ExchangeRequest): Confirmation | undefined {
  const bound = boundTo(held.confirmation, proven);
  if (bound !== undefined || !bindCertificate) return bound;
  if (proven.certificate === undefined) throw new Refusal('CORDON-1013', 'there is no client certificate to bind the token to');
  return { 'x5t#S256': proven.certificate };
}

/** Minutes, and never beyond what it is made of. Unix seconds. @throws Refusal CORDON-2002 */
function endIn({ now, limits }: TokenService, { actor, type }: ExchangeRequest, { expiresAt, mandate, confirmation }: Held): number {
  const at = secondsOf(now);
  const life = type === 'id_jag' ? limits.assertionLife : limits.taskLife;
  const ofCertificate = confirmation !== undefined && 'x5t#S256' in confirmation ? secondsOf(actor.expiresAt) : Infinity;
  const end = Math.min(at + life, expiresAt, endOf(mandate) ?? Infinity, ofCertificate);
  if (end > at) return end;
  throw new Refusal('CORDON-2002', 'what is exchanged, its mandate or the proof of the actor has expired');
}
