// Table tests as a gate: no order, no start and no promotion enforces a set that fails its tests, and no test file that somebody sends
// does more harm than to be refused. Reader, thread, engine, store and records are the real ones.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, afterEach, beforeEach, describe, test } from 'node:test';
import type { ApplyOrder, RolloutResult } from '../src/control/policy-orders.ts';
import type { ActRecord, LogRecord } from '../src/domain/access.ts';
import { closeAdmission } from '../src/policy/admission.ts';
import type { PolicySource } from '../src/policy/policy-set.ts';
import { call, PAYMENT, tool } from './support/policy-desk.ts';
import { actsIn, inForce, ORDER, policyUp, world, type PolicyUp, type PolicyUpParts } from './support/policy-up.ts';

const READS = '@id("reads")\npermit (principal, action == Action::"ledger/list_invoices", resource);\n';
const PAYS = '@id("pays")\npermit (principal == Agent::"clerk", action == Action::"ledger/pay_invoice", resource);\n';
const MAILS = '@id("mails")\npermit (principal == Agent::"clerk", action == Action::"mail/read", resource);\n';
const table = (...rows: readonly string[]): string => `tests:\n${rows.map((row) => `  - { ${row} }\n`).join('')}`;
const READER = 'name: the clerk reads, agent: clerk, call: ledger/list_invoices, input: {}, expect: allow';
const NO_READER = 'name: nobody reads, agent: clerk, call: ledger/list_invoices, input: {}, expect: deny';
const sent = (text: string): readonly PolicySource[] => [{ path: 'desk.cedar', text }];
const sentTests = (text: string): readonly PolicySource[] => [{ path: 'desk.test.yaml', text }];

let dir: string;
let log: LogRecord[];
let open: PolicyUp;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cordon-gate-'));
  mkdirSync(join(dir, 'policies'));
  log = [];
});
afterEach(async () => {
  await open.close();
  rmSync(dir, { recursive: true });
});
after(closeAdmission);

const write = (name: string, text: string): void => writeFileSync(join(dir, 'policies', name), text);

/** Policies and tests of the directory, and a Cordon on them. */
async function up(policies: string, tests?: string, parts: Partial<PolicyUpParts> = {}): Promise<PolicyUp> {
  write('desk.cedar', policies);
  if (tests !== undefined) write('desk.test.yaml', tests);
  open = await policyUp({ dir, log, ...parts });
  return open;
}

async function restart(policies: string, tests?: string, parts: Partial<PolicyUpParts> = {}): Promise<PolicyUp> {
  await open.close();
  return up(policies, tests, parts);
}

const apply = (over: Partial<ApplyOrder> = {}): Promise<RolloutResult> => open.rollout.apply({ ...ORDER, ...over });
const last = (): ActRecord | undefined => actsIn(log).at(-1);
const READ = call('clerk', 'ledger/list_invoices');

/** That an order changed nothing, and that it is on record who gave it and why it was refused. */
async function assertRefused(order: Promise<RolloutResult>, act: string, failed: readonly string[]): Promise<void> {
  const changes = (await open.ledger.history()).length;
  const before = [inForce(open), open.publisher.current().candidate?.version];
  const { status, tests } = await order;
  assert.deepEqual([status, tests?.failures.map(({ source }) => source)], ['tests_failed', failed]);
  assert.deepEqual([inForce(open), open.publisher.current().candidate?.version], before);
  assert.equal((await open.ledger.history()).length, changes);
  assert.deepEqual(
    [last()?.act, last()?.actor, last()?.detail],
    [act, ORDER.actor, { refused: 'tests', failed: failed.length, tests: failed }],
  );
}

