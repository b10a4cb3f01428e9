// The tokens themselves: what foreign verifiers make of them, transaction tokens and their replacements, assertions across domains, bindings.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createLocalJWKSet, type JWK, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';
import { keysByKid } from '../src/crypto/jws.ts';
import type { JsonObject } from '../src/domain/json.ts';
import { Refusal } from '../src/domain/refusal.ts';
import { boundTo, checkConfirmation, type Confirmation, type Proven } from '../src/sts/confirm.ts';
import type { Replays } from '../src/sts/dpop.ts';
import { exchange } from '../src/sts/exchange.ts';
import { acceptIdJag, type ExpectedJag } from '../src/sts/id-jag.ts';
import type { ExchangeRequest } from '../src/sts/request.ts';
import { DEFAULT_LIMITS } from '../src/sts/service.ts';
import { delegationOf, readTaskToken } from '../src/sts/task-token.ts';
import { contextOf, readTxnToken } from '../src/sts/txn-token.ts';
import {
  actor,
  ALICE,
  claimsOf,
  ENTRY,
  forAlice,
  GATEWAY,
  impostor,
  ISSUER,
  keys,
  mandate,
  NOW,
  refusedAs,
  resigned,
  runOf,
  serviceWith,
  signer,
  taskOf,
  tokenFrom,
  TRUST_DOMAIN,
  txnOf,
  verificationKey,
} from './support/sts-desk.ts';

const JKT = 'A'.repeat(43);
const JWKS = { keys: [signer.jwk as JWK] };
const refused =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof Refusal && error.code === code;
const expected = { issuer: ISSUER, isAudience: (audience: string) => audience === GATEWAY, now: NOW * 1000, skew: 5 };

describe('[RFC9068] task tokens, read by others', () => {
  test('jose', async () => {
    const { payload, protectedHeader } = await jwtVerify(taskOf('desk'), createLocalJWKSet(JWKS), {
      issuer: ISSUER,
      audience: GATEWAY,
      typ: 'at+jwt',
      algorithms: ['ES256'],
      currentDate: new Date(NOW * 1000),
      requiredClaims: ['sub', 'client_id', 'iat', 'jti', 'exp'],
    });
    assert.deepEqual([payload.sub, protectedHeader.kid], ['alice', 'k1']);
  });

  for (const requireDPoP of [false, true]) {
    test(`oauth4webapi, ${requireDPoP ? 'with' : 'without'} a proof`, async () => {
      const now = Math.floor(Date.now() / 1000);
      const proofKey = await oauth.generateKeyPair('ES256', { extractable: true });
      const jkt = await thumbprintOf(proofKey.publicKey);
      const service = serviceWith({ now: now * 1000 });
      const token = tokenFrom(service, {
        actor: { ...actor('desk'), expiresAt: (now + 600) * 1000 },
        subject: forAlice({ expiresAt: (now + 600) * 1000 }),
        ...(requireDPoP ? { proven: { jkt } } : {}),
      });
      const request = new Request(`${GATEWAY}/mcp/ledger`, { headers: { authorization: `${requireDPoP ? 'DPoP' : 'Bearer'} ${token}` } });
      if (requireDPoP) request.headers.set('dpop', await oauth4webapiProof(proofKey, request, token));
      const claims = await oauth.validateJwtAccessToken({ issuer: ISSUER, jwks_uri: `${ISSUER}/oauth2/jwks` }, request, GATEWAY, {
        requireDPoP,
        signingAlgorithms: ['ES256'],
        [oauth.customFetch]: async () => Response.json(JWKS),
      });
      assert.deepEqual(
        [claims.sub, claims.client_id, claims['act']],
        ['alice', 'spiffe://desk.example/agent/desk', { sub: runOf('desk') }],
      );
    });
  }
});

async function thumbprintOf(key: oauth.CryptoKey): Promise<string> {
  const { crv, kty, x, y } = await crypto.subtle.exportKey('jwk', key);
  return Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(JSON.stringify({ crv, kty, x, y })))).toString('base64url');
}

/** A proof as the foreign client makes it: caught on its way to a resource. */
async function oauth4webapiProof(pair: oauth.CryptoKeyPair, { url, method }: Request, token: string): Promise<string> {
  let proof = '';
  const DPoP = oauth.DPoP({}, pair);
  await oauth.protectedResourceRequest(token, method, new URL(url), new Headers(), null, {
    DPoP,
    [oauth.customFetch]: async (_url, { headers }) => {
      proof = new Headers(headers).get('dpop') ?? '';
      return new Response();
    },
  });
  return proof;
}

