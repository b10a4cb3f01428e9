// The rollout of policies as operators and agents meet it: versions that change while calls go on, calls that are open when they do, and
// the commands from impact to rollback; a real `cordon up`, a real tool server, the log read as a stranger would.
import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { DecisionRecord } from '../src/domain/access.ts';
import { openBed, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';
import { cordon, type Ran } from './support/cordon.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { until } from './support/until.ts';

const STRING = { type: 'string' };
const schema = (properties: object): object => ({ type: 'object', properties, required: Object.keys(properties) });
const TOOLS = [
  { name: 'write', inputSchema: schema({ line: STRING, amount: { type: 'integer' } }) },
  { name: 'hold', inputSchema: schema({ line: STRING }) },
];
/** Policies whose names tell which set they are of. */
const set = (name: string, tools: readonly string[] = ['write', 'hold']): string =>
  tools
    .map((tool) => `@id("${name}.${tool}") permit (principal == Agent::"caller", action == Action::"bench/${tool}", resource);\n`)
    .join('');

let bed: Bed;
let caller: Svid;

before(async () => {
  bed = await openBed({ tools: false, policies: set('a') });
  await bed.spawnWorkload('resource', 'bench', 'test/support/raw-server.ts', [String(bed.ports.bench), bed.effects, JSON.stringify(TOOLS)]);
  await bed.ready();
  caller = await bed.svid('caller');
});
after(() => (bed as Bed | undefined)?.close());

const order = async (name: string, body: object = {}): Promise<Answer> => {
  const answer = await bed.control('POST', `/v1/policies/${name}`, body);
  assert.equal(answer.status, 200, answer.text);
  return answer;
};
const apply = (text: string, more: object = {}): Promise<Answer> => order('apply', { sources: [{ path: 'test.cedar', text }], ...more });
const write = (line: string): Promise<Answer> => send({ port: bed.ports.gateway, ...toolCall('write', { line, amount: 1 }), svid: caller });

const decisions = async (): Promise<readonly DecisionRecord[]> => {
  await signedAll(bed);
  return (await readLog(bed)).decisions;
};

describe('while calls go on', () => {
  void test('[U5] [I1] a decision is of one version whole: its number, its digest, its policies and its candidate', async () => {
    const { version: two } = (await apply(set('b'), { shadow: true })).json;
    await order('withdraw');
    const done = new AbortController();
    const calls = Array.from({ length: 4 }, async (_, at) => {
      let made = 0;
      for (; !done.signal.aborted; made++) assert.equal((await write(`load ${at}`)).status, 200);
      return made;
    });
    for (let swap = 0; swap < 6; swap++) {
      const [now, next] = swap % 2 === 0 ? (['a', 'b'] as const) : (['b', 'a'] as const);
      await apply(set(next), { shadow: true });
      await order('promote');
      await apply(set(now), { shadow: true });
      await order('rollback');
      await apply(set(next));
    }
    done.abort();
    const made = (await Promise.all(calls)).reduce((sum, one) => sum + one, 0);
    const names = new Map([
      [1, 'a'],
      [Number(two), 'b'],
    ]);
    const loaded = (await decisions()).filter(({ action }) => action === 'tools/call');
    const digests = new Map<number, Set<unknown>>();
    for (const { policy } of loaded) {
      assert.deepEqual(policy.determining, [`${names.get(policy.version) ?? '?'}.write`], JSON.stringify(policy));
      digests.set(policy.version, (digests.get(policy.version) ?? new Set()).add(policy.bundle_hash));
    }
    assert.equal(loaded.length, made);
    assert.deepEqual(
      [...digests.values()].map(({ size }) => size),
      [1, 1],
      'both were enforced, each under one digest',
    );
  });

  void test('[I1] [I6] an open call is decided again when a version is promoted or rolled back, and cut when it is now denied', async () => {
    await apply(set('a'));
    for (const [name, prepare] of Object.entries({
      promote: () => apply(set('c', ['write']), { shadow: true }),
      rollback: async () => {
        await apply(set('c', ['write']));
        await apply(set('a'), { acceptWidening: ['a.hold'] });
      },
    })) {
      await prepare();
      const held = assert.rejects(send({ port: bed.ports.gateway, ...toolCall('hold', { line: name }), svid: caller }));
      const holds = async (): Promise<true | undefined> => (await readFile(bed.effects, 'utf8')).includes(`holding ${name}`) || undefined;
      await until('the server holds the call', holds);
      await order(name);
      await held;
      await apply(set('a'), { acceptWidening: ['a.hold'] });
    }
    await signedAll(bed);
    const cut = (await readLog(bed)).outcomes.filter(({ status, code }) => status === 'cut' && code === 'CORDON-4008');
    assert.equal(cut.length, 2);
  });

  void test('[U4] what a candidate would deny is recorded beside what was decided, and is still done', async () => {
    await apply(set('c', ['hold']), { shadow: true });
    assert.equal((await write('in shadow')).status, 200);
    assert.match(await readFile(bed.effects, 'utf8'), /^in shadow 1$/m);
    const { verdict, mode, policy, shadow } = (await decisions()).at(-1) ?? {};
    assert.deepEqual([verdict, mode, policy?.determining], ['allow', 'enforce', ['a.write']]);
    assert.deepEqual([shadow?.verdict, shadow?.code, shadow?.policy.determining], ['deny', 'CORDON-3001', []]);
    assert.notEqual(shadow?.policy.version, policy?.version);
    await order('withdraw');
  });
});

describe('the commands', () => {
  const policy = (...args: readonly string[]): Promise<Ran> => cordon(['policy', ...args, '--data', bed.data], { cwd: bed.dir });
  const json = async (...args: readonly string[]): Promise<Record<string, unknown>> => {
    const { stdout, stderr } = await policy(...args, '--json');
    assert.equal(stderr, '');
    return JSON.parse(stdout) as Record<string, unknown>;
  };

  void test('[U5] impact, a widening that is accepted by name, shadow, status, promote, rollback and history', async () => {
    await mkdir(join(bed.dir, 'draft'));
    await apply(set('d', ['hold']));
    assert.match((await write('denied')).text, /CORDON-3001/);
    await writeFile(join(bed.dir, 'draft', 'test.cedar'), set('e'));

    const impact = await policy('impact', 'draft');
    assert.equal(impact.code, 7, impact.stderr);
    assert.match(
      impact.stdout,
      /^impact of version \d+ > \d+ on [\d,]+ decisions \(all of .*; \d+ were refused before policy was asked\)\n {2}allow > deny +0\n {2}deny {2}> allow +[\d,]+ +1 agent\n {2}unchanged +[\d,]+\n {2}not evaluable +0\n/,
    );
    assert.match(impact.stdout, /! {2}caller bench\/write +x[\d,]+ +by e\.write +dec_\w+ +widens access \(segment tools\)/);
    assert.match(impact.stdout, /fix +if it is meant: --accept-widening e\.write\n$/);
    assert.equal((await policy('impact', 'draft', '--accept-widening', 'e.write')).code, 0);

    const refused = await policy('apply', 'draft');
    assert.equal(refused.code, 7);
    assert.match(refused.stdout, /--accept-widening e\.write/);
    assert.match((await write('still denied')).text, /CORDON-3001/);

    const shadow = await policy('apply', 'draft', '--shadow', '--note', 'writes for all');
    assert.equal(shadow.code, 0, shadow.stderr);
    assert.match(shadow.stdout, /^v version \d+ is the candidate {2}/);
    await write('denied in shadow');
    const can = await cordon(['can', 'caller', 'bench/write', '--input', '{"line":"x","amount":1}', '--data', bed.data], { cwd: bed.dir });
    assert.match(
      can.stdout,
      /^DENY \(shadow: would allow\) {2}caller .*CORDON-3001\n[^]*\n {2}shadow +version \d+ would allow by `e\.write`; nothing came of it/,
    );
    const status = await policy('status');
    assert.match(
      status.stdout,
      /v {2}candidate +version \d+ .*shadow by operator\/local +"writes for all"\n.* 1 decision seen, 0 would deny, 1 would allow\n/,
    );
    assert.match(status.stdout, /! {2}files .*policies is version 1, not enforced: cordon policy apply to go forward/);

    assert.equal((await policy('promote')).code, 7);
    assert.equal((await policy('promote', '--accept-widening', 'e.write')).code, 0);
    assert.doesNotMatch((await write('allowed')).text, /CORDON/);
    const back = await policy('rollback', '--note', 'too early');
    assert.match(back.stdout, /^v version \d+ is enforced .*, was version \d+\n/);
    const history = await policy('history', '--limit', '2');
    assert.match(
      history.stdout,
      /^ {2}v {2}rollback version \d+ +.* by operator\/local +enforced \d+ +log entry \d+ +"too early"\n {2}v {2}promote version/,
    );
  });

  void test('[U5] a set that fails a test is not applied: not from a directory, not as a candidate, not through the API', async () => {
    const rows = ['write', 'hold'].map((name) => `  - { name: may ${name}, call: bench/${name}, input: { line: x }, expect: allow }\n`);
    const table = `defaults: { agent: caller }\ntests:\n${rows.join('').replace('line: x', 'line: x, amount: 1')}`;
    await mkdir(join(bed.dir, 'tested'));
    await writeFile(join(bed.dir, 'tested', 'test.cedar'), set('t', ['write']));
    await writeFile(join(bed.dir, 'tested', 'test.test.yaml'), table);
    const { enforced } = await json('status');
    for (const args of [
      ['apply', 'tested'],
      ['apply', 'tested', '--shadow'],
    ]) {
      const ran = await policy(...args);
      assert.equal(ran.code, 7, ran.stderr);
      assert.equal(
        ran.stdout,
        'x may hold  test.test.yaml:4\n  expected  allow\n  observed  deny CORDON-3001\nx 1 of 2 tests failed, so nothing changes\n  fix   see the clause: cordon policy test tested\n',
      );
    }
    const sources = [{ path: 'test.cedar', text: set('t', ['hold']) }];
    const answer = await order('apply', { sources, tests: [{ path: 'test.test.yaml', text: table }] });
    assert.deepEqual([answer.json['status'], (answer.json['tests'] as { failed: number }).failed], ['tests_failed', 1]);
    await writeFile(join(bed.dir, 'policies', 'house.test.yaml'), table);
    assert.equal((await order('apply', { sources })).json['status'], 'tests_failed', 'no tests of its own: those of the house');
    await rm(join(bed.dir, 'policies', 'house.test.yaml'));
    assert.deepEqual((await json('status'))['enforced'], enforced);
    await signedAll(bed);
    const refused = (await readLog(bed)).acts.filter(({ detail }) => detail?.['refused'] === 'tests');
    assert.deepEqual(
      refused.map(({ act, detail }) => [act, detail?.['tests']]),
      ['apply', 'shadow', 'apply', 'apply'].map((act, at) => [
        `policy.${act}`,
        [`${at === 3 ? 'house' : 'test'}.test.yaml:${at < 2 ? 4 : 3}`],
      ]),
    );
    await writeFile(join(bed.dir, 'tested', 'test.cedar'), set('t'));
    const applied = await policy('apply', 'tested', '--accept-widening', 't.write', '--accept-widening', 't.hold');
    assert.match(applied.stdout, /v version \d+ is enforced [^]*\n {2}tests 2 tests passed\n/);
  });

  void test('[U9] each prints JSON with its schema, and says what cannot be', async () => {
    const schemas = await Promise.all([json('status'), json('history'), json('impact'), json('apply')]);
    assert.deepEqual(
      schemas.map((one) => one['schema']),
      ['policies', 'policyhistory', 'impact', 'rollout'].map((name) => `cordon.${name}/v1`),
    );
    for (const [args, code, why] of [
      [['promote'], 2, /there is no candidate/],
      [['withdraw'], 2, /there is no candidate/],
      [['rollback', '--to', '99'], 2, /there is no policy version 99/],
      [['rollback', '--to', 'x'], 2, /version number/],
      [['impact', '--since', 'long'], 2, /`--since` is not a span of time/],
      [['apply', 'nowhere'], 2, /no policy directory/],
      [['apply', '.'], 2, /no policies in `\.`/],
    ] as const) {
      const ran = await policy(...args);
      assert.equal(ran.code, code, ran.stderr);
      assert.match(ran.stderr, why);
    }
  });

  void test('[U5] a rollback is in force within a second, also while recorded decisions are replayed', async () => {
    await apply(set('a'), { acceptWidening: ['a.write'] });
    const replay = order('impact', { limit: 100_000 });
    const started = performance.now();
    const { json: rolled } = await order('rollback');
    const ms = performance.now() - started;
    assert.equal(rolled['status'], 'enforced');
    assert.ok(ms < 1000, `${ms} ms`);
    await replay;
  });

  void test('[U5] versions and what is enforced outlive a restart', async () => {
    const { enforced } = await json('status');
    await bed.stop();
    await bed.start();
    await bed.ready();
    assert.deepEqual((await json('status'))['enforced'], enforced);
  });

  void test('[I10] an order is bounded and strict: names of files, twins, sizes, unknown members', async () => {
    const file = { path: 'a.cedar', text: set('a') };
    for (const body of [
      { sources: [{ ...file, path: '../a.cedar' }] },
      { sources: [{ ...file, path: 'a.txt' }] },
      { sources: [file, file] },
      { sources: [{ ...file, text: 7 }] },
      { sources: [file], force: true },
      { sources: [file], tests: [{ path: 'a.yaml', text: '' }] },
      { sources: [file], tests: [{ path: '../a.test.yaml', text: '' }] },
      { sources: [file], tests: [{ path: 'a.test.yaml', text: 'x'.repeat(1_048_577) }] },
      { tests: [{ path: 'a.test.yaml', text: '' }] },
      { note: 'x'.repeat(501) },
    ]) {
      const answer = await bed.control('POST', '/v1/policies/apply', body);
      assert.deepEqual([answer.status >= 400, answer.json['code']], [true, 'CORDON-9011'], answer.text.slice(0, 200));
    }
    assert.equal((await bed.control('POST', '/v1/policies/promote', { note: 'x'.repeat(300_000) })).json['code'], 'CORDON-9011');
    const large = await bed.control('POST', '/v1/policies/apply', { sources: [{ ...file, text: `// ${'x'.repeat(8_100_000)}` }] });
    assert.deepEqual([large.json['code'], large.json['message']], ['CORDON-9006', 'the policies are too large']);
  });
});
