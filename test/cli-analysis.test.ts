// What policies mean, as operators ask it: diff, blast, suggest and can against a real `cordon up` with a real tool server and real calls.
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openBed, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';
import { cordon, type Ran } from './support/cordon.ts';

const INPUT = { type: 'object', properties: { line: { type: 'string' }, amount: { type: 'integer' } }, required: ['line', 'amount'] };
const TOOLS = ['write', 'hold', 'peek'].map((name) => ({ name, inputSchema: INPUT }));

const POLICIES = `@id("sessions")
permit (principal, action in Action::"mcp/session", resource);

@id("caller-writes")
@owner("bench-team")
permit (principal == Agent::"caller", action == Action::"bench/write", resource)
when { context.input.amount <= 100 };

@id("callee-holds")
permit (principal == Agent::"callee", action == Action::"bench/hold", resource);

@id("caller-peeks")
permit (principal == Agent::"caller", action == Action::"bench/peek", resource);

@id("talks")
permit (principal == Agent::"caller", action in Action::"a2a/message", resource == Agent::"callee");
`;

let bed: Bed;
let caller: Svid;

before(async () => {
  bed = await openBed({ tools: false, policies: POLICIES });
  await bed.spawnWorkload('resource', 'bench', 'test/support/raw-server.ts', [String(bed.ports.bench), bed.effects, JSON.stringify(TOOLS)]);
  await bed.ready();
  caller = await bed.svid('caller');
  await draft(
    'wider',
    POLICIES.replace('<= 100', '<= 500').replace('"callee", action == Action::"bench/hold"', '"callee", action in Action::"tools/call"'),
  );
  await draft(
    'narrower',
    POLICIES.replace('<= 100', '<= 100 && context.input.line like "a*"').replace(
      'permit (principal == Agent::"callee"',
      'forbid (principal == Agent::"callee"',
    ),
  );
  await draft('broken', '@id("x") permit (principal == Agent::"caller", action == Action::"bench/wite", resource);');
});
after(() => (bed as Bed | undefined)?.close());

async function draft(name: string, text: string): Promise<void> {
  await mkdir(join(bed.dir, name));
  await writeFile(join(bed.dir, name, 'test.cedar'), text);
}

const run = (...args: readonly string[]): Promise<Ran> => cordon([...args, '--data', bed.data], { cwd: bed.dir });
const json = async (...args: readonly string[]): Promise<Record<string, unknown>> => {
  const { stdout, stderr } = await run(...args, '--json');
  assert.equal(stderr, '');
  return JSON.parse(stdout) as Record<string, unknown>;
};
const write = (line: string, amount: number): Promise<Answer> =>
  send({ port: bed.ports.gateway, ...toolCall('write', { line, amount }), svid: caller });

describe('policy diff', () => {
  void test('[U5] what is enforced against the directory it came from: nothing, exit 0', async () => {
    const { code, stdout } = await run('policy', 'diff');
    assert.equal(code, 0);
    assert.equal(stdout, 'policies of version 1 > version 1\nv no answer changes\n');
  });

  void test('[U5] a draft that widens: the rows, the policies, exit 7 until each is accepted by name', async () => {
    const { code, stdout, stderr } = await run('policy', 'diff', 'wider');
    assert.equal(code, 7, stderr);
    assert.equal(
      stdout.replaceAll(/draft [\da-f]{8}/g, 'draft #'),
      `policies of version 1 > draft #
  changed  caller-writes, callee-holds
  widens   2
  narrows  0
  changed  1

reaches more
  !  callee  bench/write  never > always  by callee-holds  writes, segment tools
  !  callee  bench/peek   never > always  by callee-holds  writes, segment tools

may before and after, under other conditions: more or less, as the arguments are
  !  caller  bench/write  may > may  by caller-writes  writes, segment tools

x what widens, or may, has to be accepted by name
  fix   if it is meant: --accept-widening callee-holds --accept-widening caller-writes
        see what it does to recorded calls: cordon policy impact
`,
    );
    assert.equal((await run('policy', 'diff', 'wider', '--accept-widening', 'callee-holds')).code, 7);
    assert.equal((await run('policy', 'diff', 'wider', '--accept-widening', 'callee-holds', 'caller-writes')).code, 0);
  });

  void test('[U9] two directories, a version, and JSON with its schema', async () => {
    const back = await json('policy', 'diff', 'wider', '1');
    assert.equal(back['schema'], 'cordon.policy-diff/v1');
    assert.deepEqual(back['counts'], { widens: 0, narrows: 2, changed: 1 });
    assert.deepEqual(
      [back['to'], back['policies']].map((one) => Object.keys(one as object)),
      [
        ['version', 'hash'],
        ['added', 'removed', 'changed'],
      ],
    );
    const both = await run('policy', 'diff', 'wider', 'narrower', '--accept-widening', 'caller-writes');
    assert.equal(both.code, 0, both.stdout);
    assert.match(both.stdout, /^reaches less\n {2}- {2}callee {2}bench\/write {2}always > never {2}by callee-holds/m);
  });

  void test('[U9] what cannot be compared says why: a draft with an error, a directory without policies, no such version', async () => {
    const cases = [
      [['broken'], /^x CORDON-9006 test\.cedar:1:\d+: [^]*bench\/wite/],
      [['nowhere'], /no policy directory/],
      [['.'], /no policies in `\.`/],
      [['99'], /there is no policy version 99/],
      [['1', '--limit', '0'], /1 to 10000/],
    ] as const;
    await Promise.all(
      cases.map(async ([args, why]) => {
        const ran = await run('policy', 'diff', ...args);
        assert.equal(ran.code, 2, ran.stderr);
        assert.match(ran.stderr, why);
      }),
    );
  });
});

