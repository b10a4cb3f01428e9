// The registry over a real store: what cordon.yaml says and what was added over the API, at a start, at once, and when they disagree.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openRegistry, type Registry, type RegisterOrder } from '../src/control/attest/registry.ts';
import type { Config } from '../src/control/config.ts';
import type { Agent } from '../src/domain/registry.ts';
import { parseSelector } from '../src/identity/selectors.ts';
import { parseConfig } from '../src/server/config.ts';
import type { Store } from '../src/store/ports.ts';
import { openSqliteStore } from '../src/store/sqlite.ts';

const OPERATOR = 'spiffe://desk.example/operator/local/run/R1';
const DIGEST = 'ab'.repeat(32);

const config = (agents = '', more = ''): Config =>
  parseConfig(
    `trustDomain: desk.example\nsegments:\n  desk:\n  vault:\nagents:\n  clerk: { segment: desk, owner: ops, purpose: pays }\n${agents}${more}`,
    'cordon.yaml',
  );

interface Opened {
  readonly registry: Registry;
  readonly notices: string[];
  readonly world: () => readonly Agent[];
  readonly acts: string[];
}

async function open(store: Store, from: Config): Promise<Opened> {
  const [notices, acts]: [string[], string[]] = [[], []];
  let world: readonly Agent[] = [];
  const registry = await openRegistry({
    config: from,
    store,
    publisher: { setAgents: (agents) => void (world = agents), publish: () => undefined },
    log: { append: (record) => (acts.push('act' in record ? `${record.act} ${record.target}` : ''), { log: '', seq: 0, leafHash: '' }) },
    now: () => 1000,
    onNotice: (line) => notices.push(line),
  });
  return { registry, notices, acts, world: () => world };
}

const order = (name: string, more: Partial<RegisterOrder> = {}): RegisterOrder => ({
  kind: 'agent',
  name,
  selectors: [],
  composition: {},
  actor: OPERATOR,
  ...more,
});
const fresh = { segment: 'desk', owner: 'ops', purpose: 'reads' };
const one = [parseSelector('unix:uid:1000')];

void test('[I3] an agent and its entry are logged, kept, then in force', async () => {
  const store = await openSqliteStore(':memory:');
  const { registry, acts, world } = await open(store, config());
  await registry.register(order('reader', { ...fresh, selectors: one }));
  assert.deepEqual(acts, ['agent.register reader', 'entry.register agent/reader']);
  assert.deepEqual(
    world().map(({ name }) => name),
    ['clerk', 'reader'],
  );
  assert.deepEqual(
    registry
      .entries()
      .match(one)
      .map(({ name, owner }) => [name, owner]),
    [['reader', 'ops']],
  );
  const again = await registry.register(order('reader', { selectors: one }));
  assert.deepEqual(again.added, { agent: false, entry: false });
  assert.equal(acts.length, 2);
  await store.close();
});

void test('what cannot be recorded is not registered', async () => {
  const store = await openSqliteStore(':memory:');
  const registry = await openRegistry({
    config: config(),
    store,
    publisher: { setAgents: () => undefined, publish: () => undefined },
    log: {
      append(): never {
        throw new Error('log full');
      },
    },
    now: () => 1000,
    onNotice: () => undefined,
  });
  await assert.rejects(registry.register(order('reader', { ...fresh, selectors: one })));
  assert.equal(registry.isRegistered({ kind: 'agent', name: 'reader' }), false);
  assert.deepEqual(await store.registeredAgents(), []);
  assert.deepEqual(registry.entries().match(one), []);
  await store.close();
});

void test('two orders for one entry at once make one', async () => {
  const store = await openSqliteStore(':memory:');
  const { registry } = await open(store, config());
  const both = await Promise.all([
    registry.register(order('clerk', { selectors: one })),
    registry.register(order('clerk', { selectors: one })),
  ]);
  assert.deepEqual(
    both.map(({ added }) => added.entry),
    [true, false],
  );
  assert.equal((await store.entries()).length, 1);
  await store.close();
});

