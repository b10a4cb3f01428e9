// What an exchange ends with: a task token, a transaction token, or an assertion for another domain.
import { allows } from '../domain/mandate.ts';
import { Refusal } from '../domain/refusal.ts';
import { answer } from './answer.ts';
import { secondsOf, textClaim } from './claims.ts';
import { OAuthRefusal } from './errors.ts';
import { writeIdJag } from './id-jag.ts';
import type { Exchanged, ExchangeRequest, Granted } from './request.ts';
import type { TokenService } from './service.ts';
import { actorOf, agentOf, writeTaskToken } from './task-token.ts';
import type { IssuedType } from './token-type.ts';
import { contextClaim, writeTxnToken } from './txn-token.ts';

type Issuer = (service: TokenService, request: ExchangeRequest, granted: Granted) => Exchanged;

export const ISSUERS: Readonly<Record<IssuedType, Issuer>> = { access_token: taskToken, txn_token: txnToken, id_jag: idJag };

function taskToken(service: TokenService, request: ExchangeRequest, granted: Granted): Exchanged {
  const audience = audienceFor(service, request, granted);
  const token = {
    ...granted,
    issuer: service.issuer,
    audience,
    scope: granted.scope === '' ? undefined : granted.scope,
    jti: service.newId(),
    parents: granted.tokens,
    issuedAt: secondsOf(service.now),
  };
  const type = token.confirmation !== undefined && 'jkt' in token.confirmation ? 'DPoP' : 'Bearer';
  return answer(service, writeTaskToken(service.signer, token), type, { ...token, type: 'access_token' });
}

/** One resource of this gateway, and for what was for one resource only that one. @throws OAuthRefusal `invalid_target` */
function audienceFor(service: TokenService, { audiences = [], resources = [] }: ExchangeRequest, held: Granted): string {
  const [audience = held.audience ?? service.audience, ...more] = new Set([...audiences, ...resources]);
  if (more.length > 0) throw offTarget('a token is for one resource');
  if (!service.isResource(audience)) throw offTarget('no such resource', audience);
  if (held.audience === undefined || audience === held.audience || audience.startsWith(`${held.audience}/`)) return audience;
  throw offTarget('the token that is exchanged is not for this resource', audience);
}

const offTarget = (message: string, observed?: string): OAuthRefusal =>
  new OAuthRefusal('invalid_target', 'CORDON-2010', message, observed === undefined ? {} : { observed: `\`${observed.slice(0, 120)}\`` });

/** For a call that the mandate allows, to one agent of the trust domain. */
function txnToken(
  service: TokenService,
  { audiences = [], resources = [], call = {}, actor }: ExchangeRequest,
  granted: Granted,
): Exchanged {
  if (audiences.length !== 1 || audiences[0] !== service.trustDomain || resources.length > 0) {
    throw offTarget('a transaction token is for the trust domain');
  }
  if (granted.scope === undefined || granted.scope === '') {
    throw new OAuthRefusal('invalid_scope', 'CORDON-9011', 'a transaction token needs a scope');
  }
  const [action, resource, callee] = [textClaim(call, 'action'), textClaim(call, 'resource'), textClaim(call, 'callee')];
  const at = resource.indexOf(':');
  const called = { action, resource: { type: resource.slice(0, at), id: resource.slice(at + 1) } };
  if (!allows(granted.mandate, called, secondsOf(service.now))) {
    throw new Refusal('CORDON-2003', 'the mandate does not allow this call');
  }
  const { issuer, trustDomain, now } = service;
  const context = contextClaim({ ...granted, action, resource, callee, parents: granted.tokens });
  const made = { issuer, trustDomain, scope: granted.scope, requester: actor.id, context, replaced: 0, issuedAt: secondsOf(now) };
  const token = writeTxnToken(service.signer, { ...granted, ...made });
  return answer(service, token, 'N_A', { ...granted, type: 'txn_token', audience: trustDomain, parents: granted.tokens });
}

/** ID-JAG: `audience` is the authorization server there, `resource` what is called there. */
function idJag(service: TokenService, { audiences = [], resources = [] }: ExchangeRequest, granted: Granted): Exchanged {
  const [audience, ...more] = audiences;
  const [resource, ...others] = resources;
  if (audience === undefined || more.length > 0 || others.length > 0) throw offTarget('an assertion is for one authorization server');
  const clientId = service.clientAt(audience, agentOf(actorOf(granted)));
  if (clientId === undefined) throw offTarget('the agent has no client at this authorization server', audience);
  const [jti, issuedAt] = [service.newId(), secondsOf(service.now)];
  const token = writeIdJag(service.signer, { ...granted, issuer: service.issuer, audience, clientId, resource, jti, issuedAt });
  return answer(service, token, 'N_A', { ...granted, type: 'id_jag', jti, audience, parents: granted.tokens });
}
