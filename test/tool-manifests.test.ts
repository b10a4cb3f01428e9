// Manifests of tools that people reviewed: what counts, when it counts no more, and that it reaches the decision.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Resource, Tool } from '../src/domain/registry.ts';
import { definitionDigest, manifestOf } from '../src/pdp/tool-manifest.ts';
import { readBounded, readBoundedStream } from '../src/server/bounded-file.ts';
import { parseManifests } from '../src/server/manifests-file.ts';
import { type Answer, type Bed, openBed, send, type Svid, toolCall } from './support/bed.ts';
import { cordon, type Ran } from './support/cordon.ts';
import { joinRun, startRun } from './support/join.ts';

const tool = (description: string): Tool => {
  const inputSchema = { type: 'object', properties: { payee: { type: 'string' }, memo: { type: 'string' } } };
  return { name: 'pay', definition: { name: 'pay', description, inputSchema }, inputSchema };
};
const resource = (more: Partial<Resource> = {}): Resource => ({ name: 'ledger', segment: 's', reads: [], tags: {}, ...more });
const reviewed = (definition: string, memo = 'memo'): Partial<Resource> => ({
  manifests: { pay: { definition, effect: 'read', arguments: { [memo]: 'content' } } },
});

void test('a review of the pinned definition counts, argument by argument; what it leaves out is as drafted', () => {
  const pinned = tool('Pays.');
  const { manifest, draft, standing } = manifestOf(pinned, resource(reviewed(definitionDigest(pinned))));
  assert.equal(standing, 'reviewed');
  assert.deepEqual([manifest.effect, manifest.roles], ['read', { payee: 'sink', memo: 'content' }]);
  assert.deepEqual([draft.effect, draft.roles], ['write', { payee: 'sink', memo: 'sink' }]);
});

void test('[I4] a server that changes the definition is back at the draft, and so is a review of what is not there', () => {
  const digest = definitionDigest(tool('Pays.'));
  const changed = manifestOf(tool('Pays. Also reads.'), resource(reviewed(digest)));
  assert.deepEqual([changed.standing, changed.manifest], ['outdated', changed.draft]);
  const misspelt = manifestOf(tool('Pays.'), resource(reviewed(digest, 'mmo')));
  assert.deepEqual([misspelt.standing, misspelt.manifest], ['misfit', misspelt.draft]);
  assert.equal(manifestOf(tool('Pays.'), resource()).standing, 'drafted');
  // no tool of a server is taken for a member that every object has
  const inherited = { ...tool('Pays.'), name: 'constructor' };
  assert.equal(manifestOf(inherited, resource(reviewed(digest))).standing, 'drafted');
});

void test('a file that does not fit is refused with the place', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const read = (yaml: string): unknown => parseManifests(yaml, 'm.yaml');
  assert.deepEqual(read(`tools:\n  pay: { definition: "${digest}" }\n`), { pay: { definition: digest, arguments: {} } });
  for (const [yaml, message] of [
    ['tools:\n  pay: { definition: sha256:1 }\n', /m\.yaml:2:10: `tools\.pay\.definition`/],
    [`tools:\n  pay: { definition: "${digest}", arguments: { memo: free } }\n`, /one of sink, content/],
    [`tools:\n  pay: { definition: "${digest}", efect: read }\n`, /unknown member `efect`/],
    ['tools: {}\ntools: {}\n', /m\.yaml:2:1: Map keys must be unique/],
    ['a: &a {}\ntools: *a\n', /aliases are not accepted/],
    ['', /m\.yaml:1:1/],
  ] as const) {
    assert.throws(() => read(yaml), { code: 'CORDON-9006', message });
  }
});

