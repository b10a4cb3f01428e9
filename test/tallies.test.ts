// How often each tool of a session was called, and what its whole numbers come to, held against the naive sum over all calls.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UNCOUNTED } from '../src/domain/provenance.ts';
import { Tallies, wholesIn } from '../src/trust/tallies.ts';

type Args = Readonly<Record<string, unknown>>;
const value = fc.oneof(fc.integer({ min: -1000, max: 1000 }), fc.double(), fc.string(), fc.constant(null), fc.boolean(), fc.constant([5]));
const calls = fc.array(
  fc.tuple(fc.constantFrom('pay', 'send', '__proto__'), fc.dictionary(fc.constantFrom('a', 'b', 'constructor'), value)),
);

const naive = (all: readonly (readonly [string, Args])[], tool: string): { same: number; sums: Record<string, number> } => {
  const own = all.filter(([name]) => name === tool).map(([, given]) => given);
  const sums: Record<string, number> = {};
  for (const given of own)
    for (const [name, one] of Object.entries(given))
      if (Number.isInteger(one) && (one as number) > 0)
        sums[name] = Math.min((Object.hasOwn(sums, name) ? (sums[name] ?? 0) : 0) + (one as number), UNCOUNTED);
  return { same: own.length, sums };
};

void test('property: after every call the tallies are those of all calls so far, and none goes down', () => {
  fc.assert(
    fc.property(calls, (all) => {
      const tallies = new Tallies(false);
      for (const [at, [tool, given]] of all.entries()) {
        const before = tallies.of(tool);
        tallies.add(tool, wholesIn(given), 0);
        assert.deepEqual({ ...tallies.of(tool) }, naive(all.slice(0, at + 1), tool));
        for (const [name, sum] of Object.entries(before.sums)) assert.ok((tallies.of(tool).sums[name] ?? 0) >= sum);
      }
    }),
    { seed: 20_261_123, numRuns: 300 },
  );
});

void test('[I10] what does not fit, or is not known, is beyond any limit', () => {
  assert.equal(new Tallies(true).of('pay').same, UNCOUNTED);
  const many = new Tallies(false);
  for (let n = 0; n < 512; n++) many.add(`t${n}`, wholesIn({ a: 1 }), 0);
  assert.equal(many.of('t0').same, 1);
  many.add('one more', wholesIn({}), 0);
  assert.deepEqual([many.of('one more').same, many.of('t0').same], [UNCOUNTED, UNCOUNTED]);
  const wide = new Tallies(false);
  wide.add('pay', wholesIn(Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`a${n}`, 1]))), 0);
  assert.equal(wide.of('pay').same, UNCOUNTED);
  wide.add('pay', wholesIn({ a: 1 }), 0);
  assert.equal(wide.of('pay').same, UNCOUNTED, 'and stays so');
  const huge = new Tallies(false);
  huge.add('pay', wholesIn({ a: 2n ** 60n, b: Number.MAX_SAFE_INTEGER, c: -5n }), 0);
  huge.add('pay', wholesIn({ a: 1, b: 1 }), 0);
  assert.deepEqual(huge.of('pay'), { same: 2, sums: { a: UNCOUNTED, b: UNCOUNTED } });
});

void test('property: what is told of a window is never less than what was called within it, and at most a sixtieth of it more', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 900_000 }), { maxLength: 300 }),
      fc.integer({ min: 0, max: 7_200_000 }),
      (waits, later) => {
        const tallies = new Tallies(false);
        let now = 1_764_000_000_123;
        const times = waits.map((wait) => {
          now += wait;
          tallies.add('pay', wholesIn({}), now);
          return now;
        });
        now += later;
        const { minute, hour } = tallies.recent('pay', now);
        const within = (ms: number): number => times.filter((at) => now - at < ms).length;
        assert.ok(minute >= within(60_000) && minute <= within(61_000 + 1));
        assert.ok(hour >= within(3_600_000) && hour <= within(3_660_000 + 1));
      },
    ),
    { seed: 20_261_124, numRuns: 300 },
  );
});

void test('property: a call that is taken out again leaves what was there before it', () => {
  fc.assert(
    fc.property(calls, calls, (kept, taken) => {
      const tallies = new Tallies(false);
      const all = [...kept.map((call) => [true, call] as const), ...taken.map((call) => [false, call] as const)];
      const mixed = all.map((one, n) => [(n * 7919) % (all.length || 1), one] as const).sort(([a], [b]) => a - b);
      for (const [, [, [tool, given]]] of mixed) tallies.add(tool, wholesIn(given), 0);
      tallies.remove('never called', wholesIn({ a: 1 }), 0);
      for (const [tool, given] of taken) tallies.remove(tool, wholesIn(given), 0);
      for (const tool of ['pay', 'send', '__proto__']) assert.deepEqual({ ...tallies.of(tool) }, naive(kept, tool));
    }),
    { seed: 20_261_124, numRuns: 300 },
  );
});

void test('[I10] a window of any number of calls is as small as one of few, and what is not known is beyond any limit in it too', () => {
  const tallies = new Tallies(false);
  for (let n = 0; n < 50_000; n++) tallies.add('pay', wholesIn({}), n * 100);
  const { minute, hour } = tallies.recent('pay', 5_000_000);
  assert.ok(minute >= 600 && minute <= 610 && hour >= 36_000 && hour <= 36_600);
  assert.deepEqual(tallies.recent('send', 5_000_000), { minute: 0, hour: 0 });
  assert.deepEqual(new Tallies(true).recent('pay', 0), { minute: UNCOUNTED, hour: UNCOUNTED });
  const back = new Tallies(false);
  back.add('pay', wholesIn({}), 10_000_000);
  assert.deepEqual(back.recent('pay', 0), { minute: 1, hour: 1 }, 'a clock that was set back');
});

void test('[I10] a call that was too much to add up, and is taken out again, leaves no trace; nor does an amount beyond what a number holds', () => {
  const tallies = new Tallies(false);
  tallies.add('pay', wholesIn({ a: 5 }), 0);
  const [wide, huge, long] = [
    Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`a${n}`, 1])),
    { a: 2n ** 60n },
    { ['n'.repeat(257)]: 1 },
  ];
  for (const given of [wide, huge, long]) {
    tallies.add('pay', wholesIn(given), 0);
    tallies.remove('pay', wholesIn(given), 0);
    assert.deepEqual(tallies.of('pay'), { same: 1, sums: { a: 5 } });
  }
  assert.equal(tallies.size, 1);
});