describe('[U5] a set that fails its tests', () => {
  void test('is not applied from the directory, not even as a candidate; the result says what was expected and what was seen', async () => {
    await up(READS, table(READER));
    write('desk.cedar', PAYS);
    await assertRefused(apply(), 'policy.apply', ['desk.test.yaml:2']);
    await assertRefused(apply({ shadow: true }), 'policy.shadow', ['desk.test.yaml:2']);
    const { tests } = await apply();
    const failure = { name: 'the clerk reads', source: 'desk.test.yaml:2', expected: 'allow', observed: 'deny CORDON-3001' };
    assert.deepEqual(tests, { passed: 0, failed: 1, failures: [failure] });
    assert.equal(open.ask(READ).verdict, 'allow');
  });

  void test('is not applied through the API: tests that were left out are those of the directory', async () => {
    await up(READS, table(READER));
    for (const tests of [undefined, []] as const) {
      const order = { sources: sent(PAYS), ...(tests === undefined ? {} : { tests }) };
      await assertRefused(apply(order), 'policy.apply', ['desk.test.yaml:2']);
    }
    const own = { sources: sent(READS + PAYS), tests: [{ path: 'own.test.yaml', text: table(READER, NO_READER) }] };
    await assertRefused(apply(own), 'policy.apply', ['own.test.yaml:3']);
  });

  void test('is applied with tests of its own, which then stand for it; and without any as before, saying that nothing was tested', async () => {
    await up(READS, table(READER));
    const { status, tests } = await apply({ sources: sent(PAYS), tests: sentTests(table(NO_READER)) });
    assert.deepEqual([status, tests], ['enforced', { passed: 1, failed: 0, failures: [] }]);
    rmSync(join(dir, 'policies', 'desk.test.yaml'));
    assert.deepEqual((await apply({ sources: sent(READS + PAYS) })).tests, { passed: 0, failed: 0, failures: [] });
  });

  void test('a policy that only the tests name, a misspelt agent, a tool that is gone: each fails, and says what was meant', async () => {
    await up(READS);
    const tests = table(
      `${READER}, policy: raeds`,
      'name: whom, agent: clark, call: ledger/list_invoices, expect: deny',
      'name: what, agent: clerk, call: ledger/list_invoice, expect: deny',
    );
    const { tests: seen } = await apply({ sources: sent(READS + PAYS), tests: sentTests(tests) });
    const said = seen?.failures.map(({ misspelt, meant, observed }) => [misspelt, meant, observed]);
    assert.deepEqual(said, [
      ['raeds', 'reads', 'allow by reads'],
      ['clark', 'clerk', 'deny CORDON-1014'],
      ['ledger/list_invoice', 'ledger/list_invoices', 'deny CORDON-3003'],
    ]);
  });

  void test('of a thousand failures the first twenty are told, all are counted', async () => {
    await up(READS);
    const rows = Array.from({ length: 1000 }, () => NO_READER);
    const { tests } = await apply({ sources: sent(READS + PAYS), tests: sentTests(table(...rows)) });
    assert.deepEqual([tests?.passed, tests?.failed, tests?.failures.length], [0, 1000, 20]);
  });

  void test('levels and calls of now do not matter, the tools of now do', async () => {
    await up(READS, table(READER));
    open.publisher.setLevel('clerk', 'off');
    write('desk.cedar', READS + PAYS);
    assert.equal((await apply()).status, 'enforced');
    open.publisher.setTools(
      'ledger',
      (world.tools.get('ledger') ?? []).filter(({ name }) => name !== 'list_invoices'),
      [],
    );
    write('desk.cedar', PAYS);
    const { tests } = await apply();
    assert.equal(tests?.failures[0]?.observed, 'deny CORDON-3003');
  });

  void test('is gone back to all the same: a rollback does not wait for tests', async () => {
    await up(READS, table(READER));
    await apply({ sources: sent(PAYS), tests: sentTests(table(NO_READER)) });
    await apply();
    assert.deepEqual([(await open.rollout.rollback({ actor: 'a' })).status, inForce(open)], ['enforced', 2]);
  });
});

describe('[U5] a candidate', () => {
  const needs = tool('list_invoices', {
    type: 'object',
    properties: { year: { type: 'integer' } },
    required: ['year'],
    additionalProperties: false,
  });
  const changeTools = (): void => open.publisher.setTools('ledger', [needs, ...(world.tools.get('ledger') ?? []).slice(0, 1)], []);

  void test('is tested again when it is promoted: with the tests it came with, against the tools of now, also after a restart', async () => {
    await up(MAILS);
    assert.equal((await apply({ sources: sent(READS), tests: sentTests(table(READER)), shadow: true })).status, 'candidate');
    await restart(MAILS);
    changeTools();
    await open.rollout.refresh();
    await assertRefused(open.rollout.promote(ORDER), 'policy.promote', ['desk.test.yaml:2']);
    const tests = sentTests(table('name: this year, agent: clerk, call: ledger/list_invoices, input: { year: 2026 }, expect: allow'));
    assert.equal((await apply({ sources: sent(READS), tests, shadow: true })).status, 'unchanged', 'its tests are others now');
    const promoted = await open.rollout.promote(ORDER);
    assert.deepEqual([promoted.status, promoted.tests?.passed], ['enforced', 1]);
  });

  void test('tools that change while it is judged: it is judged again', async () => {
    await up(MAILS);
    await apply({ sources: sent(READS), tests: sentTests(table(READER)), shadow: true });
    const promoted = open.rollout.promote(ORDER);
    changeTools();
    assert.equal((await promoted).status, 'tests_failed');
  });

  void test('[I7] its kept tests cannot be edited in the database: it is not promoted then', async () => {
    await up(MAILS);
    await apply({ sources: sent(READS), tests: sentTests(table(READER)), shadow: true });
    const database = new DatabaseSync(join(dir, 'cordon.db'));
    const { changes } = database
      .prepare("update sealed set sealed = ? where name = 'policy/candidate-tests'")
      .run(Buffer.from('{"version":2,"files":[]}'));
    database.close();
    assert.equal(changes, 1);
    await assert.rejects(open.rollout.promote(ORDER), { code: 'CORDON-9006' });
    assert.equal(inForce(open), 1);
  });
});