void test('[I10] a manifests file that never ends, or never begins, is refused unread; its bytes are bounded', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'cordon-manifests-'));
  try {
    const [pipe, long] = [join(dir, 'pipe'), join(dir, 'long')];
    execFileSync('/usr/bin/mkfifo', [pipe]);
    await writeFile(long, 'é'.repeat(9));
    for (const path of [pipe, '/dev/zero', dir]) await assert.rejects(readBounded(path, 10), /not a regular file/);
    assert.equal(await readBounded(long, 17), undefined);
    assert.equal(await readBounded(long, 18), 'é'.repeat(9));
    await writeFile(long, Buffer.from([0xff]));
    await assert.rejects(readBounded(long, 10));
  } finally {
    await rm(dir, { recursive: true });
  }
});

void test('[I10] a stream that never ends is read no further than the bound', async () => {
  let given = 0;
  const endless = async function* (): AsyncGenerator<Uint8Array> {
    for (;;) {
      given += 4;
      yield await Promise.resolve(new Uint8Array(4));
    }
  };
  assert.equal(await readBoundedStream(endless(), 10), undefined);
  assert.equal(given, 12);
});

const POLICIES = `
@id("sessions") permit (principal, action in Action::"mcp/session", resource);
@id("writes") permit (principal == Agent::"caller", action == Action::"bench/write", resource);
@id("sinks-are-explained")
forbid (principal, action in Action::"tools/call", resource)
when { context has session && context.session.sinks.containsAny(context.session.unseen) };
`;

describe('over the wire', () => {
  let bed: Bed;
  before(async () => {
    bed = await openBed({ policies: POLICIES });
    await bed.ready();
  });
  after(async () => (bed as Bed | undefined)?.close());

  const write = async (svid: Svid): Promise<Answer> =>
    send({ port: bed.ports.gateway, method: 'POST', svid, ...toolCall('write', { line: 'invoice', amount: 77 }) });
  const run = async (): Promise<Svid> => joinRun(bed, await startRun(bed, 'agent', 'caller', 'Write a line that says "invoice".'));
  const classify = (...args: readonly string[]): Promise<Ran> =>
    cordon(['tools', 'classify', ...args], { cwd: bed.dir, env: { CORDON_DATA: bed.data } });

  void test('[I4] a sink that the draft misses is one from the review on, until the definition is another', async () => {
    assert.match((await write(await run())).text, /written/, 'an amount is no sink by itself');

    const written = await classify('bench', '--out', 'manifests/bench.yaml');
    assert.deepEqual([written.code, written.stderr], [0, '']);
    assert.match(written.stdout, /write +write +drafted +records +line: sink, amount: quantity/);
    assert.equal((await classify('bench', '--out', 'manifests/bench.yaml')).code, 8, 'a review is not written over');
    assert.match((await classify('bench/wrte')).stderr, /did you mean `bench\/write`/);

    const file = join(bed.dir, 'manifests/bench.yaml');
    const draft = await readFile(file, 'utf8');
    const config = join(bed.dir, 'cordon.yaml');
    await writeFile(
      config,
      (await readFile(config, 'utf8')).replace('reads: [echo, slow]', 'reads: [echo, slow]\n    manifests: manifests/bench.yaml'),
    );
    const restarted = async (yaml: string): Promise<void> => {
      await writeFile(file, yaml);
      await bed.stop();
      await bed.start();
      await bed.ready();
    };
    await restarted(draft.replace('amount: quantity', 'amount: sink'));
    assert.match((await write(await run())).text, /CORDON-3002/);
    assert.match((await classify('bench/write')).stdout, /reviewed .*amount: sink \(drafted quantity\)/);

    await restarted(draft.replace('amount: quantity', 'amount: sink').replaceAll(/sha256:\w{63}/g, `sha256:${'0'.repeat(63)}`));
    assert.match((await write(await run())).text, /written/);
    const { stdout } = await classify('bench', '--json');
    const { tools } = JSON.parse(stdout) as { tools: { name: string; standing: string }[] };
    assert.equal(tools.find(({ name }) => name === 'write')?.standing, 'outdated');
  });
});
