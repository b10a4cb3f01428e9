// The cross-check of live decisions: a planted divergence is found and told, and each way in which a check can fail is counted as that.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { OfficialEntity, OfficialPolicies } from '../src/policy/cedar/official.ts';
import { OfficialThread } from '../src/policy/cedar/official-thread.ts';
import { type CedarAnswer, type CheckFailure, CrossCheck, type CrossFacts, type Divergence } from '../src/policy/cross-check.ts';
import { until } from './support/until.ts';

const POLICIES: OfficialPolicies = {
  static: new Map([
    ['small', 'permit (principal, action, resource) when { context.n < 10 };'],
    ['no-note', 'forbid (principal, action, resource) when { context has note && context.note == "no" };'],
    ['owner', 'permit (principal, action, resource) when { principal.owner == "platform" };'],
  ]),
};
const ENTITIES: readonly OfficialEntity[] = [{ uid: { type: 'Agent', id: 'clerk' }, attrs: { owner: 'platform' }, parents: [] }];

const facts = (context: object, action = 'pay', entities = ENTITIES): CrossFacts => ({
  principal: { type: 'Agent', id: 'clerk' },
  action: { type: 'Action', id: action },
  resource: { type: 'Tool', id: 'ledger/pay' },
  context,
  entities,
});
const RIGHT: CedarAnswer = { allowed: true, reasons: ['small', 'owner'], errors: [] };

interface Told {
  readonly check: CrossCheck;
  readonly divergences: Divergence[];
  readonly failures: CheckFailure[];
  /** Waits until so many decisions were checked, failed or dropped. */
  readonly settled: (count: number) => Promise<void>;
}

type Over = Partial<ConstructorParameters<typeof CrossCheck>[0]>;

function checking(t: TestContext, over: Over = {}, thread?: OfficialThread): Told {
  const divergences: Divergence[] = [];
  const failures: CheckFailure[] = [];
  const told = { onDivergence: (one: Divergence) => divergences.push(one), onFailure: (one: CheckFailure) => failures.push(one) };
  const check = new CrossCheck({ sample: 1, random: () => 0.5, restMs: 0, backOffMs: { first: 1, most: 4 }, ...told, ...over }, thread);
  t.after(() => check.close());
  check.load(7, POLICIES);
  const settled = async (count: number): Promise<void> => {
    await until(`${count} are settled`, () => {
      const { checked, failed, dropped } = check.counts;
      return checked + failed + dropped >= count ? true : undefined;
    });
  };
  return { check, divergences, failures, settled };
}

/** Decides as the worker does, unless the action is `exit`, `exit-after` or `hang`. */
function fragile(): OfficialThread {
  const url = (path: string): string => new URL(path, import.meta.url).href;
  const source = `import { answering } from '${url('../src/policy/cedar/official-thread.ts')}';
    import { Judge } from '${url('../src/policy/cross-check-judge.ts')}';
    const judge = new Judge();
    answering((asked) => {
      const is = (action) => 'request' in asked && asked.request.includes('"id":"' + action + '"');
      if (is('exit')) process.exit(1);
      if (is('hang')) for (;;);
      if (is('exit-after')) setTimeout(() => process.exit(1), 1);
      return judge.answer(asked);
    });`;
  return new OfficialThread(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { limitMs: 3000, heapMb: 64, holds: false });
}

test('a thread that is asked nothing ends, what it was told is lost, and the next question finds another', async (t) => {
  const source = `import { answering } from '${new URL('../src/policy/cedar/official-thread.ts', import.meta.url).href}';
    let asked = 0;
    answering(() => ++asked);`;
  const bounds = { limitMs: 10_000, heapMb: 64, holds: true, idleMs: 1 };
  const thread = new OfficialThread(new URL(`data:text/javascript,${encodeURIComponent(source)}`), bounds);
  t.after(() => thread.close());
  assert.deepEqual(await Promise.all([thread.ask({}), thread.ask({})]), [1, 2]);
  await until('it ended', () => (thread.stops === 1 ? true : undefined));
  assert.equal(await thread.ask({}), 1);
});

test('a decision that the official engine confirms is counted and nothing else', async (t) => {
  const { check, divergences, failures, settled } = checking(t);
  check.offer(7, () => facts({ n: 1 }), RIGHT);
  check.offer(7, () => facts({ n: 1 }), { ...RIGHT, reasons: ['owner', 'small'] });
  check.offer(7, () => facts({ n: 1, note: 'no' }), { allowed: false, reasons: ['no-note'], errors: [] });
  check.offer(7, () => facts({ n: 'text' }), { allowed: true, reasons: ['owner'], errors: ['small'] });
  await settled(4);
  assert.deepEqual(
    { ...check.counts, divergences, failures },
    { checked: 4, diverged: 0, dropped: 0, failed: 0, divergences: [], failures: [] },
  );
});

