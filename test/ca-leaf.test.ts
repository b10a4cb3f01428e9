// The leaf as three other implementations read it: node:crypto, @peculiar/x509, the openssl command.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, webcrypto, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { assert as holds, bigInt, constantFrom, integer, oneof, property, record, string } from 'fast-check';
import { readTime, DerReader } from '../src/crypto/der-read.ts';
import { positiveInteger, time } from '../src/crypto/der.ts';
import { randomSerial } from '../src/crypto/random.ts';
import { createRequest, generateKeyPem, publicKeyOfRequest } from '../src/crypto/x509.ts';
import { leafSigner, subjectKey, type LeafSigner, type LeafTemplate, type SubjectKey } from '../src/crypto/x509-leaf.ts';
import { readDer, readOneUri, type ReadCertificate } from '../src/crypto/x509-read.ts';
import { parseTrustDomain, workloadId } from '../src/domain/spiffe-id.ts';
import { authorityOf, createIntermediate, createRoot, type Authority, type SigningCertificate } from '../src/identity/authority.ts';
import { issueSvid, LONGEST_SVID } from '../src/identity/issue.ts';

x509.cryptoProvider.set(webcrypto);
const NOW = Date.UTC(2026, 0, 1);
const SECOND = 1000;
const trustDomain = parseTrustDomain('desk.example');
const options = { trustDomain, now: NOW, serial: randomSerial };
const id = workloadId(trustDomain, 'agent', 'clerk', 'R1');

let root: SigningCertificate;
let own: SigningCertificate;
let signer: LeafSigner;
let authority: Authority;
let key: SubjectKey;

before(async () => {
  root = await createRoot(options);
  own = await createIntermediate(root, options);
  signer = leafSigner(own.certificate, own.privateKey);
  authority = authorityOf(trustDomain, [root.certificate], own);
  key = subjectKey((await generateKeyPem()).publicKey);
});

const template = (changed: Partial<LeafTemplate> = {}): LeafTemplate => ({
  uri: id,
  serial: randomSerial(),
  notBefore: NOW,
  notAfter: NOW + 900 * SECOND,
  publicKey: key,
  ...changed,
});

const YEAR_2050 = Date.UTC(2050, 0, 1) / SECOND;
/** Seconds; most of them around the boundary where the encoding changes. */
const seconds = oneof(
  integer({ min: 0, max: 253_402_300_798 }),
  integer({ min: YEAR_2050 - 100, max: YEAR_2050 + 100 }),
  constantFrom(0, YEAR_2050 - 1, YEAR_2050, 951_782_400 /* 29 February 2000 */, 253_402_300_798),
);
const serials = oneof(
  bigInt({ min: 1n, max: (1n << 159n) - 1n }),
  constantFrom(1n, 127n, 128n, 255n, 256n, (1n << 127n) - 1n, 1n << 127n, (1n << 152n) - 1n),
).map((value) => (value.toString(16).length % 2 === 0 ? value.toString(16) : `0${value.toString(16)}`));
const ids = string({
  unit: constantFrom('a', 'b', 'z', 'A', 'Z', '0', '1', '9', '.', '_', '-', '/'),
  minLength: 1,
  maxLength: 2048 - 'spiffe://desk.example/'.length,
}).map((path) => `spiffe://desk.example/${path}`);
const templates = record({ serial: serials, uri: ids, from: seconds, life: integer({ min: 1, max: 100_000 }) }).map(
  ({ serial, uri, from, life }) =>
    template({ serial, uri, notBefore: from * SECOND, notAfter: Math.min(from + life, 253_402_300_799) * SECOND }),
);

