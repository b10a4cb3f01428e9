// What is taken from the bundle endpoint of another trust domain, and for how long it is believed: real TLS, a clock of the test's own.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import 'reflect-metadata';
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import { openFederation, type Federation } from '../src/control/federation/federation.ts';
import type { FederatedDomainConfig } from '../src/control/config.ts';
import { derOf, pem } from '../src/crypto/der.ts';
import { randomKey } from '../src/crypto/random.ts';
import { sealer } from '../src/crypto/seal.ts';
import { generateKeyPem, signAuthority } from '../src/crypto/x509.ts';
import { imitates } from '../src/crypto/x509-bound.ts';
import { writeJson } from '../src/domain/json.ts';
import { Refusal } from '../src/domain/refusal.ts';
import { parseSpiffeId, parseTrustDomain } from '../src/domain/spiffe-id.ts';
import { trustAnchors } from '../src/gateway/trust-anchors.ts';
import type { Federated } from '../src/pdp/snapshot.ts';
import { parseConfig } from '../src/server/config.ts';
import type { Store } from '../src/store/ports.ts';
import { openSqliteStore } from '../src/store/sqlite.ts';
import { openOtherDomain, type OtherDomain } from './support/other-domain.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const box = sealer(randomKey());

let dir: string;
let store: Store;
let other: OtherDomain;
let clock: number;
let believed: Federated | undefined;
let acts: { act: string; target: string }[];

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cordon-federation-'));
});
after(async () => {
  await rm(dir, { recursive: true });
});
beforeEach(async () => {
  other = await openOtherDomain('vendor.example');
  store = await openSqliteStore(':memory:');
  clock = Date.now();
  believed = undefined;
  acts = [];
  await writeFile(join(dir, 'first.json'), writeJson(other.document(1)));
  other.publish(other.document(1));
});
afterEach(async () => {
  await store.close();
  await other.close();
});

const configOf = (more: Partial<FederatedDomainConfig> = {}): FederatedDomainConfig => ({
  trustDomain: other.trustDomain,
  url: new URL(other.url),
  endpointId: parseSpiffeId(other.endpointId),
  bundle: join(dir, 'first.json'),
  maxAge: DAY,
  ...more,
});

const open = (...domains: readonly FederatedDomainConfig[]): Promise<Federation> =>
  openFederation({
    config: { domains, agents: new Map() },
    store,
    sealer: box,
    log: {
      append(record): { log: string; seq: number; leafHash: string } {
        if (record.schema === 'cordon.act/v1') acts.push(record);
        return { log: 'test', seq: acts.length, leafHash: '' };
      },
    },
    now: () => clock,
    onChange: (now) => (believed = now),
    onNotice: () => undefined,
  });

const rootsNow = (): readonly string[] => believed?.domains.get(other.trustDomain)?.roots ?? [];
const code = (expected: string, message?: RegExp) => (error: unknown) =>
  error instanceof Refusal && error.code === expected && (message?.test(`${error.message} ${error.observed ?? ''}`) ?? true);
const refused = (federation: Federation, expected: string, message?: RegExp): Promise<void> =>
  assert.rejects(federation.refresh(other.trustDomain, 'test'), code(expected, message));

