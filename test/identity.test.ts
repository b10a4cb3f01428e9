import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRequest, generateKeyPem, publicKeyOfRequest, signCertificate } from '../src/crypto/x509.ts';
import { randomSerial } from '../src/crypto/random.ts';
import { parseTrustDomain, workloadId, parseSpiffeId } from '../src/domain/spiffe-id.ts';
import { createIntermediate, createRoot, needsRenewal, type Authority } from '../src/identity/authority.ts';
import { issueSvid } from '../src/identity/issue.ts';
import { checkLifetime, readSvid } from '../src/identity/svid.ts';

const trustDomain = parseTrustDomain('desk.example');
const NOW = Date.UTC(2026, 0, 1);
const options = { trustDomain, now: NOW, serial: randomSerial };

async function authority(): Promise<Authority> {
  const root = await createRoot(options);
  return { trustDomain, root: root.certificate, intermediate: await createIntermediate(root, options) };
}

void test('[SPIFFE-X509-SVID] an issued SVID names one run, for minutes, and verifies', async () => {
  const key = await generateKeyPem();
  const publicKey = await publicKeyOfRequest(await createRequest(key));
  const id = workloadId(trustDomain, 'agent', 'clerk', 'R1');
  const svid = await issueSvid(await authority(), { id, publicKey, now: NOW, ttl: 900_000, serial: randomSerial() });
  const facts = readSvid(svid.chain, trustDomain);
  assert.deepEqual([facts.workload.kind, facts.workload.name, facts.workload.run], ['agent', 'clerk', 'R1']);
  assert.equal(svid.notAfter - NOW, 900_000);
  assert.throws(() => checkLifetime(svid, svid.notAfter), { code: 'CORDON-1002' });
  assert.throws(() => checkLifetime(svid, NOW - 120_000), { code: 'CORDON-1002' });
});

void test('[SPIFFE-X509-SVID] a leaf with two URIs, another domain, no workload path or signing rights is refused', async () => {
  const ca = await authority();
  const key = await generateKeyPem();
  const leaf = (uri: string, use: 'leaf' | 'authority' = 'leaf'): Promise<string> =>
    signCertificate({
      use,
      uri,
      subject: '',
      serial: randomSerial(),
      notBefore: new Date(NOW),
      notAfter: new Date(NOW + 1000),
      publicKey: key.publicKey,
      issuer: ca.intermediate.certificate,
      issuerKey: ca.intermediate.privateKey,
    });
  const code = async (certificate: Promise<string>): Promise<unknown> => {
    try {
      return readSvid(await certificate, trustDomain);
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  assert.equal(await code(leaf('spiffe://evil.example/agent/clerk')), 'CORDON-1004');
  assert.equal(await code(leaf('spiffe://desk.example/agent')), 'CORDON-1012');
  assert.equal(await code(leaf('spiffe://desk.example/root/clerk')), 'CORDON-1012');
  assert.equal(await code(leaf('spiffe://desk.example/agent/clerk/run')), 'CORDON-1012');
  assert.equal(await code(leaf('spiffe://desk.example/agent/cl%65rk')), 'CORDON-1006');
  assert.equal(await code(leaf('https://desk.example/agent/clerk')), 'CORDON-1006');
  assert.equal(await code(leaf('spiffe://desk.example/agent/clerk', 'authority')), 'CORDON-1006');
});

void test('a certificate request that was not signed by its key is refused', async () => {
  const der = await createRequest(await generateKeyPem());
  const forged = Uint8Array.from(der);
  forged[forged.length - 3] = (forged.at(-3) ?? 0) ^ 1;
  await assert.rejects(publicKeyOfRequest(forged), { code: 'CORDON-1013' });
  await assert.rejects(publicKeyOfRequest(new Uint8Array(20_000)), { code: 'CORDON-1013' });
  await assert.rejects(publicKeyOfRequest(new Uint8Array([1, 2, 3])), { code: 'CORDON-1013' });
});

void test('the intermediate is renewed at half life and after a clock set back', async () => {
  const { intermediate } = await authority();
  assert.equal(needsRenewal(intermediate, NOW), false);
  assert.equal(needsRenewal(intermediate, NOW + 46 * 86_400_000), true);
  assert.equal(needsRenewal(intermediate, NOW - 86_400_000), true);
});

void test('SPIFFE IDs are canonical or refused', () => {
  for (const bad of [
    'spiffe://',
    'spiffe://a//b',
    'spiffe://a/b/',
    'spiffe://A/b',
    'spiffe://a/../b',
    'spiffe://a:1/b',
    'spiffe://a/b?c',
    'SPIFFE://a/b',
    'spiffe://a/b#c',
    `spiffe://a/${'x'.repeat(2100)}`,
  ]) {
    assert.throws(() => parseSpiffeId(bad), { code: 'CORDON-1006' }, bad);
  }
  assert.equal(parseSpiffeId('spiffe://a.b/C/d_e-f.g'), 'spiffe://a.b/C/d_e-f.g');
});