void test('[SPIFFE-X509-SVID] whatever the serial, the dates and the ID: node:crypto and @peculiar/x509 read what was asked for', () => {
  const issuer = new X509Certificate(own.certificate);
  const keyId = new x509.X509Certificate(own.certificate).getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
  holds(
    property(templates, (wanted) => {
      const pem = signer.sign(wanted);
      const read = new X509Certificate(pem);
      assert.equal(read.subjectAltName, `URI:${wanted.uri}`);
      assert.equal(BigInt(`0x${read.serialNumber}`), BigInt(`0x${wanted.serial}`));
      assert.deepEqual([read.validFromDate.getTime(), read.validToDate.getTime()], [wanted.notBefore, wanted.notAfter]);
      assert.ok(!read.ca && read.checkIssued(issuer) && read.verify(issuer.publicKey) && read.publicKey.equals(key.key));
      const other = new x509.X509Certificate(pem);
      assert.deepEqual([other.notBefore.getTime(), other.notAfter.getTime()], [wanted.notBefore, wanted.notAfter]);
      assert.deepEqual([other.subject, other.issuer], ['', issuer.subject.split('\n').join(', ')]);
      assert.equal(other.getExtension(x509.KeyUsagesExtension)?.usages, x509.KeyUsageFlags.digitalSignature);
      assert.deepEqual([...(other.getExtension(x509.ExtendedKeyUsageExtension)?.usages ?? [])], ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
      assert.equal(other.getExtension(x509.BasicConstraintsExtension)?.ca, false);
      assert.equal(other.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId, keyId);
      assert.deepEqual(
        [...other.extensions].filter(({ critical }) => critical).map(({ type }) => type),
        ['2.5.29.19', '2.5.29.15', '2.5.29.17'],
      );
      const san = other.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON();
      assert.deepEqual(san, [{ type: 'url', value: wanted.uri }]);
    }),
    { numRuns: 300 },
  );
});

void test('the openssl command reads and verifies a chain, with an ECDSA and with an Ed25519 key', async () => {
  const edwards = generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' });
  for (const publicKey of [key, subjectKey(edwards)]) {
    const { chain } = issueSvid(authority, { id, publicKey, now: NOW, ttl: 900 * SECOND, serial: randomSerial() });
    const text = openssl(['x509', '-noout', '-text', '-certopt', 'no_sigdump'], chain);
    assert.match(text, /X509v3 Subject Alternative Name: critical\s+URI:spiffe:\/\/desk\.example\/agent\/clerk\/run\/R1/);
    assert.match(text, /X509v3 Extended Key Usage: \s+TLS Web Server Authentication, TLS Web Client Authentication/);
    assert.match(text, /Subject: ?\n/);
    const asked = ['verify', '-attime', String(NOW / SECOND), '-x509_strict', '-purpose', 'sslclient'];
    withFiles({ root: root.certificate, intermediate: own.certificate, leaf: chain }, (path) => {
      assert.match(openssl([...asked, '-CAfile', path('root'), '-untrusted', path('intermediate'), path('leaf')]), /: OK$/m);
    });
  }
});

describe('reading back', () => {
  void test('any bit that is changed is seen: it is refused, or something else is read', () => {
    const der = new X509Certificate(signer.sign(template())).raw;
    const read = readDer(der);
    for (let bit = 0; bit < der.length * 8; bit++) {
      const changed = Buffer.from(der);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      let seen: ReadCertificate;
      try {
        seen = readDer(changed);
      } catch (error) {
        assert.equal((error as { code: string }).code, 'CORDON-1006');
        continue;
      }
      assert.notDeepEqual(seen, read, `bit ${bit}`);
    }
    assert.throws(() => readDer(Buffer.concat([der, Buffer.of(0)])), { code: 'CORDON-1006' });
    for (let length = 0; length < der.length; length += 7) assert.throws(() => readDer(der.subarray(0, length)), { code: 'CORDON-1006' });
  });

  void test('[RFC5280] it reads what node:crypto reads, of certificates that others made too', () => {
    for (const certificate of [root.certificate, own.certificate, signer.sign(template())]) {
      const read = new X509Certificate(certificate);
      const { serial, notBefore, notAfter, publicKey } = readDer(read.raw);
      assert.deepEqual(
        [serial, notBefore, notAfter],
        [read.serialNumber.toLowerCase(), read.validFromDate.getTime(), read.validToDate.getTime()],
      );
      assert.ok(createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' }).equals(read.publicKey));
    }
  });

  void test('times: what is written is read, and what no clock shows is refused', () => {
    holds(property(seconds, (at) => assert.equal(readTime(new DerReader(time(at * SECOND + 999))), at * SECOND)));
    const utc = (text: string): DerReader => new DerReader(Buffer.concat([Buffer.of(0x17, text.length), Buffer.from(text)]));
    const general = (text: string): DerReader => new DerReader(Buffer.concat([Buffer.of(0x18, text.length), Buffer.from(text)]));
    for (const bad of [
      '260230000000Z',
      '260101240000Z',
      '260101006000Z',
      '260101000060Z',
      '261301000000Z',
      '260100000000Z',
      '2601010000Z',
      '260101000000+0000',
      '',
    ]) {
      assert.throws(() => readTime(utc(bad)), { code: 'CORDON-1006' }, bad);
    }
    for (const bad of ['20260101000000Z', '20500101000000.5Z', '20500101000000'])
      assert.throws(() => readTime(general(bad)), { code: 'CORDON-1006' }, bad);
    for (const bad of [-1, Number.NaN, Number.POSITIVE_INFINITY, 253_402_300_800_000])
      assert.throws(() => time(bad), { code: 'CORDON-9006' });
  });

  void test('more than one name, and a name that is no URI, are refused', () => {
    const names = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat([Buffer.of(0x30, Buffer.concat(parts).length), ...parts]);
    const uri = Buffer.from('8603613a62', 'hex');
    assert.equal(readOneUri(names(uri)), 'a:b');
    for (const bad of [names(), names(uri, uri), names(Buffer.from('8203612e62', 'hex')), names(uri, Buffer.from('820161', 'hex'))]) {
      assert.throws(() => readOneUri(bad), { code: 'CORDON-1006' });
    }
  });
});

describe('what is not signed', () => {
  void test('a template that is not one of a leaf', () => {
    const bad: readonly Partial<LeafTemplate>[] = [
      { uri: 'https://desk.example/agent/clerk' },
      { uri: 'spiffe://desk.example/agent/clärk' },
      { uri: 'spiffe://desk.example/a\u0000b' },
      { uri: `spiffe://desk.example/${'x'.repeat(2048)}` },
      { serial: '' },
      { serial: '-1' },
      { serial: 'ff'.repeat(21) },
      { serial: 'zz' },
      { notAfter: NOW },
      { notBefore: Number.NaN },
    ];
    for (const changed of bad) assert.throws(() => signer.sign(template(changed)), { code: 'CORDON-9006' }, JSON.stringify(changed));
    assert.throws(() => positiveInteger('0'), { code: 'CORDON-9006' });
  });

  void test('a key of another type or curve', () => {
    const spki = (pair: { readonly publicKey: { export(options: { format: 'pem'; type: 'spki' }): string | Buffer } }): string =>
      pair.publicKey.export({ format: 'pem', type: 'spki' }).toString();
    const others = [
      spki(generateKeyPairSync('ec', { namedCurve: 'P-384' })),
      spki(generateKeyPairSync('ec', { namedCurve: 'secp256k1' })),
      spki(generateKeyPairSync('rsa', { modulusLength: 2048 })),
      spki(generateKeyPairSync('x25519')),
      'no key',
    ];
    for (const other of others) assert.throws(() => subjectKey(other), { code: 'CORDON-1013' });
  });

  void test('an identity of another trust domain, a life of days, a time outside of the intermediate', () => {
    const request = { id, publicKey: key, now: NOW, ttl: 900 * SECOND, serial: randomSerial() };
    const elsewhere = workloadId(parseTrustDomain('evil.example'), 'agent', 'clerk', 'R1');
    assert.throws(() => issueSvid(authority, { ...request, id: elsewhere }), { code: 'CORDON-1004' });
    assert.throws(() => issueSvid(authority, { ...request, ttl: LONGEST_SVID + 1 }), { code: 'CORDON-9006' });
    assert.throws(() => issueSvid(authority, { ...request, now: NOW - 60 * SECOND }), { code: 'CORDON-9009' });
    assert.throws(() => issueSvid(authority, { ...request, now: signer.notAfter }), { code: 'CORDON-9009' });
  });

  void test('anything beyond the life of the intermediate', () => {
    const svid = issueSvid(authority, {
      id,
      publicKey: key,
      now: signer.notAfter - 60 * SECOND,
      ttl: 900 * SECOND,
      serial: randomSerial(),
    });
    assert.equal(svid.notAfter, signer.notAfter);
    const first = issueSvid(authority, { id, publicKey: key, now: NOW, ttl: 900 * SECOND, serial: randomSerial() });
    assert.equal(first.notBefore, signer.notBefore);
  });

  void test('with a key that is not that of the intermediate, or an intermediate that no root of the bundle signed', async () => {
    const other = await createRoot(options);
    assert.throws(() => leafSigner(own.certificate, other.privateKey), { code: 'CORDON-9006' });
    assert.throws(() => authorityOf(trustDomain, [other.certificate], own), { code: 'CORDON-9006' });
    assert.throws(() => authorityOf(trustDomain, [], own), { code: 'CORDON-9006' });
  });
});

void test('a certificate request with an Ed25519 key is accepted, one with another curve is not', async () => {
  const pair = async (algorithm: object): Promise<Uint8Array> => {
    const keys = await webcrypto.subtle.generateKey(algorithm as { name: string }, true, ['sign', 'verify']);
    const made = await x509.Pkcs10CertificateRequestGenerator.create({
      keys: keys as webcrypto.CryptoKeyPair,
      signingAlgorithm: algorithm as { name: string },
    });
    return new Uint8Array(made.rawData);
  };
  assert.equal((await publicKeyOfRequest(await pair({ name: 'Ed25519' }))).key.asymmetricKeyType, 'ed25519');
  await assert.rejects(publicKeyOfRequest(await pair({ name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' })), { code: 'CORDON-1013' });
  const own256 = await publicKeyOfRequest(await createRequest(await generateKeyPem()));
  assert.equal(own256.key.asymmetricKeyDetails?.namedCurve, 'prime256v1');
});

void test('serials: 16 bytes, positive, never the same', () => {
  const drawn = Array.from({ length: 5000 }, () => randomSerial());
  assert.equal(new Set(drawn).size, drawn.length);
  for (const serial of drawn) assert.match(serial, /^[4-7][0-9a-f]{31}$/);
});

function openssl(args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync('openssl', args, { input, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout;
}

function withFiles(texts: Readonly<Record<string, string>>, work: (path: (name: string) => string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), 'cordon-ca-'));
  try {
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(dir, name), text);
    work((name) => join(dir, name));
  } finally {
    rmSync(dir, { recursive: true });
  }
}
