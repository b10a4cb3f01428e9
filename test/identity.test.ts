import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Config } from '../src/control/config.ts';
import { createIssuer } from '../src/control/issuer.ts';
import { openAuthority } from '../src/control/keys.ts';
import { createPublisher } from '../src/control/publisher.ts';
import { sealer } from '../src/crypto/seal.ts';
import { createRequest, generateKeyPem, publicKeyOfRequest } from '../src/crypto/x509.ts';
import { subjectKey } from '../src/crypto/x509-leaf.ts';
import { randomKey, randomSerial } from '../src/crypto/random.ts';
import { parseTrustDomain, parseWorkload, workloadId, parseSpiffeId } from '../src/domain/spiffe-id.ts';
import {
  authorityOf,
  createIntermediate,
  createRoot,
  needsRenewal,
  type Authority,
  type SigningCertificate,
} from '../src/identity/authority.ts';
import { issueSvid } from '../src/identity/issue.ts';
import { checkLifetime, readSvid } from '../src/identity/svid.ts';
import { createRotation } from '../src/server/rotation.ts';
import { openSqliteStore } from '../src/store/sqlite.ts';
import { forge } from './support/forge.ts';

const trustDomain = parseTrustDomain('desk.example');
const NOW = Date.UTC(2026, 0, 1);
const options = { trustDomain, now: NOW, serial: randomSerial };

async function intermediate(): Promise<{ readonly root: SigningCertificate; readonly own: SigningCertificate }> {
  const root = await createRoot(options);
  return { root, own: await createIntermediate(root, options) };
}

async function authority(): Promise<Authority> {
  const { root, own } = await intermediate();
  return authorityOf(trustDomain, [root.certificate], own);
}

const silent = { append: () => ({ log: '', seq: 0, leafHash: '' }) };

void test('[SPIFFE-X509-SVID] an issued SVID names one run, for minutes, and verifies', async () => {
  const key = await generateKeyPem();
  const publicKey = await publicKeyOfRequest(await createRequest(key));
  const id = workloadId(trustDomain, 'agent', 'clerk', 'R1');
  const svid = issueSvid(await authority(), { id, publicKey, now: NOW, ttl: 900_000, serial: randomSerial() });
  const facts = readSvid(svid.chain, trustDomain);
  assert.deepEqual([facts.workload.kind, facts.workload.name, facts.workload.run], ['agent', 'clerk', 'R1']);
  assert.equal(svid.notAfter - NOW, 900_000);
  assert.throws(() => checkLifetime(svid, svid.notAfter), { code: 'CORDON-1002' });
  assert.throws(() => checkLifetime(svid, NOW - 120_000), { code: 'CORDON-1002' });
});

void test('[SPIFFE-X509-SVID] a leaf with two URIs, another domain, no workload path or signing rights is refused', async () => {
  const { own } = await intermediate();
  const key = await generateKeyPem();
  const leaf = (uri: string, signs = false): Promise<string> =>
    forge({ uri, key, issuer: own, authority: signs, notBefore: NOW, notAfter: NOW + 1000 });
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
  assert.equal(await code(leaf('spiffe://desk.example/agent/clerk', true)), 'CORDON-1006');
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
  const { signer } = await authority();
  assert.equal(needsRenewal(signer, NOW), false);
  assert.equal(needsRenewal(signer, NOW + 46 * 86_400_000), true);
  assert.equal(needsRenewal(signer, NOW - 86_400_000), true);
});