test('a planted divergence is told, with both answers and without a value of the call', async (t) => {
  const { check, divergences, failures, settled } = checking(t);
  const request = { n: 1, note: 'sesame' };
  const planted: readonly (readonly [string, CedarAnswer])[] = [
    ['denied', { ...RIGHT, allowed: false }],
    ['a reason too few', { ...RIGHT, reasons: ['small'] }],
    ['another reason', { ...RIGHT, reasons: ['small', 'no-note'] }],
    ['a reason too many', { ...RIGHT, reasons: ['small', 'owner', 'no-note'] }],
    ['an error too many', { ...RIGHT, errors: ['no-note'] }],
  ];
  for (const [, wrong] of planted) check.offer(7, () => facts(request), wrong);
  check.offer(7, () => facts({ n: 'sesame' }), { allowed: true, reasons: ['owner'], errors: [] });
  await settled(6);
  assert.deepEqual(check.counts, { checked: 6, diverged: 6, dropped: 0, failed: 0 });
  for (const [at, [name, wrong]] of planted.entries()) {
    assert.deepEqual(divergences[at]?.ours, { ...wrong, reasons: wrong.reasons.toSorted() }, name);
    assert.deepEqual(divergences[at].official, { allowed: true, reasons: ['owner', 'small'], errors: [] }, name);
  }
  assert.deepEqual(divergences[5]?.official.errors, ['small']);
  const { context: _, entities: _entities, ...named } = facts({});
  assert.deepEqual(divergences[0]?.request, { version: 7, ...named });
  assert.doesNotMatch(JSON.stringify([divergences, failures]), /sesame/);
});

test('what is compared is exact beyond 2^53', async (t) => {
  const { check, settled } = checking(t);
  const n = 2n ** 62n;
  check.load(8, { static: new Map([['p', `permit (principal, action, resource) when { context.n == ${n} };`]]) });
  check.offer(8, () => facts({ n }), { allowed: true, reasons: ['p'], errors: [] });
  check.offer(8, () => facts({ n: n + 1n }), { allowed: false, reasons: [], errors: [] });
  await settled(2);
  assert.deepEqual(check.counts, { checked: 2, diverged: 0, dropped: 0, failed: 0 });
});

test('only the sample is looked at', async (t) => {
  const drawn = [0.0999, 0.1, 0.9, 0];
  let asked = 0;
  const { check, settled } = checking(t, { sample: 0.1, random: () => drawn.shift() ?? 1 });
  for (let n = 0; n < 4; n++) {
    check.offer(7, () => (asked++, facts({ n: 1 })), RIGHT);
  }
  await settled(2);
  assert.equal(asked, 2);
  assert.deepEqual(check.counts, { checked: 2, diverged: 0, dropped: 0, failed: 0 });
});

test('a decision that cannot be checked is a failure and no divergence', async (t) => {
  const { check, divergences, failures, settled } = checking(t);
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  const offered: readonly (() => CrossFacts)[] = [
    () => facts({ note: null }),
    () => facts({ note: '\ud800' }),
    () => facts({ note: 'sesame', n: 1.5 }),
    () => facts(circular),
    () => assert.fail('no facts'),
    () => facts({ n: 1 }, 'pay', [...ENTITIES, { ...(ENTITIES[0] ?? assert.fail()), attrs: {} }]),
  ];
  for (const one of offered) check.offer(7, one, RIGHT);
  check.offer(7, () => facts({ n: 1 }), RIGHT);
  await settled(7);
  assert.deepEqual(check.counts, { checked: 1, diverged: 0, dropped: 0, failed: 6 });
  assert.deepEqual(divergences, []);
  assert.equal(failures.filter(({ request }) => request === undefined).length, 2);
  assert.doesNotMatch(JSON.stringify(failures), /sesame/);
});

test('the entities of now decide, sent anew only when they are others', async (t) => {
  const { check, settled } = checking(t);
  const moved: readonly OfficialEntity[] = [{ ...(ENTITIES[0] ?? assert.fail()), attrs: { owner: 'sales' } }];
  const small: CedarAnswer = { ...RIGHT, reasons: ['small'] };
  const offered = [ENTITIES, ENTITIES, moved, moved, ENTITIES] as const;
  for (const entities of offered) check.offer(7, () => facts({ n: 1 }, 'pay', entities), entities === moved ? small : RIGHT);
  await settled(5);
  assert.deepEqual(check.counts, { checked: 5, diverged: 0, dropped: 0, failed: 0 });
});

