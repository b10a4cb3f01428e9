// [RFC9449] Proofs: one request, one key, once. Made by a foreign library where they are right, and by hand where they are wrong.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, test } from 'node:test';
import * as dpop from 'dpop';
import { Refusal } from '../src/domain/refusal.ts';
import { type ExpectedProof, normalised, type Replays, verifyProof } from '../src/sts/dpop.ts';
import { oauthErrorOf } from '../src/sts/errors.ts';

const NOW = 1_800_000_000;
const URL_ = 'https://sts.desk.example/oauth2/token';

function replays(): Replays {
  const used = new Set<string>();
  return {
    use(key, id): void {
      if (used.has(`${key} ${id}`)) throw new Refusal('CORDON-1016', 'used before');
      used.add(`${key} ${id}`);
    },
  };
}

const asked = (more: Partial<ExpectedProof> = {}): ExpectedProof => ({
  method: 'POST',
  url: URL_,
  now: NOW * 1000,
  life: 60,
  skew: 5,
  replays: replays(),
  ...more,
});

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const { d: _d, ...jwk } = pair.publicKey.export({ format: 'jwk' });
const THUMBPRINT = createHash('sha256')
  .update(JSON.stringify({ crv: jwk['crv'], kty: jwk['kty'], x: jwk['x'], y: jwk['y'] }))
  .digest('base64url');

interface Made {
  readonly header?: object;
  readonly claims?: object;
  readonly key?: KeyObject;
}

const encoded = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url');

function made({ header = {}, claims = {}, key = pair.privateKey }: Made = {}): string {
  const head = encoded({ typ: 'dpop+jwt', alg: 'ES256', jwk, ...header });
  const signed = `${head}.${encoded({ jti: 'j-1', htm: 'POST', htu: URL_, iat: NOW, ...claims })}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

describe('[RFC9449 §4.3] proofs that are accepted', () => {
  for (const alg of ['ES256', 'PS256', 'RS256'] as const) {
    test(`of a foreign client, ${alg}`, async () => {
      const keys = await dpop.generateKeyPair(alg, { extractable: true });
      const proof = await dpop.generateProof(keys, URL_, 'POST', 'nonce-1', 'the-token');
      const more = { now: Date.now(), accessToken: 'the-token', acceptsNonce: (nonce: string) => nonce === 'nonce-1' };
      assert.match(verifyProof(proof, asked(more)), /^[\w-]{43}$/);
    });
  }

  test('the key is named by its thumbprint', () => assert.equal(verifyProof(made(), asked()), THUMBPRINT));
  test('an address with a query and a fragment', () =>
    assert.equal(verifyProof(made({ claims: { htu: `${URL_}?a=b#c` } }), asked()), THUMBPRINT));
  test('an address with its port', () =>
    assert.equal(verifyProof(made({ claims: { htu: 'HTTPS://STS.desk.example:443/oauth2/./token' } }), asked()), THUMBPRINT));
  test('at the ends of its time', () => {
    for (const iat of [NOW - 60, NOW + 5]) assert.equal(verifyProof(made({ claims: { iat } }), asked()), THUMBPRINT);
  });
  test('one `jti` of two keys', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const expected = asked();
    verifyProof(made(), expected);
    verifyProof(made({ header: { jwk: other.publicKey.export({ format: 'jwk' }) }, key: other.privateKey }), expected);
  });
});

