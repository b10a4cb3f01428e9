// Admission in a worker: what comes back is in order and exact, and no text takes more down than itself.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, test } from 'node:test';
import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import { Refusal } from '../src/domain/refusal.ts';
import { type Checked, checkPolicies, closeAdmission } from '../src/policy/admission.ts';
import { writeExact } from '../src/policy/cedar/official-json.ts';
import { OfficialThread, ThreadStopped } from '../src/policy/cedar/official-thread.ts';

after(closeAdmission);

const TOOLS = 30;
const input = { type: 'Record', attributes: { n: { type: 'Long' }, note: { type: 'String', required: false } } } as const;
const applied = { principalTypes: ['Agent'], resourceTypes: ['Tool'], context: { type: 'Record', attributes: { input } } } as const;
const SCHEMA = {
  '': {
    entityTypes: { Agent: {}, Tool: {} },
    actions: {
      read: {},
      ...Object.fromEntries(Array.from({ length: TOOLS }, (_, at) => [`tool-${at}`, { memberOf: [{ id: 'read' }], appliesTo: applied }])),
    },
  },
} as unknown as SchemaJson<string>;

const policy = (at: number, condition = `context.input.n == ${at}`): string =>
  `@id("p${at}") permit (principal, action == Action::"tool-${at % TOOLS}", resource) when { ${condition} };`;
const when = (condition: string): string => `permit (principal, action, resource) when { ${condition} };`;

/** The `@id` of each, or what is wrong with it. */
const said = ({ policies }: Checked): readonly (string | undefined | null)[] =>
  policies.map((one) => ('est' in one ? one.est.annotations?.['id'] : one.issues[0]?.message));

test('every policy comes back in its place, whatever is wrong with its neighbours', async () => {
  const texts = Array.from({ length: 450 }, (_, at) => policy(at));
  texts[0] = 'permit (principal';
  texts[137] = policy(137, 'context.input.n == "text"');
  texts[299] = policy(299, 'context.input.oh == 1');
  texts[300] = policy(300, 'context.input.n == 1 && false');
  texts[449] = 'permit (principal == ?principal, action, resource);';
  const checked = await checkPolicies(texts, SCHEMA);
  assert.equal(checked.policies.length, 450);
  const ids = said(checked);
  assert.equal(ids[0], 'unexpected end of input');
  assert.match(ids[449] ?? '', /expected a static policy/);
  for (let at = 1; at < 449; at++) assert.equal(ids[at], `p${at}`);
  assert.deepEqual(
    checked.errors.map(({ policy: at }) => at),
    [137, 299],
  );
  assert.deepEqual(
    checked.warnings.map(({ policy: at }) => at),
    [300],
  );
  const [error] = checked.errors;
  assert.equal(texts[137].slice(error?.at, (error?.at ?? 0) + (error?.length ?? 0)), 'context.input.n == "text"');
});

test('a policy for a group, for any action or for an unknown one is held to the types of all that it meets', async () => {
  const texts = ['in Action::"read"', '', 'in [Action::"tool-1", Action::"tool-2"]', '== Action::"tool-99"'].map(
    (scope) => `permit (principal, action ${scope}, resource) when { context.input.oh == 1 };`,
  );
  const { errors } = await checkPolicies(texts, SCHEMA);
  assert.deepEqual(
    texts.map((_, at) => errors.filter(({ policy: of }) => of === at).length),
    [TOOLS, TOOLS, 2, 1],
  );
});

test('integers and keys arrive as they were written', async () => {
  const { policies } = await checkPolicies(
    [when('{"__proto__": 9223372036854775807, "constructor": -9007199254740993} == context')],
    SCHEMA,
  );
  const text = writeExact(policies);
  assert.match(text, /"__proto__":\{"Value":9223372036854775807\}/);
  assert.match(text, /-9007199254740993/);
});

const HOSTILE: Readonly<Record<string, string>> = {
  brackets: when(`${'('.repeat(20_000)}true${')'.repeat(20_000)}`),
  'a short chain of brackets': when(`${'('.repeat(120)}true${')'.repeat(120)}`),
  chain: when(Array.from({ length: 250 }, (_, at) => `context.input.n == ${at}`).join(' || ')),
  'a long chain': when(Array.from({ length: 4000 }, () => 'true').join(' || ')),
  conditionals: when(`${'if true then true else '.repeat(2500)}true`),
  accesses: when(`context${'.a'.repeat(20_000)}`),
  sets: when(`${'['.repeat(20_000)}${']'.repeat(20_000)} == 1`),
  'a million characters': when(`"${'x'.repeat(1_000_000)}" == "x"`),
  'an open string': when('"abc'),
  NUL: 'permit\0(principal, action, resource);',
  'half of a surrogate pair': when('"\ud800" == "x"'),
  nothing: '',
};