describe('[U5] a start', () => {
  void test('on a directory that changed and fails: what was enforced stays, told and on record; once its tests pass it is enforced', async () => {
    await up(READS, table(READER));
    const { notices } = await restart(PAYS, table(READER));
    assert.equal(inForce(open), 1);
    assert.match(
      notices.join('\n'),
      /^x CORDON-9006 `.*policies` is not enforced, version 1 stays enforced: 1 of 1 policy tests fail: desk\.test\.yaml:2: the clerk reads: expected allow, observed deny CORDON-3001; mend .*`cordon policy apply`$/,
    );
    assert.deepEqual([last()?.act, last()?.actor, last()?.detail], ['policy.start', 'cordon', { refused: 'tests' }]);
    await open.rollout.refresh();
    assert.equal(open.notices.length, 1, 'told once');
    assert.equal(inForce(await restart(PAYS)), 1, 'and at each start');
    assert.equal(open.notices.length, 1);
    assert.equal(inForce(await restart(PAYS, table(NO_READER))), 2);
    assert.deepEqual(open.notices, []);
  });

  void test('[I1] the first there is, and it fails: everything is denied, and an order puts it right', async () => {
    await up(PAYS, table(READER));
    assert.deepEqual([inForce(open), open.ask(READ).verdict], ['CORDON-9006', 'error']);
    assert.match(open.notices.join('\n'), /nothing is enforced and every call is denied: 1 of 1 policy tests fail/);
    assert.match((await open.view()).error?.message ?? '', /desk\.test\.yaml:2: the clerk reads/);
    assert.equal((await apply()).status, 'tests_failed');
    write('desk.cedar', READS);
    assert.deepEqual([(await apply()).status, open.ask(READ).verdict], ['enforced', 'allow']);
  });

  void test('whose tests cannot be read is one that fails', async () => {
    await up(READS, table(READER));
    await restart(READS + PAYS, 'tests: [\n');
    assert.equal(inForce(open), 1);
    assert.match(open.notices.join('\n'), /version 1 stays enforced: the tests cannot be read: desk\.test\.yaml:2:1/);
  });

  void test('before the tools are known is no failure: nothing is told, and it is enforced when they are', async () => {
    await up(READS, table(READER, 'name: mail, agent: clerk, call: mail/read, input: { id: 1 }, expect: CORDON-3001'), {
      tools: new Map(),
    });
    const seen: (number | string)[] = [inForce(open)];
    for (const [resource, tools] of world.tools) {
      open.publisher.setTools(resource, tools, []);
      await open.rollout.refresh();
      seen.push(inForce(open));
    }
    assert.deepEqual([seen, open.notices], [['CORDON-9006', 'CORDON-9006', 1], []]);
    assert.deepEqual(
      actsIn(log).map(({ act, target }) => `${act} ${target}`),
      ['policy.start version 1'],
    );
  });

  void test('[I1] on a directory that is not admitted denies everything; a rollback returns to what was enforced until then', async () => {
    await up(READS);
    await apply({ sources: sent(READS + PAYS) });
    await restart('permit (');
    assert.equal(inForce(open), 'CORDON-9006');
    assert.deepEqual([(await open.rollout.rollback({ actor: 'a' })).status, inForce(open)], ['enforced', 2]);
    await open.rollout.refresh();
    assert.equal(inForce(open), 2, 'an order was given: what was found is not enforced any more');
  });

  void test('what an order was refused for is not enforced behind its back when the tools change', async () => {
    await up(READS + PAYS, table(READER));
    open.ask(call('clerk', 'mail/read', { id: 1 }));
    await restart(PAYS, table(READER));
    write('desk.cedar', READS + PAYS + MAILS);
    assert.equal((await apply()).status, 'not_accepted');
    await open.rollout.refresh();
    assert.equal(inForce(open), 1);
  });
});

