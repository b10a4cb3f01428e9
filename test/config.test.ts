import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseConfig } from '../src/server/config.ts';
import { openDataDir, writePrivate } from '../src/server/data-dir.ts';
import { openSealKey } from '../src/server/seal-key.ts';

const GOOD = `trustDomain: desk.example
segments:
  front: { links: [finance] }
  finance:
agents:
  clerk: { segment: finance, owner: ops, purpose: pays invoices, a2a: "https://127.0.0.1:7001/a2a" }
resources:
  inbox: { segment: front, mcp: { stdio: [server, ./inbox] }, reads: [read_text_file] }
  ledger:
    segment: finance
    mcp:
      url: https://127.0.0.1:7101/mcp
      credential: { secret: { env: LEDGER_KEY } }
    tags: { "Acme": "DE00" }
`;

void test('a configuration is read with its defaults', () => {
  const config = parseConfig(GOOD, 'cordon.yaml');
  assert.equal(config.svidTtl, 900_000);
  assert.deepEqual(config.listen.gateway, { host: '127.0.0.1', port: 8443 });
  assert.deepEqual(config.segments, [
    { name: 'front', links: ['finance'] },
    { name: 'finance', links: [] },
  ]);
  assert.equal(config.resources[0]?.upstream.kind, 'stdio');
});

const BAD: readonly (readonly [why: string, from: string, to: string, expected: RegExp])[] = [
  [
    'an unknown member',
    'reads: [read_text_file]',
    'read: [read_text_file]',
    /cordon\.yaml:8:\d+: `resources\.inbox\.read`: unknown member `read`/,
  ],
  ['a segment that is not there', 'links: [finance]', 'links: [fiance]', /cordon\.yaml:3:\d+: .*no segment is called `fiance`/],
  ['a member of the wrong type', 'links: [finance]', 'links: finance', /cordon\.yaml:3:\d+: `segments\.front\.links`/],
  ['a duplicate key', 'finance:\n', 'finance:\n  front:\n', /cordon\.yaml:[45]:\d+: .*unique/],
  ['plain http', 'https://127.0.0.1:7101', 'http://127.0.0.1:7101', /cordon\.yaml:12:\d+: .*allowPlaintextLoopback/],
  [
    'plain http off this machine',
    'url: https://127.0.0.1:7101/mcp',
    'url: http://10.0.0.1:7101/mcp\n      allowPlaintextLoopback: true',
    /plain http/,
  ],
  ['a time that a timer cannot hold', 'segments:', 'svid: { ttl: 9999h }\nsegments:', /cordon\.yaml:2:\d+: `svid\.ttl`: from 10s to 24h/],
  ['a time that never rests', 'segments:', 'maxStaleness: 0s\nsegments:', /cordon\.yaml:2:\d+: `maxStaleness`: from 1s to 1h/],
  ['a bad trust domain', 'desk.example', 'Desk Example', /cordon\.yaml:1:\d+: `trustDomain`/],
  [
    'a misspelt member that makes another one missing',
    'clerk: { segment:',
    'clerk: { segmnt:',
    /cordon\.yaml:6:\d+: `agents\.clerk\.segmnt`: unknown member `segmnt`/,
  ],
  ['a missing member', 'owner: ops, ', '', /cordon\.yaml:6:\d+: `agents\.clerk\.owner`/],
  ['no YAML', 'segments:', 'segments: [', /cordon\.yaml:\d+:\d+: /],
  ['an alias bomb', 'trustDomain: desk.example', 'trustDomain: &a desk.example\npolicies: *a', /./],
];

for (const [why, from, to, expected] of BAD) {
  void test(`${why} is refused with its line`, () => {
    assert.throws(
      () => parseConfig(GOOD.replace(from, to), 'cordon.yaml'),
      (error: { code: string; message: string }) => error.code === 'CORDON-9006' && expected.test(error.message),
    );
  });
}

void test('two processes that start at once in one data directory have one seal key', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'cordon-data-'));
  t.after(() => rm(root, { recursive: true }));
  const keys = await Promise.all(Array.from({ length: 8 }, async () => openSealKey(await openDataDir(root))));
  assert.equal(new Set(keys.map((key) => Buffer.from(key).toString('hex'))).size, 1);
  await writePrivate(join(root, 'operator', 'x.json'), 'a');
  await writePrivate(join(root, 'operator', 'x.json'), 'b');
  assert.deepEqual([await readdir(root), await readdir(join(root, 'operator'))], [['operator', 'seal.key'], ['x.json']]);
  assert.equal((await stat(join(root, 'seal.key'))).mode & 0o777, 0o600);
});
