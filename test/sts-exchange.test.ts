// Exchanges at the token service's engine: what is issued, and everything that is refused, by the section it comes from.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Json } from '../src/domain/json.ts';
import { parseSpiffeId } from '../src/domain/spiffe-id.ts';
import { exchange } from '../src/sts/exchange.ts';
import type { ExchangeRequest } from '../src/sts/request.ts';
import { DEFAULT_LIMITS, type TokenService } from '../src/sts/service.ts';
import {
  actor,
  ALICE,
  claimsOf,
  ENTRY,
  forAlice,
  GATEWAY,
  impostor,
  ISSUER,
  mandate,
  NOW,
  refusedAs,
  resigned,
  runOf,
  serviceWith,
  signer,
  taskOf,
  tokenFrom,
  tokenIn,
  TRUST_DOMAIN,
  txnOf,
} from './support/sts-desk.ts';

const JKT = 'A'.repeat(43);
const OTHER_JKT = 'B'.repeat(43);
const task = (token: string): ExchangeRequest['subject'] => ({ kind: 'task', token });
const txn = (token: string): ExchangeRequest['subject'] => ({ kind: 'txn', token });

describe('[RFC8693 §2] what is issued', () => {
  test('to the first agent of a task', () => {
    const details = mandate({ exp: NOW + 100 });
    const exchanged = exchange(serviceWith(), { actor: actor('desk'), subject: forAlice(), details, scope: 'pay read' });
    const { response, issued } = exchanged;
    const { access_token: _token, ...others } = response;
    assert.deepEqual(others, {
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: 100,
      scope: 'pay read',
      authorization_details: details,
    });
    assert.deepEqual(claimsOf(tokenIn(exchanged)), {
      iss: ISSUER,
      sub: 'alice',
      aud: GATEWAY,
      exp: NOW + 100,
      iat: NOW,
      jti: 'id-1',
      client_id: 'spiffe://desk.example/agent/desk',
      txn: 'id-0',
      act: { sub: runOf('desk') },
      authorization_details: details,
      scope: 'pay read',
      user: { iss: ALICE.issuer, sub: ALICE.sub, groups: ALICE.groups },
      parents: [],
    });
    assert.deepEqual([issued.jti, issued.txn, issued.chain, issued.parents], ['id-1', 'id-0', [runOf('desk')], []]);
  });

  test('to the next agent: the chain grows, the task stays', () => {
    const first = taskOf('desk', { details: mandate({}, { locations: ['tool:ledger/read'] }) });
    const service = serviceWith({ now: (NOW + 10) * 1000 });
    const second = claimsOf(
      tokenFrom(service, { actor: actor('clerk'), subject: task(first), details: mandate({}), audiences: [`${GATEWAY}/mcp/ledger`] }),
    );
    const { sub, txn: same, user, act, parents, exp, aud, authorization_details: details } = second;
    assert.deepEqual(act, { sub: runOf('clerk'), act: { sub: runOf('desk') } });
    assert.deepEqual([sub, same, user], ['alice', claimsOf(first)['txn'], claimsOf(first)['user']]);
    assert.deepEqual([parents, exp, aud, details], [['id-1'], NOW + 300, `${GATEWAY}/mcp/ledger`, [ENTRY]]);
  });

  test('to an agent that narrows its own: the chain stays', () => {
    const first = taskOf('desk', { details: mandate({ actions: ['*'] }) });
    const second = claimsOf(tokenFrom(serviceWith(), { actor: actor('desk'), subject: task(first), details: mandate({}) }));
    assert.deepEqual([second['act'], second['parents']], [{ sub: runOf('desk') }, ['id-1']]);
  });

  test('to an agent that was called', () => {
    const {
      act,
      parents,
      txn: name,
      sub,
      authorization_details: details,
      exp,
    } = claimsOf(tokenFrom(serviceWith(), { actor: actor('clerk'), subject: txn(txnOf('desk', 'clerk')) }));
    assert.deepEqual([parents, name, sub, exp, details], [['id-0'], 'txn-1', 'alice', NOW + 60, [ENTRY]]);
    assert.deepEqual(act, { sub: runOf('clerk'), act: { sub: runOf('desk') } });
  });

  test('[RFC6749 §4.4] to an agent for itself: without a user', () => {
    const claims = claimsOf(tokenFrom(serviceWith(), { actor: actor('desk', 120), subject: { kind: 'self' } }));
    assert.deepEqual([claims['sub'], claims['user'], claims['exp']], ['spiffe://desk.example/agent/desk', undefined, NOW + 120]);
    assert.deepEqual(claims['act'], { sub: runOf('desk') });
  });

  test('[RFC8707 §2] for what the parent was for, when nobody says', () => {
    const first = taskOf('desk', { resources: [`${GATEWAY}/a2a/clerk`] });
    assert.equal(claimsOf(tokenFrom(serviceWith(), { actor: actor('desk'), subject: task(first) }))['aud'], `${GATEWAY}/a2a/clerk`);
  });

  test('[RFC9449 §5] bound to the key of a proof', () => {
    const exchanged = exchange(serviceWith(), { actor: actor('desk'), subject: forAlice(), proven: { jkt: JKT } });
    assert.equal(exchanged.response['token_type'], 'DPoP');
    assert.deepEqual(claimsOf(tokenIn(exchanged))['cnf'], { jkt: JKT });
  });

  test('[RFC8705 §3] bound to a certificate, and no longer than it', () => {
    const request = { actor: actor('desk', 90), subject: forAlice(), proven: { certificate: JKT }, bindCertificate: true };
    const { cnf, exp } = claimsOf(tokenFrom(serviceWith(), request));
    assert.deepEqual([cnf, exp], [{ 'x5t#S256': JKT }, NOW + 90]);
  });

  test('the same bytes for the same arguments, but for the signature', () => {
    const [a, b] = [taskOf('desk'), taskOf('desk')].map((token) => token.split('.').slice(0, 2));
    assert.deepEqual(a, b);
  });

  for (const named of [runOf('desk'), 'spiffe://desk.example/agent/desk']) {
    test(`[RFC8693 §4.4] whom may_act names: ${named}`, () => {
      assert.ok(taskOf('desk', { subject: forAlice({ mayAct: named }) }));
    });
  }
});