describe('[RFC9449 §4.3] proofs that are refused', () => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const rows: readonly (readonly [string, string, Partial<ExpectedProof>?])[] = [
    ['no proof', ''],
    ['two parts', 'a.b'],
    ['two proofs in one header', `${made()},${made()}`],
    ['another type', made({ header: { typ: 'jwt' } })],
    ['no type', made({ header: { typ: undefined } })],
    ['alg none', `${encoded({ typ: 'dpop+jwt', alg: 'none', jwk })}.${encoded({ jti: 'j', htm: 'POST', htu: URL_, iat: NOW })}.`],
    ['a symmetric algorithm', made({ header: { alg: 'HS256', jwk: { kty: 'oct', k: 'AAAA' } } })],
    ['a symmetric key', made({ header: { jwk: { kty: 'oct', k: 'AAAA' } } })],
    ['no key', made({ header: { jwk: undefined } })],
    ['a private key', made({ header: { jwk: pair.privateKey.export({ format: 'jwk' }) } })],
    ['a key by its name', made({ header: { jwk: undefined, kid: 'k1' } })],
    ['a key by its address', made({ header: { jku: 'https://evil.example/jwks' } })],
    ['a critical extension', made({ header: { crit: ['x'], x: 1 } })],
    ['another algorithm than that of the key', made({ header: { alg: 'ES384' } })],
    ['a signature of another key', made({ key: other.privateKey })],
    ['a point that is on no curve', made({ header: { jwk: { ...jwk, x: jwk['y'] } } })],
    ['no jti', made({ claims: { jti: undefined } })],
    ['an empty jti', made({ claims: { jti: '' } })],
    ['a long jti', made({ claims: { jti: 'x'.repeat(257) } })],
    ['a jti that is a number', made({ claims: { jti: 7 } })],
    ['no method', made({ claims: { htm: undefined } })],
    ['another method', made({ claims: { htm: 'GET' } })],
    ['the method in small letters', made({ claims: { htm: 'post' } })],
    ['no address', made({ claims: { htu: undefined } })],
    ['another path', made({ claims: { htu: 'https://sts.desk.example/oauth2/revoke' } })],
    ['another host', made({ claims: { htu: 'https://evil.example/oauth2/token' } })],
    ['another port', made({ claims: { htu: 'https://sts.desk.example:8443/oauth2/token' } })],
    ['another scheme', made({ claims: { htu: 'http://sts.desk.example/oauth2/token' } })],
    ['an address with a user', made({ claims: { htu: 'https://a:b@sts.desk.example/oauth2/token' } })],
    ['an address that is none', made({ claims: { htu: '/oauth2/token' } })],
    ['no time', made({ claims: { iat: undefined } })],
    ['a time that is a text', made({ claims: { iat: String(NOW) } })],
    ['too old', made({ claims: { iat: NOW - 61 } })],
    ['from the future', made({ claims: { iat: NOW + 6 } })],
    ['without the token', made(), { accessToken: 'the-token' }],
    [
      'with another token',
      made({ claims: { ath: createHash('sha256').update('other').digest('base64url') } }),
      { accessToken: 'the-token' },
    ],
    ['with a token where there is none', made({ claims: { ath: 'x' } })],
  ];
  for (const [name, proof, more] of rows) {
    test(name, () => {
      assert.throws(
        () => verifyProof(proof, asked(more)),
        (error) => error instanceof Refusal && error.code === 'CORDON-1013' && oauthErrorOf(error, 'proof') === 'invalid_dpop_proof',
      );
    });
  }

  test('replayed', () => {
    const expected = asked();
    verifyProof(made(), expected);
    assert.throws(
      () => verifyProof(made(), expected),
      (error) => error instanceof Refusal && error.code === 'CORDON-1016' && oauthErrorOf(error, 'proof') === 'invalid_dpop_proof',
    );
  });

  test('remembered for as long as it could come again', () => {
    const until: number[] = [];
    verifyProof(made({ claims: { iat: NOW + 5 } }), asked({ replays: { use: (_key, _id, end) => void until.push(end) } }));
    assert.ok((until[0] ?? 0) > (NOW + 5 + 60) * 1000);
  });

  for (const [name, nonce] of [
    ['no nonce', undefined],
    ['an old nonce', 'old'],
    ['a nonce that is a number', 7],
  ] as const) {
    test(`[RFC9449 §8] ${name}`, () => {
      const used: string[] = [];
      const expected = asked({ acceptsNonce: (given) => given === 'new', replays: { use: (_key, id) => void used.push(id) } });
      assert.throws(
        () => verifyProof(made({ claims: { nonce } }), expected),
        (error) => error instanceof Refusal && oauthErrorOf(error, 'proof') === 'use_dpop_nonce',
      );
      assert.deepEqual(used, []);
    });
  }
});

describe('[RFC9449 §4.3] addresses are compared as RFC 3986 §6 says', () => {
  const same: readonly (readonly [string, string])[] = [
    ['https://a.example', 'https://A.example:443/'],
    ['https://a.example/%7euser', 'https://a.example/~user'],
    ['https://a.example/%c3%a9', 'https://a.example/%C3%A9'],
    ['https://a.example/x/../y', 'https://a.example/y?q#f'],
  ];
  for (const [a, b] of same) test(`${a} = ${b}`, () => assert.equal(normalised(a), normalised(b)));
  test('what is escaped on purpose stays apart', () =>
    assert.notEqual(normalised('https://a.example/x%2Fy'), normalised('https://a.example/x/y')));
});