describe('[RFC9068 §4] task tokens, read by the gateway', () => {
  test('say what a call is made with', () => {
    const delegation = delegationOf(readTaskToken(taskOf('desk', { details: mandate({}) }), keys, expected));
    assert.deepEqual(delegation, {
      user: { id: 'alice', issuer: ALICE.issuer, groups: ALICE.groups },
      chain: [runOf('desk')],
      mandate: [ENTRY],
      txn: 'id-0',
      token: 'id-1',
      parents: [],
      expiresAt: (NOW + 300) * 1000,
    });
  });

  test('of an agent for itself: there is no user', () => {
    const token = tokenFrom(serviceWith(), { actor: actor('desk'), subject: { kind: 'self' } });
    assert.equal(delegationOf(readTaskToken(token, keys, expected)).user, undefined);
  });

  const cases: readonly (readonly [string, JsonObject, string])[] = [
    ['for another resource', { aud: `${GATEWAY}/mcp/ledger` }, 'CORDON-1011'],
    ['for a resource whose name begins so', { aud: `${GATEWAY}.evil.example` }, 'CORDON-1011'],
    ['expired this second', { exp: NOW, iat: NOW - 10 }, 'CORDON-1010'],
    ['from a clock that is ahead', { iat: NOW + 6, exp: NOW + 60 }, 'CORDON-1009'],
    ['that ends before it begins', { iat: NOW + 4, exp: NOW + 3 }, 'CORDON-1009'],
    ['for too long', { exp: NOW + 3_601 }, 'CORDON-1009'],
    ['of a client that is not the actor', { client_id: 'spiffe://desk.example/agent/clerk' }, 'CORDON-1009'],
    ['with an expiry as a text', { exp: '2030' }, 'CORDON-1009'],
    ['with fractions of seconds', { exp: NOW + 1.5 }, 'CORDON-1009'],
    ['with too many parents', { parents: Array.from({ length: 33 }, (_, at) => `p${at}`) }, 'CORDON-1009'],
    ['without parents', { parents: null }, 'CORDON-1009'],
    ['with groups that are no list', { user: { iss: 'x', sub: 'y', groups: 'admin' } }, 'CORDON-1009'],
  ];
  for (const [name, claims, code] of cases) {
    test(`refused: ${name}`, () => assert.throws(() => readTaskToken(resigned(taskOf('desk'), claims), keys, expected), refused(code)));
  }
  test('accepted: from a clock that is a little ahead', () =>
    assert.equal(readTaskToken(resigned(taskOf('desk'), { iat: NOW + 5 }), keys, expected).issuedAt, NOW + 5));
  test('refused: of a key that was taken away', () =>
    assert.throws(() => readTaskToken(taskOf('desk'), keysByKid(new Map([['k2', verificationKey]])), expected), refused('CORDON-1009')));
});