void test('when the file comes to say something else, it wins and says so', async () => {
  const store = await openSqliteStore(':memory:');
  const before = await open(store, config());
  await before.registry.register(order('reader', { ...fresh, segment: 'vault', selectors: one, composition: { prompt: DIGEST } }));
  await before.registry.register(order('writer', { ...fresh, segment: 'vault' }));

  const restarted = await open(store, config());
  assert.deepEqual([restarted.notices, restarted.world().map(({ name }) => name)], [[], ['clerk', 'reader', 'writer']]);

  const taken = await open(store, config('  reader: { segment: desk, owner: file, purpose: reads, attest: [{ unix: { uid: 1000 } }] }\n'));
  assert.match(
    taken.notices.join('\n'),
    /agent `reader` that was registered over the API is left out: it stands in cordon\.yaml, which wins/,
  );
  assert.match(taken.notices.join('\n'), /entry ent_\w+ of `reader` is left out: one with the same selectors stands in cordon\.yaml/);
  const [entry] = taken.registry.entries().match(one);
  assert.deepEqual([entry?.source, entry?.owner, entry?.composition], ['config', 'file', {}]);
  assert.equal(taken.world().find(({ name }) => name === 'reader')?.segment, 'desk');

  const gone = await open(store, parseConfig('trustDomain: desk.example\nsegments:\n  desk:\n', 'cordon.yaml'));
  assert.match(gone.notices.join('\n'), /agent `writer` .* no segment is called `vault`/);
  assert.deepEqual(gone.world(), []);
  assert.deepEqual(gone.registry.entries().match(one), [], 'an entry of an agent that is not there lets nobody in');
  await store.close();
});

void test('an agent that is deleted takes its entries along, and another of that name does not get them back', async () => {
  const store = await openSqliteStore(':memory:');
  const { registry } = await open(store, config());
  await registry.register(order('reader', { ...fresh, selectors: one }));
  await registry.remove('reader', OPERATOR, 'test');
  await registry.register(order('reader', fresh));
  assert.deepEqual(registry.entries().match(one), []);
  assert.deepEqual((await open(store, config())).registry.entries().match(one), []);
  await store.close();
});

const BAD: readonly (readonly [why: string, yaml: string, message: RegExp])[] = [
  ['an unknown attestor', 'attest: [{ magic: { uid: 1 } }]', /agents\.reader\.attest\.0\.magic`: unknown member/],
  ['no attestor', 'attest: [{ ttl: 5m }]', /from 1 to 128 selectors/],
  ['two attestors', 'attest: [{ unix: { uid: 1 }, launcher: { uid: 1 } }]', /one attestor/],
  ['a uid that is text', 'attest: [{ unix: { uid: root } }]', /uid/],
  ['an issuer that is not named', 'attest: [{ oidc: { issuer: "https://a.example", sub: x } }]', /no issuer of `attestation\.issuers`/],
  ['a short digest', 'attest: [{ unix: { uid: 1, sha256: abc } }]', /64 hex digits/],
  ['a path with dots', 'attest: [{ unix: { uid: 1, path: /srv/../etc } }]', /no selector/],
  ['a SPIFFE ID that is none', 'attest: [{ spiffe: { id: "spiffe://A/b" } }]', /no selector/],
  ['a part that is none', 'attest: [{ unix: { uid: 1 }, composition: { shoe: x } }]', /unknown member `shoe`/],
];
for (const [why, member, message] of BAD) {
  void test(`${why} in cordon.yaml is refused, with its place`, () => {
    const yaml = `  reader: { segment: desk, owner: ops, purpose: reads, ${member} }\n`;
    assert.throws(
      () => config(yaml),
      (error: Error) => /^cordon\.yaml:7:\d+: /.test(error.message) && message.test(error.message),
    );
  });
}

const ISSUERS: readonly (readonly [why: string, row: string, message: RegExp])[] = [
  ['without an audience', '{ issuer: "https://a.example" }', /audience/],
  ['without TLS', '{ issuer: "http://a.example", audience: x }', /plain http/],
  ['without TLS elsewhere', '{ issuer: "http://10.0.0.1", audience: x, allowPlaintextLoopback: true }', /plain http/],
  ['with keys without TLS', '{ issuer: "https://a.example", audience: x, jwks: { url: "http://a.example/keys" } }', /plain http/],
  ['with two sources of keys', '{ issuer: "https://a.example", audience: x, jwks: { url: "https://a.example/k", file: k } }', /jwks/],
];
for (const [why, row, message] of ISSUERS) {
  void test(`an issuer ${why} is refused`, () => {
    assert.throws(() => config('', `attestation: { issuers: { a: ${row} } }\n`), message);
  });
}

void test('two issuers of one name are refused', () => {
  const row = '{ issuer: "https://a.example", audience: x }';
  assert.throws(() => config('', `attestation: { issuers: { a: ${row}, b: ${row} } }\n`), /stands above under another name/);
});