test('hostile texts spoil neither their neighbours nor the next admission', async () => {
  const texts = Object.values(HOSTILE).flatMap((text, at) => [policy(2 * at), text]);
  for (let round = 0; round < 2; round++) {
    const ids = said(await checkPolicies(texts, SCHEMA));
    for (const [at, name] of Object.keys(HOSTILE).entries()) assert.equal(ids[2 * at], `p${2 * at}`, `beside ${name}`);
    const messages = Object.fromEntries(Object.keys(HOSTILE).map((name, at) => [name, ids[2 * at + 1]]));
    for (const name of ['brackets', 'conditionals', 'accesses', 'sets']) {
      assert.equal(messages[name], 'the policy is too much for the policy engine', name);
    }
    assert.match(messages['a million characters'] ?? '', /more than 65536 characters/);
    assert.match(messages['half of a surrogate pair'] ?? '', /surrogate/);
    for (const name of ['an open string', 'NUL', 'nothing']) assert.match(messages[name] ?? '', /invalid token|unexpected end/, name);
  }
});

test('a schema that is none refuses the whole set, and nothing else', async () => {
  const broken = { '': { entityTypes: {}, actions: { a: { memberOf: [{ id: 'nowhere' }] } } } };
  await assert.rejects(checkPolicies([when('true')], broken), (error) => {
    assert.ok(error instanceof Refusal);
    assert.equal(error.code, 'CORDON-9006');
    assert.match(error.observed ?? '', /nowhere/);
    return true;
  });
  assert.deepEqual(said(await checkPolicies([policy(1)], SCHEMA)), ['p1']);
});

test('admissions at once do not mix, a large one goes to two threads, and the process goes on meanwhile', async () => {
  let turns = 0;
  const turning = setInterval(() => turns++, 1);
  const sizes = [1, 1100, 3];
  const all = await Promise.all(
    sizes.map((size) =>
      checkPolicies(
        Array.from({ length: size }, (_, at) => policy(at)),
        SCHEMA,
      ),
    ),
  );
  clearInterval(turning);
  for (const [of, size] of sizes.entries()) {
    assert.deepEqual(
      said(all[of] ?? assert.fail()),
      Array.from({ length: size }, (_, at) => `p${at}`),
    );
  }
  assert.ok(turns > 50, `${turns} turns of the event loop`);
});

test('a process waits for what it asked, and then ends although nobody closed the thread', () => {
  const url = new URL('../src/policy/admission.ts', import.meta.url).href;
  const script = `import { checkPolicies } from '${url}';
    const { errors } = await checkPolicies([${JSON.stringify(policy(1, 'oh'))}, ${JSON.stringify(policy(2))}], ${JSON.stringify(SCHEMA)});
    console.log(errors.length);`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.deepEqual({ stdout: stdout.trim(), stderr, status }, { stdout: '0', stderr: '', status: 0 });
});

/** Does what it is asked to: `echo …`, `throw …`, `exit`, `hang` or `fill` its memory. */
const obedient = (limitMs: number): OfficialThread => {
  const answering = new URL('../src/policy/cedar/official-thread.ts', import.meta.url).href;
  const source = `import { answering } from '${answering}';
    let asked = 0;
    answering((order) => {
      if (order === 'exit') process.exit(3);
      if (order === 'hang') for (;;);
      if (order === 'fill') for (let all;;) all = { order, all }; // piece by piece: one large piece too much would end the process
      if (order === 'throw') throw new Error('as told');
      return ++asked;
    });`;
  return new OfficialThread(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { limitMs, heapMb: 64, holds: true });
};

test('a thread that ends, hangs or runs out of memory costs the question that did it', async () => {
  const thread = obedient(3000);
  const orders = ['echo', 'echo', 'throw', 'echo', 'exit', 'echo', 'fill', 'echo', 'hang', 'echo'];
  const settled = await Promise.allSettled(orders.map((order) => thread.ask(order)));
  const told = settled.map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason)));
  assert.deepEqual(told, [
    1,
    2,
    'Error: as told',
    3,
    'ThreadStopped: the thread ended with exit code 3',
    1,
    'ThreadStopped: Worker terminated due to reaching memory limit: JS heap out of memory',
    1,
    'ThreadStopped: no answer within 3000 ms',
    1,
  ]);
  assert.equal(thread.stops, 3);
  await thread.close();
});

test('a thread that is closed answers nothing more', async () => {
  const thread = obedient(60_000);
  const asked = Promise.allSettled([thread.ask('hang'), thread.ask('echo')]);
  await thread.close();
  for (const one of await asked) assert.ok(one.status === 'rejected' && one.reason instanceof ThreadStopped);
  await assert.rejects(thread.ask('echo'), ThreadStopped);
});