void test('[SPIFFE-ID] IDs are canonical or refused', () => {
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

void test('[I6] a run that is ended while it renews does not come back, and one that stops renewing is forgotten', () => {
  let now = NOW;
  const publisher = createPublisher(
    { trustDomain, svidTtl: 1000, agents: [], resources: [], segments: [] } as unknown as Config,
    () => now,
  );
  const live = { agent: 'clerk', notAfter: NOW + 1000, since: 0 };
  publisher.setRun('R1', live);
  publisher.setRun('R2', live);
  publisher.endRun('R1');
  publisher.setRun('R1', live); // a renewal that was under way
  publisher.publish();
  assert.deepEqual([...publisher.current().runs.keys()], ['R2']);
  now += 2000;
  publisher.heartbeat();
  assert.deepEqual([...publisher.current().runs.keys()], []);
});

void test('the intermediate is renewed under a process that runs for months, once, and what it signs verifies', async () => {
  const store = await openSqliteStore(':memory:');
  let now = NOW;
  const keeper = await openAuthority(store, sealer(randomKey()), {
    trustDomain,
    now: () => now,
    serial: randomSerial,
    svidTtl: 900_000,
    log: silent,
  });
  const first = await keeper.fresh();
  assert.equal(first, keeper.current());
  now += 46 * 86_400_000;
  const [second, same] = await Promise.all([keeper.fresh(), keeper.fresh()]);
  assert.equal(second, same);
  assert.deepEqual([second.bundle === first.bundle, second.signer.certificate === first.signer.certificate], [true, false]);
  const publicKey = subjectKey((await generateKeyPem()).publicKey);
  issueSvid(second, { id: workloadId(trustDomain, 'agent', 'clerk', 'R1'), publicKey, now, ttl: 900_000, serial: randomSerial() });
  await store.close();
});

void test('a part of Cordon is one run, however often its SVID is renewed', async () => {
  const store = await openSqliteStore(':memory:');
  const acts: string[] = [];
  const log = { append: (record: object) => (acts.push('act' in record ? String(record.act) : ''), { log: '', seq: 0, leafHash: '' }) };
  const unused = { isRegistered: () => false, mayHave: () => undefined, onIssued: () => undefined };
  const issuer = createIssuer({
    authority: await openAuthority(store, sealer(randomKey()), { ...options, now: () => NOW, svidTtl: 900_000, log: silent }),
    store,
    log,
    now: () => NOW,
    ttl: 900_000,
    ...unused,
  });
  const made = await Promise.all([issuer.own('gateway', 'g', 900_000), issuer.own('gateway', 'g', 900_000)]);
  const [first, second, other] = [...made, await issuer.own('operator', 'g', 900_000)].map(({ svid }) => svid);
  assert.equal(first?.id, second?.id);
  assert.notEqual(first?.serial, second?.serial);
  assert.notEqual(first?.id, other?.id);
  const run = parseWorkload(other?.id ?? workloadId(trustDomain, 'agent', 'nobody')).run ?? '';
  assert.deepEqual(
    [await issuer.endRun(run, 'test'), await issuer.endRun(run, 'test'), await issuer.endRun('none', 'test')],
    [true, false, false],
  );
  assert.equal(acts.filter((act) => act === 'run.end').length, 1);
  await store.close();
});

void test('a renewal that fails is told once and tried until it works, and not after the stop', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let fails = 0;
  let asked = 0;
  const svid = { id: workloadId(trustDomain, 'gateway', 'g'), chain: '', serial: '', notBefore: NOW, notAfter: NOW + 900_000 };
  const issue = async () => {
    asked++;
    if (fails-- > 0) throw new Error('log full');
    return { chain: String(asked), privateKey: '', bundle: '', svid };
  };
  const told: unknown[] = [];
  const rotation = createRotation({ issue, now: () => NOW, onError: (error) => told.push(error) });
  await rotation.start();
  const seen: string[] = [];
  rotation.onRotate(({ chain }) => seen.push(chain));
  fails = 2;
  for (const ms of [450_000, 1000, 1000]) {
    t.mock.timers.tick(ms);
    await turn();
  }
  assert.deepEqual([asked, told.length, seen, rotation.current().generation], [4, 1, ['4'], 2]);
  rotation.stop();
  t.mock.timers.tick(900_000);
  await turn();
  assert.equal(asked, 4);
});