describe('blast', () => {
  void test('[U13] an agent: directly, through others with the way, and what is left after off', async () => {
    const { code, stdout } = await run('blast', 'caller', '--after', 'off');
    assert.equal(code, 0);
    assert.equal(
      stdout,
      `caller  agent  version 1
  reaches 2 tools directly and 1 more through others, 3 of them to write, in 1 segment
  caller
    segment tools
      may     writes  bench/write  by caller-writes
      always  writes  bench/peek   by caller-peeks
      always  asks    callee       by talks
  through caller > callee, always
    segment tools
      always  writes  bench/hold  by callee-holds

after level off
  may > never     bench/write
  always > never  bench/peek
  always > never  asks callee
  always > never  bench/hold
`,
    );
  });

  void test('[U13] a tool: who reaches it; a segment; another draft; JSON with its schema', async () => {
    const tool = await run('blast', 'bench/hold');
    assert.equal(
      tool.stdout,
      'bench/hold  resource  version 1\n  is reached by 2 agents\n    always  callee           segment tools  bench/hold\n    always  caller > callee  segment desk   bench/hold\n',
    );
    assert.match((await run('blast', 'segment:tools')).stdout, /^tools {2}segment [^]*is reached by 1 agent\n {4}always {2}caller/);
    const narrower = await run('blast', 'callee', '--draft', 'narrower');
    assert.match(narrower.stdout, /after the draft\n {2}always > never {2}bench\/hold\n$/);
    const { schema, before: seen } = await json('blast', 'callee');
    assert.equal(schema, 'cordon.blast/v1');
    assert.deepEqual(
      (seen as { reachedBy: { path: string[] }[] }).reachedBy.map(({ path }) => path),
      [['caller']],
    );
  });

  void test('[U9] a name that nothing has, and the level of a tool', async () => {
    const unknown = await run('blast', 'caler');
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /no agent, resource or segment is called `caler`\n[^]*did you mean `caller`/);
    const tool = await run('blast', 'bench', '--after', 'off');
    assert.equal(tool.code, 2);
    assert.match(tool.stderr, /a resource has no level/);
  });
});

describe('policy suggest', () => {
  void test('[U15] permits from real calls, admitted and no wider; denied calls and unused permits as comments', async () => {
    for (const amount of [7, 1, 90, 3, 12]) assert.doesNotMatch((await write('alpha', amount)).text, /CORDON/);
    assert.match((await write('alpha', 999)).text, /CORDON-3005/);
    const { code, stdout, stderr } = await run('policy', 'suggest', '--agent', 'caller');
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^1 permit from 6 calls; /);
    assert.match(
      stdout,
      /^\/\/ 5 calls, the last .*; narrows caller-writes \(test\.cedar:4\)\n@id\("caller\.bench\/write"\)\n@owner\("bench-team"\)\npermit \(\n {2}principal == Agent::"caller",\n {2}action == Action::"bench\/write",\n {2}resource == Tool::"bench\/write"\n\)\nwhen \{ context\.input\.amount <= 100 \}\n\/\/ seen: one value in 5 calls\nwhen \{ context\.input\.line == "alpha" \}\n\/\/ seen: 1 to 90 in 5 calls\nwhen \{ context\.input\.amount <= 90 \};\n/m,
    );
    assert.match(stdout, /\/\/ Denied, and not proposed:\n\/\/ {3}1 call: "tools\/call" "bench\/write", CORDON-3005\n/);
    assert.match(stdout, /\/\/ Permits that this agent had no use for:\n\/\/ {3}sessions\n\/\/ {3}caller-peeks\n\/\/ {3}talks\n/);
    await draft('suggested', stdout);
    const diff = await json('policy', 'diff', '1', 'suggested');
    assert.equal((diff['counts'] as { widens: number }).widens, 0);
    assert.equal((await run('policy', 'check', 'suggested')).code, 0);
    assert.equal((await readFile(bed.effects, 'utf8')).split('\n').length, 6);
  });

  void test('[U9] JSON with its schema; an agent without calls; one that is not there', async () => {
    const { schema, permits, denied, calls } = await json('policy', 'suggest', '--agent', 'callee', '--since', '1h');
    assert.deepEqual([schema, permits, denied, calls], ['cordon.policy-suggestion/v1', [], [], 0]);
    const unknown = await run('policy', 'suggest', '--agent', 'caler');
    assert.deepEqual([unknown.code, /no agent is registered as `caler`/.test(unknown.stderr)], [2, true]);
  });
});