describe('[Txn-Tokens] transaction tokens', () => {
  const replace = (token: string, more: Partial<ExchangeRequest> = {}, limits = DEFAULT_LIMITS): string =>
    tokenFrom(serviceWith({ limits, now: (NOW + 5) * 1000 }), {
      actor: actor('clerk'),
      subject: { kind: 'txn', token },
      type: 'txn_token',
      ...more,
    });
  const call = { action: 'a2a/SendMessage', resource: 'agent:clerk', callee: 'clerk' };
  const issue = (more: Partial<ExchangeRequest> = {}): string =>
    tokenFrom(serviceWith(), {
      actor: actor('desk'),
      subject: forAlice({ mandate: mandate({ actions: ['*'], locations: ['agent:clerk', 'tool:ledger/pay'] }) }),
      type: 'txn_token',
      audiences: [TRUST_DOMAIN],
      scope: 'read',
      call,
      ...more,
    });

  test('are issued for a call that the mandate allows', () => {
    const token = readTxnToken(issue(), keys, { issuer: ISSUER, trustDomain: TRUST_DOMAIN, now: NOW * 1000, skew: 5 });
    assert.deepEqual([token.txn, token.sub, token.scope, token.requester], ['id-0', 'alice', 'read', runOf('desk')]);
    assert.deepEqual(
      { ...contextOf(token), mandate: undefined },
      {
        ...call,
        mandate: undefined,
        parents: [],
        chain: [runOf('desk')],
        user: { issuer: ALICE.issuer, sub: ALICE.sub, groups: ALICE.groups },
      },
    );
  });

  test('are no access tokens', () => {
    const { response } = exchange(serviceWith(), {
      actor: actor('clerk'),
      subject: { kind: 'txn', token: txnOf('desk', 'clerk') },
      type: 'txn_token',
    });
    assert.deepEqual([response['token_type'], response['issued_token_type']], ['N_A', 'urn:ietf:params:oauth:token-type:txn_token']);
  });

  const unissued: readonly (readonly [string, Partial<ExchangeRequest>, string, string])[] = [
    ['for another audience', { audiences: [GATEWAY] }, 'CORDON-2010', 'invalid_target'],
    ['for no audience', { audiences: [] }, 'CORDON-2010', 'invalid_target'],
    ['for a resource', { resources: [GATEWAY] }, 'CORDON-2010', 'invalid_target'],
    ['without a scope', { subject: { kind: 'task', token: taskOf('desk') } }, 'CORDON-2003', 'invalid_scope'],
    ['of a call outside the mandate', { call: { ...call, resource: 'agent:scribe' } }, 'CORDON-2003', 'invalid_authorization_details'],
    ['of no call', { call: {} }, 'CORDON-1009', 'invalid_request'],
  ];
  for (const [name, request, code, error] of unissued)
    test(`refused: ${name}`, () => assert.throws(() => issue(request), refusedAs(code, error)));

  test('are replaced: the transaction stays as it is', () => {
    const token = txnOf('desk', 'clerk', { scope: 'read pay' });
    const { req_wl: requester, rctx, iat, scope, ...others } = claimsOf(replace(token, { scope: 'read' }));
    const { req_wl: _requester, rctx: _rctx, iat: _iat, scope: _scope, ...before } = claimsOf(token);
    assert.equal(JSON.stringify(others), JSON.stringify(before));
    assert.deepEqual([requester, rctx, iat, scope], [runOf('clerk'), { replaced: 1 }, NOW + 5, 'read']);
  });

  test('are replaced by whoever had them made', () => assert.ok(replace(txnOf('desk', 'clerk'), { actor: actor('desk') })));

  const unreplaced: readonly (readonly [string, Partial<ExchangeRequest>, string, JsonObject?])[] = [
    ['by a stranger', { actor: actor('scribe') }, 'CORDON-2005'],
    ['by another run of whoever had it made', { actor: { ...actor('desk'), id: runOf('desk2') } }, 'CORDON-2005'],
    ['for another trust domain', { audiences: ['evil.example'] }, 'CORDON-2010'],
    ['with a wider scope', { scope: 'read pay' }, 'CORDON-2003'],
    ['with another mandate', { details: mandate({}) }, 'CORDON-2011'],
    ['with another context', { call: { callee: 'scribe' } }, 'CORDON-2011'],
    ['too often', {}, 'CORDON-2004', { rctx: { replaced: 4 } }],
    ['counted below nothing', {}, 'CORDON-2009', { rctx: { replaced: -1 } }],
    ['expired', {}, 'CORDON-2002', { exp: NOW + 5 }],
    ['of another issuer', {}, 'CORDON-2009', { iss: 'https://evil.example' }],
  ];
  for (const [name, request, code, change] of unreplaced) {
    test(`not replaced: ${name}`, () => assert.throws(() => replace(txnOf('desk', 'clerk', change), request), refused(code)));
  }

  test('not replaced: of a revoked token', () => {
    const service = serviceWith({ isRevoked: ({ tokens }) => tokens.includes('id-0') });
    assert.throws(
      () => exchange(service, { actor: actor('clerk'), subject: { kind: 'txn', token: txnOf('desk', 'clerk') }, type: 'txn_token' }),
      refused('CORDON-2007'),
    );
  });
});

