// A transaction token for a transaction token: the same transaction goes on, and nothing in it widens. By whoever was called with it, or
// by whoever had it made.
import { Refusal } from '../domain/refusal.ts';
import { trustDomainOf, parseWorkload } from '../domain/spiffe-id.ts';
import { answer } from './answer.ts';
import { ours } from './held.ts';
import type { Exchanged, ExchangeRequest } from './request.ts';
import type { TokenService } from './service.ts';
import { contextOf, readTxnToken, replaced, type TxnContext, type TxnToken, writeTxnToken } from './txn-token.ts';

/** @throws Refusal CORDON-2002 to -2005, -2007, -2009 to -2011 */
export function replace(service: TokenService, request: ExchangeRequest, text: string): Exchanged {
  const { issuer, trustDomain, now, limits } = service;
  const token = ours(() => readTxnToken(text, service.keys, { issuer, trustDomain, now, skew: limits.skew }));
  const context = ours(() => contextOf(token));
  checkRequester(service, request, token, context);
  const next = replaced(token, {
    requester: request.actor.id,
    now,
    most: limits.replacements,
    ...(request.scope === undefined ? {} : { scope: request.scope }),
    ...(request.call === undefined ? {} : { context: request.call }),
  });
  return answer(service, writeTxnToken(service.signer, next), 'N_A', { ...context, ...next, type: 'txn_token', audience: trustDomain });
}

function checkRequester(
  service: TokenService,
  { actor, audiences = [], details }: ExchangeRequest,
  token: TxnToken,
  context: TxnContext,
): void {
  if (audiences.some((audience) => audience !== service.trustDomain))
    throw new Refusal('CORDON-2010', 'a transaction token is for the trust domain');
  if (details !== undefined) throw new Refusal('CORDON-2011', 'the transaction context never changes');
  const isOwn = actor.id === token.requester;
  const isCallee = trustDomainOf(actor.id) === service.trustDomain && parseWorkload(actor.id).name === context.callee;
  if (!isOwn && !isCallee) throw new Refusal('CORDON-2005', 'the transaction token was made for another agent');
  const chain = [...context.chain, actor.id];
  if (service.isRevoked({ txn: token.txn, tokens: context.parents, chain }))
    throw new Refusal('CORDON-2007', 'what is exchanged was revoked');
}
