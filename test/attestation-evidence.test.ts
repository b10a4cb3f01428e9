// The attestors behind the port, without listeners: what the kernel says of a process, and SVIDs of other domains. Real keys, real store.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { beforeEach, describe, test } from 'node:test';
import { openPostures } from '../src/control/attest/posture.ts';
import { openRegistry } from '../src/control/attest/registry.ts';
import { createAttestation, type Attestation, type UnixEvidence } from '../src/control/attestation.ts';
import type { Config } from '../src/control/config.ts';
import { createIssuerKeys } from '../src/control/oidc-keys.ts';
import type { RefusedRequest } from '../src/control/refusals.ts';
import { readJwk } from '../src/crypto/jwk.ts';
import { generateJwsKey } from '../src/crypto/jws.ts';
import { createRequest, generateKeyPem } from '../src/crypto/x509.ts';
import type { LogRecord } from '../src/domain/access.ts';
import { Refusal } from '../src/domain/refusal.ts';
import { parseSpiffeId, parseTrustDomain, workloadId } from '../src/domain/spiffe-id.ts';
import { entrySelectors, type Registered } from '../src/identity/registration.ts';
import { parseSelector } from '../src/identity/selectors.ts';
import { openSqliteStore } from '../src/store/sqlite.ts';

const NOW = Date.UTC(2026, 0, 1);
const [BINARY, OTHER] = ['ab'.repeat(32), 'cd'.repeat(32)];
const domain = parseTrustDomain('desk.example');
const AUDIENCE = 'https://127.0.0.1:8445';

const entry = (name: string, composition: object, ...selectors: readonly string[]) => ({
  id: `cfg_${name}`,
  kind: 'agent' as const,
  name,
  selectors: entrySelectors(selectors.map(parseSelector)),
  owner: 'ops',
  purpose: 'test',
  composition,
  source: 'config' as const,
  createdBy: 'cordon.yaml',
});

const agent = (name: string) => ({ name, segment: 'desk', owner: 'ops', purpose: 'test' });
const CONFIG = {
  segments: [{ name: 'desk', links: [] }],
  agents: ['clerk', 'reader', 'guest'].map(agent),
  resources: [],
  attestation: {
    issuers: [],
    entries: [
      entry('clerk', { binary: BINARY }, 'unix:uid:1000', 'unix:path:/srv/clerk'),
      entry('reader', {}, 'unix:uid:1000', `unix:sha256:${BINARY}`),
      entry('guest', {}, 'spiffe:id:spiffe://partner.example/agent/guest'),
    ],
  },
} as unknown as Config;

const foreign = generateJwsKey('partner-leaf').signer;
const FOREIGN_ID = parseSpiffeId('spiffe://partner.example/agent/guest');

interface Fixture {
  readonly attestation: Attestation;
  readonly refused: RefusedRequest[];
  readonly records: LogRecord[];
  readonly started: Registered[];
}

async function open(): Promise<Fixture> {
  const store = await openSqliteStore(':memory:');
  const [refused, records, started]: [RefusedRequest[], LogRecord[], Registered[]] = [[], [], []];
  const log = { append: (record: LogRecord) => (records.push(record), { log: '', seq: 0, leafHash: '' }) };
  const publisher = { setAgents: () => undefined, publish: () => undefined };
  const now = (): number => NOW;
  const registry = await openRegistry({ config: CONFIG, store, publisher, log, now, onNotice: () => undefined });
  const postures = await openPostures({ store, log, now, entry: (id) => registry.entries().get(id) });
  const issuer = {
    async startRun(kind: 'agent', name: string) {
      started.push({ kind, name });
      const run = { id: `R${started.length}`, kind, name, createdAt: NOW };
      await store.addRun(run);
      return { run, token: 't' };
    },
    join: async () => ({ id: workloadId(domain, 'agent', 'x', 'R1'), chain: '', serial: '', notBefore: NOW, notAfter: NOW + 1000 }),
    endRun: async () => true,
  } as unknown as Parameters<typeof createAttestation>[0]['issuer'];
  const attestation = createAttestation({
    registry,
    postures,
    issuer,
    tokens: store,
    log,
    now,
    issuers: [],
    keys: createIssuerKeys({ now }),
    audience: AUDIENCE,
    verifySvid(chain) {
      if (chain === 'partner') return { id: FOREIGN_ID, key: readJwk(foreign.jwk) };
      throw new Refusal('CORDON-1004', 'the SVID is of no trust domain that is federated with');
    },
    refused: (request) => refused.push(request),
  });
  return { attestation, refused, records, started };
}

let fixture: Fixture;
beforeEach(async () => {
  fixture = await open();
});

const process = (more: Partial<UnixEvidence> = {}): UnixEvidence => ({
  kind: 'unix',
  pid: 7,
  uid: 1000,
  gid: 1000,
  path: '/srv/clerk',
  sha256: BINARY,
  ...more,
});
const names = async (evidence: UnixEvidence, wanted?: Registered): Promise<readonly string[]> =>
  (await fixture.attestation.attest(evidence, wanted)).map(({ name }) => name);