describe('what is fetched', () => {
  void test('[SPIFFE-Federation] a new root is followed at the pace of the hint, and each change is on record', async () => {
    const federation = await open(configOf());
    await federation.tend();
    assert.deepEqual([rootsNow().length, federation.domains()[0]?.next_at], [1, clock + 300_000]);
    const old = await other.rotate();
    other.publish(other.document(2, [old, other.root()]));
    clock += 299_000;
    await federation.tend();
    assert.equal(rootsNow().length, 1);
    clock += 2_000;
    await federation.tend();
    assert.equal(rootsNow().length, 2);
    assert.deepEqual(
      acts.map(({ act, target }) => [act, target]),
      [
        ['federation.bundle', 'vendor.example'],
        ['federation.bundle', 'vendor.example'],
      ],
    );
  });

  void test('[SPIFFE-Federation] the hint is held between a minute and a day', async () => {
    const federation = await open(configOf());
    for (const [hint, wait] of [
      [0, 60_000],
      [10 * 86_400, DAY],
    ] as const) {
      other.publish({ ...other.document(1), spiffe_refresh_hint: hint });
      await federation.refresh(other.trustDomain, 'test');
      assert.equal(federation.domains()[0]?.next_at, clock + wait);
    }
  });

  void test('[SPIFFE-Federation] a redirect, too many bytes, an error, no JSON and a duplicate member change nothing', async () => {
    const federation = await open(configOf());
    const known = rootsNow();
    const good = writeJson(other.document(9, []));
    for (const [published, message] of [
      [{ status: 302, headers: { location: other.url }, body: '' }, /status 302/],
      [{ body: `${good}${' '.repeat(1_048_577)}` }, /more than 1048576 bytes/],
      [{ status: 500, body: good }, /status 500/],
      [{ body: '<html>' }, /./],
      [{ body: good.replace('{', '{"keys":[],') }, /./],
      [{ body: '[]' }, /no JSON object/],
    ] as const) {
      other.publish(published);
      await refused(federation, 'CORDON-9010', message);
      assert.deepEqual(rootsNow(), known);
    }
    assert.equal(federation.domains()[0]?.error?.code, 'CORDON-9010');
    assert.equal(federation.domains()[0]?.next_at, clock + 60_000);
  });

  void test('[SPIFFE-Federation] a sequence never goes back, not even by leaving it out, and 64 bits are exact', async () => {
    const federation = await open(configOf());
    const most = 2n ** 64n - 1n;
    other.publish({ ...other.document(0), spiffe_sequence: most });
    assert.equal((await federation.refresh(other.trustDomain, 'test')).sequence, String(most));
    const { spiffe_sequence: _sequence, ...uncounted } = other.document(0, []);
    for (const older of [{ ...uncounted, spiffe_sequence: most - 1n }, other.document(3, []), uncounted]) {
      other.publish(older);
      await refused(federation, 'CORDON-1006', /older/);
    }
    for (const wrong of [most + 1n, -1, 1.5, '7']) {
      other.publish({ ...uncounted, spiffe_sequence: wrong });
      await refused(federation, 'CORDON-1006', /64 bits/);
    }
    assert.equal(rootsNow().length, 1);
  });

  void test('[SPIFFE-Federation] what is malformed is refused, what is unknown passed over; the name is that of the configuration', async () => {
    const federation = await open(configOf());
    const [key = {}] = other.document(1)['keys'] as { x5c: string[] }[];
    for (const bad of [
      { ...key, x5c: [] },
      { ...key, x5c: [...(key as { x5c: string[] }).x5c, 'AA=='] },
      { ...key, use: 'jwt-svid' },
    ]) {
      other.publish({ keys: [bad], spiffe_sequence: 2 });
      await refused(federation, 'CORDON-1006');
    }
    other.publish({
      keys: [key, { kty: 'new' }, { ...key, use: 'other' }],
      spiffe_sequence: 2,
      trust_domain: 'test.example',
    });
    await federation.refresh(other.trustDomain, 'test');
    assert.deepEqual([...(believed?.domains.keys() ?? [])], ['vendor.example']);
    assert.equal(rootsNow().length, 1);
    other.publish({ keys: [], spiffe_sequence: 3 });
    await federation.refresh(other.trustDomain, 'test');
    assert.equal(rootsNow().length, 0); // nobody of it is believed any more
  });

  void test('[SPIFFE-Federation] an endpoint of another name, and one of another authority, are not listened to', async () => {
    const named = await open(configOf({ endpointId: parseSpiffeId('spiffe://vendor.example/spire/server') }));
    await refused(named, 'CORDON-9010', /another workload/);
    const stranger = await openOtherDomain('vendor.example');
    stranger.publish(stranger.document(5));
    const elsewhere = await open(configOf({ url: new URL(stranger.url) }));
    await refused(elsewhere, 'CORDON-9010', /certificate/);
    assert.deepEqual(stranger.asked, []);
    await stranger.close();
  });
});

