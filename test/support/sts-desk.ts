// A token service without a network: keys, agents, a clock that tests move.
import { generateJwsKey, keysByKid } from '../../src/crypto/jws.ts';
import { readJwk } from '../../src/crypto/jwk.ts';
import type { Json, JsonObject } from '../../src/domain/json.ts';
import { EVERYTHING, type Mandate, parseMandate } from '../../src/domain/mandate.ts';
import { Refusal } from '../../src/domain/refusal.ts';
import { parseSpiffeId, parseTrustDomain, type SpiffeId } from '../../src/domain/spiffe-id.ts';
import { oauthErrorOf } from '../../src/sts/errors.ts';
import { exchange } from '../../src/sts/exchange.ts';
import type { Subject } from '../../src/sts/held.ts';
import type { Exchanged, ExchangeRequest } from '../../src/sts/request.ts';
import { DEFAULT_LIMITS, type TokenService } from '../../src/sts/service.ts';

export const NOW = 1_800_000_000;
export const ISSUER = 'https://sts.desk.example';
export const GATEWAY = 'https://gw.desk.example:8443';
export const TRUST_DOMAIN = parseTrustDomain('desk.example');
export const { signer } = generateJwsKey('k1');
/** Another key that says it is the same one. */
export const { signer: impostor } = generateJwsKey('k1');
export const verificationKey = readJwk(signer.jwk);
export const keys = keysByKid(new Map([['k1', verificationKey]]));

export const serviceWith = (more: Partial<TokenService> = {}): TokenService => {
  let names = 0;
  return {
    issuer: ISSUER,
    trustDomain: TRUST_DOMAIN,
    signer,
    keys,
    now: NOW * 1000,
    newId: () => `id-${names++}`,
    newTask: () => `id-${names++}`,
    limits: DEFAULT_LIMITS,
    mandate: EVERYTHING,
    scopes: new Set(['read', 'pay']),
    audience: GATEWAY,
    isResource: (audience) => [GATEWAY, `${GATEWAY}/mcp/ledger`, `${GATEWAY}/a2a/clerk`].includes(audience),
    mayDelegate: () => true,
    isRevoked: () => false,
    clientAt: (server) => (server === 'https://as.other.example' ? 'client-7' : undefined),
    ...more,
  };
};

export const runOf = (agent: string): SpiffeId => parseSpiffeId(`spiffe://${TRUST_DOMAIN}/agent/${agent}/run/r-${agent}`);
export const actor = (agent: string, life = 600): ExchangeRequest['actor'] => ({ id: runOf(agent), expiresAt: (NOW + life) * 1000 });

export const ALICE = { id: 'alice', issuer: 'https://login.corp.example', sub: 'u-1', groups: ['corp/finance'] };
export const forAlice = (more: Partial<Subject & { kind: 'user' }> = {}): Subject => ({
  kind: 'user',
  user: ALICE,
  expiresAt: (NOW + 900) * 1000,
  ...more,
});

export const ENTRY = { type: 'cordon_task', actions: ['tools/call'], locations: ['tool:ledger/pay'] };
export const mandate = (...members: readonly JsonObject[]): Mandate => parseMandate(members.map((member) => ({ ...ENTRY, ...member })));

export const tokenIn = ({ response }: Exchanged): string => response.access_token;

/** The token that an exchange answers with. */
export const tokenFrom = (service: TokenService, request: ExchangeRequest): string => tokenIn(exchange(service, request));

/** A task token of an agent for alice. */
export const taskOf = (agent: string, more: Partial<ExchangeRequest> = {}, service = serviceWith()): string =>
  tokenFrom(service, { actor: actor(agent), subject: forAlice(), ...more });

/** A transaction token of a call of one agent to another; members that are undefined are left out. */
export function txnOf(caller: string, callee: string, change: JsonObject = {}, context: JsonObject = {}): string {
  return signer.sign(
    {
      iss: ISSUER,
      iat: NOW,
      exp: NOW + 60,
      aud: TRUST_DOMAIN,
      txn: 'txn-1',
      sub: 'alice',
      scope: 'read',
      req_wl: runOf(caller),
      tctx: {
        action: 'a2a/SendMessage',
        resource: `agent:${callee}`,
        callee,
        authorization_details: [ENTRY],
        parents: ['id-0'],
        act: { sub: runOf(caller) },
        user: { iss: ALICE.issuer, sub: ALICE.sub, groups: ALICE.groups },
        ...context,
      },
      rctx: {},
      ...change,
    },
    'txntoken+jwt',
  );
}

export const claimsOf = (token: string): Record<string, Json> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, Json>;

/** The token with other claims, signed as if nothing had happened. */
export const resigned = (token: string, claims: JsonObject, by = signer, typ = 'at+jwt'): string =>
  by.sign({ ...claimsOf(token), ...claims }, typ);

/** That it is refused so: the code, and what an OAuth client is told. */
export const refusedAs =
  (code: string, error: string) =>
  (thrown: unknown): boolean =>
    thrown instanceof Refusal && thrown.code === code && oauthErrorOf(thrown, 'exchange') === error;