type Row = readonly [name: string, request: Partial<ExchangeRequest>, code: string, error: string, service?: Partial<TokenService>];
const parent = taskOf('desk', { details: mandate({ arguments: { n: { max: 5 } }, budget: { calls: 3 } }), scope: 'read' });
const wider = (members: Readonly<Record<string, Json>>): Partial<ExchangeRequest> => ({
  details: mandate({ arguments: { n: { max: 5 } }, ...members }),
});
const forged = (claims: Readonly<Record<string, Json>>): Partial<ExchangeRequest> => ({ subject: task(resigned(parent, claims)) });
const hops = (...agents: readonly string[]): Json =>
  agents.reduce<Json>((act, agent) => ({ sub: runOf(agent), ...(act === null ? {} : { act }) }), null);

const REFUSED: readonly Row[] = [
  // RFC 8693 §2.2.2, §4.1, §4.4: who may act for whom
  ['may_act names another', { subject: forAlice({ mayAct: runOf('clerk') }) }, 'CORDON-2005', 'unauthorized_client'],
  [
    'may_act names another run',
    { subject: forAlice({ mayAct: 'spiffe://desk.example/agent/scribe/run/other' }) },
    'CORDON-2005',
    'unauthorized_client',
  ],
  ['may_act names a beginning', { subject: forAlice({ mayAct: 'spiffe://desk.example/agent/scr' }) }, 'CORDON-2005', 'unauthorized_client'],
  ['agents that are apart', {}, 'CORDON-2005', 'unauthorized_client', { mayDelegate: (from, to) => `${from} ${to}` !== 'desk scribe' }],
  ['an actor token of another', { namedActor: runOf('clerk') }, 'CORDON-2005', 'unauthorized_client'],
  [
    'a gateway as the actor',
    { actor: { ...actor('x'), id: parseSpiffeId('spiffe://desk.example/gateway/gw') } },
    'CORDON-2005',
    'unauthorized_client',
  ],
  [
    'an agent without a run',
    { actor: { ...actor('x'), id: parseSpiffeId('spiffe://desk.example/agent/scribe') } },
    'CORDON-2005',
    'unauthorized_client',
  ],
  [
    'an operator as the actor',
    { actor: { ...actor('x'), id: parseSpiffeId('spiffe://desk.example/operator/ann/run/r') } },
    'CORDON-2005',
    'unauthorized_client',
  ],
  [
    'an actor of another trust domain',
    { actor: { ...actor('x'), id: parseSpiffeId('spiffe://evil.example/agent/scribe/run/r') } },
    'CORDON-1004',
    'invalid_request',
  ],
  [
    'a loop',
    {
      actor: actor('desk'),
      subject: task(resigned(parent, { act: hops('desk', 'clerk'), client_id: 'spiffe://desk.example/agent/clerk' })),
    },
    'CORDON-2006',
    'invalid_request',
  ],
  [
    'another run of the same agent',
    { actor: { ...actor('desk'), id: parseSpiffeId('spiffe://desk.example/agent/desk/run/second') } },
    'CORDON-2006',
    'invalid_request',
  ],
  [
    'too deep',
    { subject: task(resigned(parent, { act: hops('a', 'b', 'c', 'd'), client_id: 'spiffe://desk.example/agent/d' })) },
    'CORDON-2004',
    'invalid_request',
  ],
  ['deeper than is configured', {}, 'CORDON-2004', 'invalid_request', { limits: { ...DEFAULT_LIMITS, depth: 1 } }],
  ['exchanged too often', forged({ parents: Array.from({ length: 32 }, (_, at) => `p${at}`) }), 'CORDON-2004', 'invalid_request'],
  // revocation
  ['a revoked token', {}, 'CORDON-2007', 'invalid_request', { isRevoked: ({ tokens }) => tokens.includes('id-1') }],
  ['a revoked transaction', {}, 'CORDON-2007', 'invalid_request', { isRevoked: ({ txn: name }) => name === 'id-0' }],
  ['a revoked run in the chain', {}, 'CORDON-2007', 'invalid_request', { isRevoked: ({ chain }) => chain.includes(runOf('desk')) }],
  ['a revoked actor', {}, 'CORDON-2007', 'invalid_request', { isRevoked: ({ chain }) => chain.includes(runOf('scribe')) }],
  [
    'a revoked parent',
    forged({ parents: ['p0', 'p1'] }),
    'CORDON-2007',
    'invalid_request',
    { isRevoked: ({ tokens }) => tokens.includes('p0') },
  ],
  // RFC 9396 §6: never wider
  ['another tool', wider({ locations: ['tool:ledger/read'] }), 'CORDON-2003', 'invalid_authorization_details'],
  ['every tool', wider({ locations: ['tool:ledger/*'] }), 'CORDON-2003', 'invalid_authorization_details'],
  ['everything', { details: serviceWith().mandate }, 'CORDON-2003', 'invalid_authorization_details'],
  ['another action', wider({ actions: ['a2a/SendMessage'] }), 'CORDON-2003', 'invalid_authorization_details'],
  ['a limit left out', { details: mandate({}) }, 'CORDON-2003', 'invalid_authorization_details'],
  ['a wider limit', wider({ arguments: { n: { max: 6 } } }), 'CORDON-2003', 'invalid_authorization_details'],
  ['a larger budget', wider({ budget: { calls: 4 } }), 'CORDON-2003', 'invalid_authorization_details'],
  [
    'one entry too many',
    { details: mandate({ arguments: { n: { max: 5 } } }, { locations: ['tool:mail/send'] }) },
    'CORDON-2003',
    'invalid_authorization_details',
  ],
  // RFC 6749 §3.3
  ['a scope that is not held', { scope: 'read pay' }, 'CORDON-2003', 'invalid_scope'],
  ['a scope that there is not', { subject: forAlice(), scope: 'admin' }, 'CORDON-2003', 'invalid_scope'],
  ['a malformed scope', { scope: 'read  pay' }, 'CORDON-9011', 'invalid_scope'],
  ['a scope with a quotation mark', { scope: 're"ad' }, 'CORDON-9011', 'invalid_scope'],
  ['an empty scope', { scope: '' }, 'CORDON-9011', 'invalid_scope'],
  // RFC 8707 §2
  ['no such resource', { resources: ['https://elsewhere.example'] }, 'CORDON-2010', 'invalid_target'],
  ['a resource whose name begins so', { resources: [`${GATEWAY}.evil.example`] }, 'CORDON-2010', 'invalid_target'],
  ['a resource with a fragment', { resources: [`${GATEWAY}#x`] }, 'CORDON-2010', 'invalid_target'],
  ['two resources', { resources: [GATEWAY, `${GATEWAY}/mcp/ledger`] }, 'CORDON-2010', 'invalid_target'],
  ['a resource and another audience', { resources: [GATEWAY], audiences: [`${GATEWAY}/mcp/ledger`] }, 'CORDON-2010', 'invalid_target'],
  [
    'wider than the parent',
    { subject: task(taskOf('desk', { resources: [`${GATEWAY}/mcp/ledger`] })), resources: [GATEWAY] },
    'CORDON-2010',
    'invalid_target',
  ],
  [
    'beside the parent',
    { subject: task(taskOf('desk', { resources: [`${GATEWAY}/mcp/ledger`] })), resources: [`${GATEWAY}/a2a/clerk`] },
    'CORDON-2010',
    'invalid_target',
  ],
  // RFC 7519 §4.1, RFC 9068 §4: the token itself
  ['expired', {}, 'CORDON-2002', 'invalid_request', { now: (NOW + 300) * 1000 }],
  ['a user who has gone', { subject: forAlice({ expiresAt: NOW * 1000 }) }, 'CORDON-2002', 'invalid_request'],
  ['a proof that has ended', { subject: { kind: 'self' }, actor: actor('desk', 0) }, 'CORDON-2002', 'invalid_request'],
  ['a mandate that has ended', { subject: forAlice({ mandate: mandate({ exp: NOW }) }) }, 'CORDON-2002', 'invalid_request'],
  ['issued in the future', forged({ iat: NOW + 31, exp: NOW + 60 }), 'CORDON-2009', 'invalid_request'],
  ['not yet valid', forged({ nbf: NOW + 31 }), 'CORDON-2009', 'invalid_request'],
  ['for years', forged({ exp: NOW + 99_999_999 }), 'CORDON-2009', 'invalid_request'],
  ['of another issuer', forged({ iss: 'https://sts.evil.example' }), 'CORDON-2009', 'invalid_request'],
  ['of another key', { subject: task(resigned(parent, {}, impostor)) }, 'CORDON-2009', 'invalid_request'],
  ['of another type', { subject: task(resigned(parent, {}, signer, 'jwt')) }, 'CORDON-2009', 'invalid_request'],
  ['a transaction token as a task token', { subject: task(txnOf('desk', 'scribe')) }, 'CORDON-2009', 'invalid_request'],
  ['a task token as a transaction token', { subject: txn(parent) }, 'CORDON-2009', 'invalid_request'],
  ['no token', { subject: task('') }, 'CORDON-2009', 'invalid_request'],
  ['an oversized token', { subject: task('x'.repeat(20_000)) }, 'CORDON-2009', 'invalid_request'],
  ['two audiences', forged({ aud: [GATEWAY, 'https://elsewhere.example'] }), 'CORDON-2009', 'invalid_request'],
  ['without act', forged({ act: null }), 'CORDON-2009', 'invalid_request'],
  ['act swapped', forged({ act: hops('scribe') }), 'CORDON-2009', 'invalid_request'],
  [
    'act with a gateway in it',
    forged({ act: { sub: runOf('desk'), act: { sub: 'spiffe://desk.example/gateway/gw' } } }),
    'CORDON-2009',
    'invalid_request',
  ],
  ['act with more than names', forged({ act: { sub: runOf('desk'), iss: ISSUER } }), 'CORDON-2009', 'invalid_request'],
  ['act with a loop', forged({ act: hops('desk', 'clerk', 'desk') }), 'CORDON-2009', 'invalid_request'],
  ['without a mandate', forged({ authorization_details: [] }), 'CORDON-2009', 'invalid_request'],
  ['with a mandate of another type', forged({ authorization_details: [{ type: 'payment' }] }), 'CORDON-2009', 'invalid_request'],
  ['without jti', forged({ jti: '' }), 'CORDON-2009', 'invalid_request'],
  ['without txn', forged({ txn: 7 }), 'CORDON-2009', 'invalid_request'],
  ['with a binding that is not known', forged({ cnf: { jwk: {} } }), 'CORDON-2009', 'invalid_request'],
  ['with two bindings', forged({ cnf: { jkt: JKT, 'x5t#S256': JKT } }), 'CORDON-2009', 'invalid_request'],
  // RFC 9449 §5, RFC 8705 §3
  ['bound, and no key shown', forged({ cnf: { jkt: JKT } }), 'CORDON-1013', 'invalid_request'],
  ['bound to another key', { ...forged({ cnf: { jkt: JKT } }), proven: { jkt: OTHER_JKT } }, 'CORDON-1013', 'invalid_request'],
  [
    'bound to another certificate',
    { ...forged({ cnf: { 'x5t#S256': JKT } }), proven: { certificate: OTHER_JKT } },
    'CORDON-1013',
    'invalid_request',
  ],
  ['a key shown for a certificate', { ...forged({ cnf: { 'x5t#S256': JKT } }), proven: { jkt: JKT } }, 'CORDON-1013', 'invalid_request'],
  ['no certificate to bind to', { bindCertificate: true }, 'CORDON-1013', 'invalid_request'],
  // transaction tokens as what is exchanged (draft-ietf-oauth-transaction-tokens-10)
  ['made for another agent', { subject: txn(txnOf('desk', 'clerk')) }, 'CORDON-2005', 'unauthorized_client'],
  ['made for an agent whose name begins so', { subject: txn(txnOf('desk', 'scribe2')) }, 'CORDON-2005', 'unauthorized_client'],
  ['of another trust domain', { subject: txn(txnOf('desk', 'scribe', { aud: 'evil.example' })) }, 'CORDON-2010', 'invalid_target'],
  ['a transaction that has expired', { subject: txn(txnOf('desk', 'scribe', { exp: NOW })) }, 'CORDON-2002', 'invalid_request'],
  [
    'wider than the caller',
    { subject: txn(txnOf('desk', 'scribe')), details: mandate({ actions: ['*'] }) },
    'CORDON-2003',
    'invalid_authorization_details',
  ],
  ['a transaction without a context', { subject: txn(txnOf('desk', 'scribe', { tctx: {} })) }, 'CORDON-2009', 'invalid_request'],
  ['a call of itself', { actor: actor('desk'), subject: txn(txnOf('desk', 'desk')) }, 'CORDON-2006', 'invalid_request'],
];

describe('[RFC8693 §2.2.2] what is refused', () => {
  for (const [name, request, code, error, service] of REFUSED) {
    test(`${name}: ${code}, ${error}`, () => {
      assert.throws(
        () => exchange(serviceWith(service), { actor: actor('scribe'), subject: task(parent), ...request }),
        refusedAs(code, error),
      );
    });
  }

  test('a mandate that fits in no token', () => {
    const long = mandate(
      ...Array.from({ length: 32 }, (_, n) => ({
        locations: Array.from({ length: 16 }, (__, at) => `tool:s${n}/a-name-of-some-length-${at}`),
      })),
    );
    assert.throws(() => taskOf('desk', { details: long }), refusedAs('CORDON-2003', 'invalid_authorization_details'));
  });

  test('and the same without what is wrong is issued', () => {
    assert.ok(tokenFrom(serviceWith(), { actor: actor('scribe'), subject: task(parent) }));
    assert.ok(tokenFrom(serviceWith(), { actor: actor('scribe'), subject: task(resigned(parent, { parents: [TRUST_DOMAIN] })) }));
    assert.ok(tokenFrom(serviceWith(), { actor: actor('scribe'), subject: txn(txnOf('desk', 'scribe')) }));
  });
});