describe('how long it is believed', () => {
  void test('[SPIFFE-Federation] [I1] a bundle that is too old is believed no more, and again once it is refreshed', async () => {
    const maxAge = HOUR / 6;
    const federation = await open(configOf({ maxAge }));
    await federation.tend();
    const { cert } = await other.svid('spiffe://vendor.example/agent/clerk');
    other.publish({ status: 503, body: '' });
    clock += maxAge - 1;
    await federation.tend();
    assert.equal(federation.verifySvid(cert).id, 'spiffe://vendor.example/agent/clerk');
    clock += 1;
    assert.throws(() => federation.verifySvid(cert), code('CORDON-1007')); // whether anybody looked or not
    await federation.tend();
    assert.deepEqual([federation.domains()[0]?.state, believed?.domains.size, federation.bundles().size], ['stale', 0, 0]);
    other.publish(other.document(1));
    await federation.refresh(other.trustDomain, 'test');
    assert.equal(federation.verifySvid(cert).id, 'spiffe://vendor.example/agent/clerk');
  });

  void test('[SPIFFE-Federation] a restart goes on with the bundle that was kept, and with its age', async () => {
    const first = await open(configOf());
    const old = await other.rotate();
    other.publish(other.document(2, [old, other.root()]));
    await first.refresh(other.trustDomain, 'test');
    other.publish({ status: 503, body: '' });
    clock += DAY - 1;
    const second = await open(configOf());
    assert.equal(rootsNow().length, 2);
    assert.equal(second.domains()[0]?.sequence, '2');
    clock += 1;
    await second.tend();
    assert.equal(second.domains()[0]?.state, 'stale');
  });

  void test('[SPIFFE-Federation] a row that was tampered with stops the start; a domain that is taken out is forgotten', async () => {
    await open(configOf());
    const [row] = await store.federatedBundles();
    assert.ok(row);
    await open();
    assert.deepEqual(await store.federatedBundles(), []);
    await store.putFederatedBundle({
      ...row,
      sealed: Uint8Array.from(row.sealed, (byte, at) => (at === row.sealed.length - 1 ? byte ^ 1 : byte)),
    });
    await assert.rejects(open(configOf()), Refusal);
  });
});

describe('an SVID of another domain', () => {
  void test('[SPIFFE-Federation] [SPIFFE-X509-SVID] is verified with the bundle of its own domain and no other', async () => {
    const third = await openOtherDomain('third.example');
    await writeFile(join(dir, 'third.json'), writeJson(third.document(1)));
    const federation = await open(
      configOf(),
      configOf({
        trustDomain: third.trustDomain,
        url: new URL(third.url),
        endpointId: parseSpiffeId(third.endpointId),
        bundle: join(dir, 'third.json'),
      }),
    );
    const own = await third.svid('spiffe://third.example/agent/clerk');
    assert.equal(federation.verifySvid(own.cert).id, 'spiffe://third.example/agent/clerk');
    for (const uri of ['spiffe://vendor.example/agent/clerk', 'spiffe://test.example/agent/caller', 'spiffe://fourth.example/x']) {
      assert.throws(() => federation.verifySvid(''), code('CORDON-1006'));
      const { cert } = await third.svid(uri);
      assert.throws(() => federation.verifySvid(cert), code('CORDON-1004'), uri);
    }
    const [leaf = ''] = own.cert.split(/(?<=-----END CERTIFICATE-----\n)/);
    assert.throws(() => federation.verifySvid(leaf), code('CORDON-1004')); // its intermediate is missing
    assert.throws(() => federation.verifySvid(third.root().certificate), code('CORDON-1006'));
    await third.close();
  });
});

describe('an endpoint of the Web PKI', () => {
  void test('[SPIFFE-Federation] is known by its name and an authority, not by an SVID', async () => {
    const tls = await selfSigned();
    const web = await openOtherDomain('vendor.example', { tls });
    await writeFile(join(dir, 'web.pem'), tls.cert);
    web.publish(web.document(1));
    const { endpointId: _endpointId, bundle: _bundle, ...config } = configOf({ url: new URL(web.url), ca: join(dir, 'web.pem') });
    assert.equal((await (await open(config)).refresh('vendor.example', 'test')).state, 'trusted');
    assert.equal(rootsNow().length, 1);
    const { ca: _ca, ...public_ } = config;
    await refused(await open(public_), 'CORDON-9010', /self-signed/);
    await refused(await open({ ...config, url: new URL(web.url.replace('localhost', '127.0.0.1')) }), 'CORDON-9010', /127\.0\.0\.1/);
    await refused(await open(configOf({ url: new URL(web.url) })), 'CORDON-9010', /self-signed/);
    await web.close();
  });
});