describe('a process behind a socket', () => {
  test('is each agent whose entry its facts fit', async () => {
    assert.deepEqual([...(await names(process()))].toSorted(), ['clerk', 'reader']);
    assert.deepEqual(await names(process({ path: '/srv/clerk2' })), ['reader']);
    assert.deepEqual(await names(process(), { kind: 'agent', name: 'reader' }), ['reader']);
  });

  const REFUSED: readonly (readonly [what: string, evidence: UnixEvidence, code: string])[] = [
    ['of another user', process({ uid: 1001 }), 'CORDON-1012'],
    ['of a user whose number begins alike', process({ uid: 10000 }), 'CORDON-1012'],
    ['of a user that has no number here', process({ uid: 2 ** 32 - 1 }), 'CORDON-1005'],
    ['of no user', process({ uid: -1 }), 'CORDON-1005'],
    ['that is not known', process({ pid: 0 }), 'CORDON-1005'],
    ['of another executable in another place', process({ path: '/tmp/evil', sha256: OTHER }), 'CORDON-1012'],
    ['whose executable was exchanged', process({ sha256: OTHER }), 'CORDON-1015'],
    ['whose group has the number of the user', process({ uid: 5, gid: 1000 }), 'CORDON-1012'],
  ];
  for (const [what, evidence, code] of REFUSED) {
    test(`one ${what} is nobody, and that is on record`, async () => {
      await assert.rejects(names(evidence), { code });
      assert.deepEqual(
        fixture.refused.map(({ refusal, action }) => [refusal.code, action]),
        [[code, 'attest/unix']],
      );
      assert.deepEqual(fixture.started, []);
    });
  }

  test('is not the agent of another entry, however it asks', async () => {
    await assert.rejects(names(process(), { kind: 'agent', name: 'guest' }), { code: 'CORDON-1012' });
    await assert.rejects(names(process(), { kind: 'resource', name: 'clerk' }), { code: 'CORDON-1012' });
  });

  test('gets a run that is on record with what was seen, and none after its entry is gone', async () => {
    const [entitlement] = await fixture.attestation.attest(process(), { kind: 'agent', name: 'clerk' });
    assert.ok(entitlement);
    const request = await createRequest(await generateKeyPem());
    const { run } = await fixture.attestation.admit(entitlement, request);
    const posture = fixture.attestation.postures.of(run);
    assert.deepEqual([posture?.attestor, posture?.entryId, posture?.composition], ['unix', 'cfg_clerk', { binary: BINARY }]);
    const act = fixture.records.find((record) => 'act' in record && record.act === 'run.attest');
    assert.deepEqual(act !== undefined && 'detail' in act && act.detail['entry'], 'cfg_clerk');
    const gone = { ...entry('clerk', {}, 'unix:uid:1000'), id: 'cfg_gone' };
    await assert.rejects(fixture.attestation.admit({ ...entitlement, entry: gone }, request), { code: 'CORDON-1012' });
    await assert.rejects(fixture.attestation.admit(entitlement, new Uint8Array([1, 2, 3])), { code: 'CORDON-1013' });
    assert.equal(fixture.started.length, 1);
  });

  test('fills the store no faster than an entry may', async () => {
    const [entitlement] = await fixture.attestation.attest(process(), { kind: 'agent', name: 'clerk' });
    assert.ok(entitlement);
    const request = await createRequest(await generateKeyPem());
    for (let run = 0; run < 200; run++) await fixture.attestation.admit(entitlement, request);
    await assert.rejects(fixture.attestation.admit(entitlement, request), { code: 'CORDON-4003' });
  });
});

describe('an SVID of another domain', () => {
  const csr = new Uint8Array([48, 1, 2, 3]);
  const digest = createHash('sha256').update(csr).digest('hex');
  const CLAIMS = { aud: AUDIENCE, csr: digest, iat: NOW / 1000 };
  const TYPE = 'cordon-attest+jwt';
  const show = (proof: string, chain = 'partner'): ReturnType<Attestation['attest']> =>
    fixture.attestation.attest({ kind: 'svid', chain, proof, request: csr });

  test('whose key signed for this request is the agent whose entry names it', async () => {
    assert.deepEqual(
      (await show(foreign.sign(CLAIMS, TYPE))).map(({ name }) => name),
      ['guest'],
    );
  });

  const stranger = generateJwsKey('partner-leaf').signer;
  const REFUSED: readonly (readonly [what: string, code: string, proof: string, chain?: string])[] = [
    ['of a domain that nobody federates with', 'CORDON-1004', foreign.sign(CLAIMS, TYPE), 'stranger'],
    ['with the proof of another key', 'CORDON-1013', stranger.sign(CLAIMS, TYPE)],
    ['with a proof for another Cordon', 'CORDON-1013', foreign.sign({ ...CLAIMS, aud: 'https://127.0.0.1:9999' }, TYPE)],
    ['with a proof for another request', 'CORDON-1013', foreign.sign({ ...CLAIMS, csr: BINARY }, TYPE)],
    ['with a proof of yesterday', 'CORDON-1013', foreign.sign({ ...CLAIMS, iat: NOW / 1000 - 86_400 }, TYPE)],
    ['with a proof of tomorrow', 'CORDON-1013', foreign.sign({ ...CLAIMS, iat: NOW / 1000 + 86_400 }, TYPE)],
    ['with a proof without a time', 'CORDON-1013', foreign.sign({ aud: AUDIENCE, csr: digest }, TYPE)],
    ['with a token that its key signed for something else', 'CORDON-1013', foreign.sign(CLAIMS, 'jwt')],
    ['with no token', 'CORDON-1013', 'x'],
  ];
  for (const [what, code, proof, chain] of REFUSED) {
    test(`${what} is nobody`, () => assert.rejects(show(proof, chain), { code }));
  }
});