describe('[ID-JAG] assertions across domains', () => {
  const AS = 'https://as.other.example';
  const request = (more: Partial<ExchangeRequest> = {}): ExchangeRequest => ({
    actor: actor('desk'),
    subject: forAlice(),
    type: 'id_jag',
    audiences: [AS],
    resources: ['https://api.other.example/mcp'],
    ...more,
  });
  const replays = (): Replays => {
    const used = new Set<string>();
    return {
      use(key, id): void {
        if (used.has(`${key} ${id}`)) throw new Refusal('CORDON-1016', 'used before');
        used.add(`${key} ${id}`);
      },
    };
  };
  const there = (more: Partial<ExpectedJag> = {}): ExpectedJag => ({
    from: ISSUER,
    issuer: AS,
    clientId: 'client-7',
    replays: replays(),
    now: NOW * 1000,
    skew: 5,
    ...more,
  });

  test('are issued for one client there, for minutes', () => {
    const { response } = exchange(serviceWith(), request({ details: mandate({}), proven: { jkt: JKT } }));
    assert.deepEqual([response['token_type'], response['expires_in']], ['N_A', DEFAULT_LIMITS.assertionLife]);
    const { jti: _jti, ...claims } = claimsOf(
      tokenFrom(serviceWith(), request({ details: mandate({}), proven: { jkt: JKT }, scope: 'read' })),
    );
    assert.deepEqual(claims, {
      iss: ISSUER,
      sub: 'alice',
      aud: AS,
      client_id: 'client-7',
      exp: NOW + DEFAULT_LIMITS.assertionLife,
      iat: NOW,
      txn: 'id-0',
      act: { sub: runOf('desk') },
      authorization_details: [ENTRY],
      resource: 'https://api.other.example/mcp',
      scope: 'read',
      cnf: { jkt: JKT },
    });
  });

  for (const [name, more] of [
    ['to a server that is not known', { audiences: ['https://as.evil.example'] }],
    ['to two servers', { audiences: [AS, 'https://as.evil.example'] }],
    ['to none', { audiences: [] }],
  ] as const) {
    test(`are not issued ${name}`, () =>
      assert.throws(() => exchange(serviceWith(), request(more)), refusedAs('CORDON-2010', 'invalid_target')));
  }

  test('are accepted there, once', () => {
    const [jag, expectedThere] = [tokenFrom(serviceWith(), request()), there()];
    const { sub, issuer, resource } = acceptIdJag(jag, keys, expectedThere);
    assert.deepEqual([sub, issuer, resource], ['alice', ISSUER, 'https://api.other.example/mcp']);
    assert.throws(() => acceptIdJag(jag, keys, expectedThere), refused('CORDON-1016'));
  });

  const jag = tokenFrom(serviceWith(), request());
  const change = (claims: JsonObject, by = signer, typ = 'oauth-id-jag+jwt'): string => resigned(jag, claims, by, typ);
  const unaccepted: readonly (readonly [string, string, string, Partial<ExpectedJag>?])[] = [
    ['of another key', change({}, impostor), 'CORDON-1009'],
    ['of another type', change({}, signer, 'at+jwt'), 'CORDON-1009'],
    ['of another issuer', change({ iss: 'https://evil.example' }), 'CORDON-1009'],
    ['for another server', jag, 'CORDON-1011', { issuer: 'https://as.third.example' }],
    ['for two servers', change({ aud: [AS, 'https://evil.example'] }), 'CORDON-1011'],
    ['for the resource in place of the server', change({ aud: 'https://api.other.example/mcp' }), 'CORDON-1011'],
    ['for another client', jag, 'CORDON-1009', { clientId: 'client-8' }],
    ['expired', jag, 'CORDON-1010', { now: (NOW + 120) * 1000 }],
    ['for an hour', change({ exp: NOW + 3_600 }), 'CORDON-1009'],
    ['without jti', change({ jti: '' }), 'CORDON-1009'],
    ['without sub', change({ sub: '' }), 'CORDON-1009'],
    ['with a mandate of another type', change({ authorization_details: [{ type: 'x' }] }), 'CORDON-1009'],
  ];
  for (const [name, token, code, more] of unaccepted) {
    test(`are not accepted: ${name}`, () => assert.throws(() => acceptIdJag(token, keys, there(more)), refused(code)));
  }

  const own = { jkt: JKT };
  const other = { jkt: 'B'.repeat(43) };
  const bindings: readonly (readonly [string, Confirmation | undefined, Proven, Confirmation | undefined | 'refused'])[] = [
    ['neither bound nor proven', undefined, {}, undefined],
    ['not bound, and proven', undefined, own, own],
    ['bound, and the same key proven', own, own, own],
    ['bound, and another key proven', own, other, 'refused'],
    ['bound, and nothing proven', own, {}, 'refused'],
    ['bound to a certificate, and its holder', { 'x5t#S256': JKT }, { certificate: JKT }, { 'x5t#S256': JKT }],
    ['bound to a certificate, and the same holder with a new one', { 'x5t#S256': JKT }, { certificate: other.jkt }, 'refused'],
    ['bound to a certificate, and a key of the same digest', { 'x5t#S256': JKT }, own, 'refused'],
  ];
  for (const [name, bound, proven, result] of bindings) {
    test(`[RFC9449 §6] ${name}`, () => {
      if (result === 'refused') assert.throws(() => boundTo(bound, proven), refused('CORDON-1013'));
      else assert.deepEqual(boundTo(bound, proven), result);
      if (result === 'refused') assert.throws(() => checkConfirmation(bound, proven), refused('CORDON-1013'));
      else checkConfirmation(bound, proven);
    });
  }
});