describe('cordon.yaml', () => {
  const yaml = (section: string, id = 'spiffe://vendor.example/agent/x'): string =>
    `trustDomain: test.example\nsegments: { desk: }\nagents: { x: { segment: desk, owner: o, purpose: p, spiffeId: "${id}" } }\nresources: {}\nfederation: { ${section} }\n`;
  const web = 'vendor.example: { url: "https://vendor.example/bundle", profile: https_web }';

  void test('[SPIFFE-Federation] names domains, who answers for them, and the agents that come from there', () => {
    const { domains, agents } = parseConfig(yaml(web), '/etc/cordon.yaml').federation;
    assert.deepEqual(
      [domains.map(({ trustDomain, maxAge }) => [trustDomain, maxAge]), [...agents]],
      [[['vendor.example', DAY]], [['spiffe://vendor.example/agent/x', 'x']]],
    );
    for (const [text, message] of [
      [yaml(web.replace('vendor.example:', 'test.example:')), /trust domain of this Cordon/],
      [yaml(web.replace('https_web', 'https_spiffe')), /endpointId/],
      [yaml(web.replace('https_web', 'https_spiffe, endpointId: "spiffe://vendor.example/s"')), /bundle/],
      [yaml(web.replace('https_web', 'https_spiffe, bundle: b, endpointId: "spiffe://other.example/s"')), /no domain/],
      [yaml(web.replace('https:', 'http:')), /url/],
      [yaml(web.replace('vendor.example:', '.example:')), /starts with/],
      [yaml(web, 'spiffe://other.example/x'), /does not stand under/],
      [yaml(web, 'spiffe://vendor.example'), /path/],
    ] as const) {
      assert.throws(() => parseConfig(text, '/etc/cordon.yaml'), message, text);
    }
  });
});

describe('trust anchors', () => {
  void test('[SPIFFE-Federation] [I5] are bound to their own domain; a copy of the name of an own root is left out', async () => {
    const domain = (roots: readonly string[]): Federated => ({
      domains: new Map([[other.trustDomain, { roots, until: Infinity }]]),
      agents: new Map(),
    });
    const [own, foreign] = [other.root().certificate, (await other.rotate(), other.root().certificate)];
    const mine = parseTrustDomain('test.example');
    assert.deepEqual(trustAnchors(own, mine, { domains: new Map(), agents: new Map() }), [own]);
    const anchors = trustAnchors(own, mine, domain([foreign]));
    assert.equal(anchors.length, 2);
    const names = anchors.map((anchor) => Buffer.from(derOf(anchor)).toString('latin1'));
    assert.match(names[0] ?? '', /\x86\x0ctest\.example/);
    assert.match(names[1] ?? '', /\x86\x0evendor\.example/);
    const key = await generateKeyPem();
    const template = { uri: 'spiffe://vendor.example', subject: new X509Certificate(own).subject.split('\n').join(', '), serial: '01' };
    const lives = { notBefore: new Date(0), notAfter: new Date(4e12) };
    const fake = await signAuthority({ ...template, ...lives, publicKey: key.publicKey, issuerKey: key.privateKey });
    assert.equal(imitates(fake, own), false, 'its key has another name');
    assert.equal(imitates(own, own), false, 'it is the same');
    assert.equal(trustAnchors(own, mine, domain([own])).length, 1, 'a root of two domains is one anchor');
  });
});

async function selfSigned(): Promise<{ readonly cert: string; readonly key: string }> {
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const made = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=localhost',
    keys,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + HOUR),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }])],
  });
  const key = pem('PRIVATE KEY', new Uint8Array(await crypto.subtle.exportKey('pkcs8', keys.privateKey)));
  return { cert: `${made.toString('pem')}\n`, key };
}