test('a worker that ends or hangs fails one check; the next one has the policies again', async (t) => {
  const { check, failures, settled } = checking(t, {}, fragile());
  for (const action of ['pay', 'exit', 'pay', 'hang', 'pay', 'exit', 'exit', 'pay']) check.offer(7, () => facts({ n: 1 }, action), RIGHT);
  await settled(8);
  assert.deepEqual(check.counts, { checked: 4, diverged: 0, dropped: 0, failed: 4 });
  assert.deepEqual(
    failures.map(({ request, message }) => [request?.action.id, message]),
    [
      ['exit', 'the thread ended with exit code 1'],
      ['hang', 'no answer within 3000 ms'],
      ['exit', 'the thread ended with exit code 1'],
      ['exit', 'the thread ended with exit code 1'],
    ],
  );
});

test('a worker that ends while nothing is asked is replaced', async (t) => {
  const thread = fragile();
  const { check, settled } = checking(t, {}, thread);
  check.offer(7, () => facts({ n: 1 }, 'exit-after'), RIGHT);
  await until('the worker ended', () => (thread.stops === 1 ? true : undefined));
  check.offer(7, () => facts({ n: 1 }), RIGHT);
  await settled(2);
  assert.deepEqual(check.counts, { checked: 2, diverged: 0, dropped: 0, failed: 0 });
});

test('a set that the official engine does not take fails every check, ever more slowly', async (t) => {
  const { check, failures, settled } = checking(t, { backOffMs: { first: 1, most: 50 } });
  check.load(8, { static: new Map([['p', 'permit (']]) });
  for (let n = 0; n < 5; n++) check.offer(8, () => facts({ n: 1 }), RIGHT);
  await settled(5);
  assert.deepEqual(check.counts, { checked: 0, diverged: 0, dropped: 0, failed: 5 });
  assert.match(failures[0]?.message ?? '', /unexpected end of input/);
  check.load(9, POLICIES);
  check.offer(9, () => facts({ n: 1 }), RIGHT);
  await settled(6);
  assert.equal(check.counts.checked, 1);
});

test('a large set arrives whole, templates and links too', async (t) => {
  const { check, settled } = checking(t);
  const many = Array.from(
    { length: 1200 },
    (_, at) => [`p${at}`, `permit (principal, action, resource) when { context.n == ${at} };`] as const,
  );
  const link = { template: 'any', id: 'linked', values: new Map([['?principal', { type: 'Agent', id: 'clerk' }]]) };
  const templates = new Map([['any', 'permit (principal == ?principal, action, resource);']]);
  check.load(8, { static: new Map(many), templates, links: [link] });
  for (const n of [0, 499, 500, 1199]) check.offer(8, () => facts({ n }), { allowed: true, reasons: [`p${n}`, 'linked'], errors: [] });
  check.load(9, { static: new Map() });
  check.offer(9, () => facts({}), { allowed: false, reasons: [], errors: [] });
  await settled(5);
  assert.deepEqual(check.counts, { checked: 2, diverged: 0, dropped: 3, failed: 0 });
});

test('what comes faster than it can be checked is dropped', async (t) => {
  const { check, settled } = checking(t, { waiting: 3 });
  for (let n = 0; n < 10; n++) check.offer(7, () => facts({ n: 1 }), RIGHT);
  assert.equal(check.counts.dropped, 6, 'one is with the worker, three wait');
  await settled(10);
  assert.deepEqual(check.counts, { checked: 4, diverged: 0, dropped: 6, failed: 0 });
});

test('while a worker is not tried again, decisions are dropped and not kept', async (t) => {
  const { check, settled } = checking(t, { waiting: 2, backOffMs: { first: 60_000, most: 60_000 } }, fragile());
  check.offer(7, () => facts({ n: 1 }, 'exit'), RIGHT);
  await settled(1);
  for (let n = 0; n < 5; n++) check.offer(7, () => facts({ n: 1 }), RIGHT);
  assert.deepEqual(check.counts, { checked: 0, diverged: 0, dropped: 3, failed: 1 });
});

test('a decision is checked by the version that made it, or not at all', async (t) => {
  const { check, settled } = checking(t);
  check.offer(7, () => facts({ n: 1 }), RIGHT); // with the worker already
  check.offer(7, () => facts({ n: 1 }), RIGHT);
  check.load(8, { static: new Map([['none', 'forbid (principal, action, resource);']]) });
  check.offer(7, () => facts({ n: 1 }), RIGHT);
  check.offer(8, () => facts({ n: 1 }), { allowed: false, reasons: ['none'], errors: [] });
  await settled(4);
  assert.deepEqual(check.counts, { checked: 2, diverged: 0, dropped: 2, failed: 0 });
});

test('after it is closed nothing is checked', async (t) => {
  const { check, failures } = checking(t);
  for (let n = 0; n < 3; n++) check.offer(7, () => facts({ n: 1 }), RIGHT);
  await check.close();
  check.offer(7, () => assert.fail('asked for facts'), RIGHT);
  assert.deepEqual({ ...check.counts, failures }, { checked: 0, diverged: 0, dropped: 2, failed: 0, failures: [] });
});
