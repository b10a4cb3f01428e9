// The keys of issuers elsewhere: kept, asked again within limits, and never fetched from where nobody meant.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:https';
import { after, before, describe, test } from 'node:test';
import { once } from 'node:events';
import 'reflect-metadata';
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import { createIssuerKeys } from '../src/control/oidc-keys.ts';
import { openIssuer, type Issuer } from './support/issuer.ts';

const T0 = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;

describe('the keys of an issuer', () => {
  let issuer: Issuer;
  let dir: string;
  before(async () => {
    issuer = await openIssuer('ES256', '/tenant');
    dir = await mkdtemp(join(tmpdir(), 'cordon-keys-'));
  });
  after(async () => {
    await issuer.close();
    await rm(dir, { recursive: true, force: true });
  });
  const owner = () => ({ issuer: issuer.url, keys: undefined, plaintext: true });
  const DISCOVERY = '/tenant/.well-known/openid-configuration';
  const KEYS = '/tenant/keys';

  test('are found by discovery below the path of the issuer, and kept', async () => {
    const keys = createIssuerKeys({ now: () => T0 });
    const count = issuer.asked.length;
    const all = await Promise.all([1, 2, 3].map(() => keys.keysOf(owner(), 'key-1')));
    assert.deepEqual(issuer.asked.slice(count), [DISCOVERY, KEYS]);
    assert.deepEqual([...(all[0]?.keys() ?? [])], ['key-1']);
    await keys.keysOf(owner(), 'key-1');
    assert.equal(issuer.asked.length, count + 2);
  });

  test('[I10] a key that is not among them has them asked for again, but not at the pace of who sends tokens', async () => {
    let now = T0;
    const keys = createIssuerKeys({ now: () => now });
    await keys.keysOf(owner(), undefined);
    await issuer.rotate();
    const next = 'key-2';
    const count = issuer.asked.length;
    for (let made = 0; made < 50; made++) assert.ok(!(await keys.keysOf(owner(), `made-up-${made}`)).has(next));
    assert.equal(issuer.asked.length, count);
    now += 11_000;
    assert.ok((await keys.keysOf(owner(), next)).has(next));
    for (let made = 0; made < 50; made++) await keys.keysOf(owner(), `made-up-${made}`);
    assert.equal(issuer.asked.length, count + 2);
  });

  test('outlive a short absence of the issuer and no long one', async () => {
    let now = T0;
    const keys = createIssuerKeys({ now: () => now });
    assert.equal((await keys.keysOf(owner(), undefined)).size, 1);
    issuer.answer(DISCOVERY, (response) => response.writeHead(503).end());
    now += 30 * MINUTE;
    assert.equal((await keys.keysOf(owner(), undefined)).size, 1);
    now += 31 * MINUTE;
    await assert.rejects(keys.keysOf(owner(), undefined), { code: 'CORDON-9010' });
    issuer.answer(DISCOVERY, undefined);
    await assert.rejects(keys.keysOf(owner(), undefined), { code: 'CORDON-9010' }, 'asked at most once in ten seconds');
    now += 11_000;
    assert.equal((await keys.keysOf(owner(), undefined)).size, 1);
  });

  const document = (more: object): string => JSON.stringify({ issuer: issuer.url, jwks_uri: `${issuer.url}/keys`, ...more });
  const MISBEHAVIOUR: readonly (readonly [what: string, path: string, body: () => string, observed: RegExp])[] = [
    ['a document of another issuer', DISCOVERY, () => document({ issuer: `${issuer.url}/` }), /another issuer/],
    ['a document without a key set', DISCOVERY, () => document({ jwks_uri: 7 }), /no `jwks_uri`/],
    ['keys in a file', DISCOVERY, () => document({ jwks_uri: 'file:///etc/passwd' }), /not https/],
    ['keys at an address of this machine', DISCOVERY, () => document({ jwks_uri: 'https://127.0.0.2/keys' }), /private address/],
    ['keys in a private network', DISCOVERY, () => document({ jwks_uri: 'https://10.1.2.3/keys' }), /private address/],
    ['keys at a metadata service', DISCOVERY, () => document({ jwks_uri: 'http://169.254.169.254/latest' }), /not https/],
    ['keys at a metadata service over TLS', DISCOVERY, () => document({ jwks_uri: 'https://169.254.169.254/latest' }), /private address/],
    ['keys at an IPv6 address of this machine', DISCOVERY, () => document({ jwks_uri: 'https://[::1]:1/keys' }), /private address/],
    ['keys at IPv4 in IPv6', DISCOVERY, () => document({ jwks_uri: 'https://[::ffff:10.0.0.1]/keys' }), /private address/],
    ['keys at a name of this machine', DISCOVERY, () => document({ jwks_uri: 'https://localhost:1/keys' }), /private address/],
    ['keys behind a user name', DISCOVERY, () => document({ jwks_uri: 'https://a:b@127.0.0.1/keys' }), /not https/],
    ['no JSON', KEYS, () => '<html>', /malformed JSON/],
    ['JSON with a member twice', KEYS, () => '{"keys":[],"keys":[]}', /duplicate/],
    ['no keys', KEYS, () => '{"keys":[]}', /no key that can be used/],
    [
      'a secret among keys',
      KEYS,
      () => JSON.stringify({ keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'key-1', alg: 'HS256' }] }),
      /no key that can be used/,
    ],
    ['two keys of one name', KEYS, () => JSON.stringify({ keys: [issuer.jwk(), issuer.jwk()] }), /two keys of one name/],
    ['a hundred thousand bytes too many', KEYS, () => JSON.stringify({ keys: [], padding: 'x'.repeat(400_000) }), /more than 262144 bytes/],
    ['a thousand keys', KEYS, () => JSON.stringify({ keys: Array.from({ length: 1000 }, () => ({})) }), /too many keys/],
  ];
  for (const [what, path, body, observed] of MISBEHAVIOUR) {
    test(`an issuer that sends ${what} has no keys`, async () => {
      issuer.answer(path, (response) => response.end(body()));
      try {
        await assert.rejects(
          createIssuerKeys({ now: () => T0 }).keysOf(owner(), undefined),
          (error: Error & { code: string; observed?: string }) => {
            assert.equal(error.code, 'CORDON-9010');
            assert.match(`${error.message} ${error.observed ?? ''}`, observed);
            return true;
          },
        );
      } finally {
        issuer.answer(path, undefined);
      }
    });
  }

  test('a redirect is not followed, and an issuer that is silent is not waited for', async () => {
    issuer.answer(KEYS, (response) => response.writeHead(302, { location: `${issuer.url}/elsewhere` }).end());
    const count = issuer.asked.length;
    await assert.rejects(createIssuerKeys({ now: () => T0 }).keysOf(owner(), undefined), { code: 'CORDON-9010' });
    assert.ok(!issuer.asked.slice(count).includes('/tenant/elsewhere'));
    issuer.answer(KEYS, (response) => void response.write('{'));
    const began = performance.now();
    await assert.rejects(createIssuerKeys({ now: () => T0, limits: { timeout: 200 } }).keysOf(owner(), undefined), { code: 'CORDON-9010' });
    assert.ok(performance.now() - began < 3000);
    issuer.answer(KEYS, undefined);
  });

  test('plain http is spoken to a loopback address that was allowed, and to nothing else', async () => {
    const keys = createIssuerKeys({ now: () => T0 });
    await assert.rejects(keys.keysOf({ ...owner(), plaintext: false }, undefined), { code: 'CORDON-9010' });
    await assert.rejects(
      createIssuerKeys({ now: () => T0 }).keysOf({ issuer: 'http://idp.example', keys: undefined, plaintext: true }, undefined),
      { code: 'CORDON-9010' },
    );
  });

  test('come from a file as well, and what is no key set there is said', async () => {
    const [good, bad] = [join(dir, 'keys.json'), join(dir, 'bad.json')];
    await writeFile(good, JSON.stringify({ keys: [issuer.jwk(), { kty: 'EC', crv: 'secp256k1', kid: 'odd' }] }));
    await writeFile(bad, '[]');
    const keys = createIssuerKeys({ now: () => T0 });
    assert.deepEqual([...(await keys.keysOf({ issuer: 'x', keys: { file: good } }, undefined)).keys()], [issuer.jwk().kid]);
    await assert.rejects(keys.keysOf({ issuer: 'x', keys: { file: bad } }, undefined), { code: 'CORDON-9006' });
    await assert.rejects(keys.keysOf({ issuer: 'x', keys: { file: join(dir, 'none') } }, undefined), { code: 'CORDON-9006' });
    await assert.rejects(keys.keysOf({ ...owner(), keys: { url: new URL(`${issuer.url}/keys`) }, ca: join(dir, 'none') }, undefined), {
      code: 'CORDON-9006',
    });
  });

  test('come over TLS from an authority of its own, when that is named, and not from whoever answers', async () => {
    const { cert, key } = await selfSigned();
    const server = createServer({ cert, key }, (_request, response) => response.end(JSON.stringify({ keys: [issuer.jwk()] })));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const ca = join(dir, 'ca.pem');
    await writeFile(ca, cert);
    const secure = { issuer: 'https://idp.example', keys: { url: new URL(`https://localhost:${port}/keys`) } };
    try {
      assert.equal((await createIssuerKeys({ now: () => T0 }).keysOf({ ...secure, ca }, undefined)).size, 1);
      await assert.rejects(createIssuerKeys({ now: () => T0 }).keysOf(secure, undefined), { code: 'CORDON-9010' });
      const named = { ...secure, keys: { url: new URL(`https://127.0.0.1:${port}/keys`) } };
      await assert.rejects(createIssuerKeys({ now: () => T0 }).keysOf({ ...named, ca }, undefined), { code: 'CORDON-9010' });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

async function selfSigned(): Promise<{ readonly cert: string; readonly key: string }> {
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const made = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=localhost',
    keys,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }])],
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return { cert: made.toString('pem'), key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n` };
}