describe('can', () => {
  const INPUT_500 = ['--input', '{"line":"b","amount":400}'];

  void test('with a draft: what would be decided if it were enforced', async () => {
    assert.equal((await run('can', 'caller', 'bench/write', ...INPUT_500)).code, 5);
    const wider = await run('can', 'caller', 'bench/write', ...INPUT_500, '--draft', 'wider');
    assert.equal(wider.code, 0, wider.stdout);
    assert.match(wider.stdout, /^ALLOW {2}caller [^]*caller-writes \(test\.cedar:4\)/);
    const narrower = await run('can', 'caller', 'bench/write', '--input', '{"line":"b","amount":1}', '--draft', 'narrower');
    assert.match(narrower.stdout, /context\.input\.line like "a\*" +observed .*"b"/);
    assert.equal((await run('can', 'caller', 'bench/write', '--draft', 'broken')).code, 2);
  });

  void test('[U2] [I4] on behalf of a user: their groups and the mandate count too, and the gate that refuses is named', async () => {
    const users = '@id("payers") permit (principal in Group::"finance", action in Action::"tools/call", resource);';
    await draft('users', `${POLICIES}\n${users}`);
    const entry = { type: 'cordon_task', actions: ['tools/call'], locations: ['tool:bench/*'], arguments: { amount: { max: 5 } } };
    await writeFile(join(bed.dir, 'mandate.json'), JSON.stringify([entry]));
    const asked = ['can', 'caller', 'bench/write', '--draft', 'users', '--user', 'alice'];
    const input = (amount: number): readonly string[] => ['--input', `{"line":"b","amount":${amount}}`];
    const nobody = await run(...asked, ...input(1));
    assert.equal(nobody.code, 5);
    assert.match(nobody.stdout, /^DENY .* for alice .*CORDON-3001\n.*gate user\n +nearest {2}payers/);
    const all = await run(...asked, ...input(5), '--group', 'sales', '--group', 'finance', '--mandate', 'mandate.json');
    assert.equal(all.code, 0, all.stdout + all.stderr);
    assert.match(all.stdout, /gates +agent allow by caller-writes {3}user allow by payers {3}mandate allow/);
    const much = await run(...asked, ...input(6), '--group', 'finance', '--mandate', 'mandate.json');
    assert.match(much.stdout, /outside the mandate; gate mandate[^]*x {2}amount: max 5 +observed context\.input\.amount: 6/);
    await writeFile(join(bed.dir, 'none.json'), '[{"type":"other"}]');
    const none = await run(...asked, '--mandate', 'none.json');
    assert.match(none.stderr, /not a mandate/);
  });

  void test('[U9] a tool, a server, an agent or an action that is misspelt is told with the one that was meant', async () => {
    const cases = [
      [['caller', 'bench/wirte'], /if you meant this +cordon can caller tools\/call bench\/write/],
      [['caller', 'tools/list', 'bnch'], /cordon can caller tools\/list bench/],
      [['caller', 'a2a/SendMessage', 'calle'], /cordon can caller a2a\/SendMessage callee/],
      [['caller', 'tools/lst', 'bench'], /cordon can caller tools\/list bench/],
      [['caller', 'bench/transfer_funds'], /`bench` has no such tool; it has bench\/write/],
    ] as const;
    await Promise.all(
      cases.map(async ([args, meant]) => {
        const ran = await run('can', ...args);
        assert.equal(ran.code, 5, ran.stderr);
        assert.match(ran.stdout, meant);
      }),
    );
    const agent = await run('can', 'caler', 'bench/write');
    assert.match(agent.stderr, /did you mean `caller`\?/);
  });
});

void test('[I10] what is asked is bounded and strict', async () => {
  const file = { path: 'a.cedar', text: POLICIES };
  for (const [path, body] of [
    ['/v1/policies/diff', { to: { sources: [{ ...file, path: '../a.cedar' }] } }],
    ['/v1/policies/diff', { to: { sources: [file], version: 1 } }],
    ['/v1/policies/diff', { limit: 1_000_000 }],
    ['/v1/blast', { subject: '' }],
    ['/v1/blast', { subject: 'caller', level: 'gone' }],
    ['/v1/blast', { subject: 'caller', draft: { place: 'directory' } }],
    ['/v1/policies/suggest', { agent: 'caller', sinceMs: 0, limit: 1 }],
    ['/v1/can', { agent: 'caller', action: 'tools/list', resource: 'bench', draft: { sources: [file, file] } }],
  ] as const) {
    const answer = await bed.control('POST', path, body);
    assert.deepEqual([answer.status, answer.json['code']], [400, 'CORDON-9011'], `${path} ${answer.text.slice(0, 200)}`);
  }
});