describe('[I10] test files that somebody sends', () => {
  const bomb = ['x', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map(
    (name, at, all) => `${name}: &${name} [${at === 0 ? 'x,x,x,x,x,x,x,x,x' : `*${all[at - 1] ?? ''},`.repeat(9)}]`,
  );
  const ATTACKS: readonly (readonly [what: string, files: readonly PolicySource[], why: RegExp])[] = [
    ['no YAML', sentTests('tests: [\n'), /^the tests cannot be read\ndesk\.test\.yaml:2:1: /],
    ['a bomb of aliases', sentTests(`${bomb.join('\n')}\ntests: *h\n`), /alias/],
    ['brackets that take the reader down', sentTests(`tests: ${'['.repeat(200_000)}`), /^the tests cannot be read/],
    ['more than a megabyte', sentTests(`# ${'x'.repeat(1_048_576)}`), /^the tests are too large/],
    ['more than a megabyte in two files', ['a', 'b'].map((name) => ({ path: `${name}.test.yaml`, text: `# ${'ü'.repeat(300_000)}` })), /^the tests are too large/],
    ['a thousand problems', sentTests(table(...Array.from({ length: 1000 }, () => 'name: x'))), /and 990 more$/],
    ['a level of nobody', sentTests(table(`${READER}, levels: { clark: off }`)), /did you mean `clerk`/],
    ['a verdict that is none', sentTests(table(READER.replace('allow', 'perhaps'))), /desk\.test\.yaml:2:\d+: .*expect/],
    ['no tests in a table', sentTests('tests: []\n'), /at least one test/],
    ['a tag of YAML', sentTests('tests: !!js/function "return 1"\n'), /desk\.test\.yaml:1/],
  ]; // prettier-ignore
  for (const [what, tests, why] of ATTACKS) {
    void test(`[I1] ${what}: refused with the reason, nothing changes, it is on record`, async () => {
      await up(READS);
      await assert.rejects(apply({ sources: sent(READS + PAYS), tests }), { code: 'CORDON-9006', message: why });
      assert.deepEqual([inForce(open), last()?.act, last()?.detail], [1, 'policy.apply', { refused: 'CORDON-9006' }]);
    });
  }

  void test('an argument called `__proto__` is an argument: it comes through the thread, and the tool does not take it', async () => {
    await up(READS);
    const tests = table('name: x, agent: clerk, call: ledger/pay_invoice, input: { __proto__: { vendor: Acme } }, expect: CORDON-3006');
    assert.equal((await apply({ sources: sent(READS + PAYS), tests: sentTests(tests) })).tests?.passed, 1);
  });

  void test('integers keep their digits on the way', async () => {
    await up(READS);
    const limit =
      '@id("limit")\nforbid (principal, action == Action::"ledger/pay_invoice", resource) when { context.input.amount_cents == 9007199254740993 };\n';
    const { vendor, iban } = PAYMENT;
    const row = (amount: string, expect: string): string =>
      `name: x, agent: clerk, call: ledger/pay_invoice, input: { vendor: ${vendor}, iban: ${iban}, amount_cents: ${amount} }, expect: ${expect}`;
    const tests = table(row('9007199254740993', 'CORDON-3002'), row('9007199254740992', 'allow'));
    assert.equal((await apply({ sources: sent(PAYS + limit), tests: sentTests(tests) })).tests?.passed, 2);
  });

  void test('decisions go on while a megabyte of tests is read and run', async () => {
    await up(READS);
    const rows = Array.from(
      { length: 4000 },
      (_, at) => `${READER}, policy: reads, levels: { auditor: ${at % 2 === 0 ? 'off' : 'watched'} }`,
    );
    let longest = 0;
    let seen = performance.now();
    const ticks = setInterval(() => {
      const now = performance.now();
      longest = Math.max(longest, now - seen);
      seen = now;
    }, 1);
    const { status, tests } = await apply({ sources: sent(READS + PAYS), tests: sentTests(table(...rows)) });
    clearInterval(ticks);
    assert.deepEqual([status, tests?.passed], ['enforced', 4000]);
    assert.ok(longest < 250, `${longest} ms`); // read here it would be more than a second
  });
});
