// How often each tool of a session was called, and what its whole numbers come to, held against the naive sum over all calls.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UNCOUNTED } from '../src/domain/provenance.ts';
import { Tallies } from '../src/trust/tallies.ts';

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
        tallies.add(tool, given, 0);
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
  for (let n = 0; n < 512; n++) many.add(`t${n}`, { a: 1 }, 0);
  assert.equal(many.of('t0').same, 1);
  many.add('one more', {}, 0);
  assert.deepEqual([many.of('one more').same, many.of('t0').same], [UNCOUNTED, UNCOUNTED]);
  const wide = new Tallies(false);
  wide.add('pay', Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`a${n}`, 1])), 0);
  assert.equal(wide.of('pay').same, UNCOUNTED);
  wide.add('pay', { a: 1 }, 0);
  assert.equal(wide.of('pay').same, UNCOUNTED, 'and stays so');
  const huge = new Tallies(false);
  huge.add('pay', { a: 2n ** 60n, b: Number.MAX_SAFE_INTEGER, c: -5n }, 0);
  huge.add('pay', { a: 1, b: 1 }, 0);
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
          tallies.add('pay', {}, now);
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

void test('[I10] a window of any number of calls is as small as one of few, and what is not known is beyond any limit in it too', () => {
  const tallies = new Tallies(false);
  for (let n = 0; n < 50_000; n++) tallies.add('pay', {}, n * 100);
  const { minute, hour } = tallies.recent('pay', 5_000_000);
  assert.ok(minute >= 600 && minute <= 610 && hour >= 36_000 && hour <= 36_600);
  assert.deepEqual(tallies.recent('send', 5_000_000), { minute: 0, hour: 0 });
  assert.deepEqual(new Tallies(true).recent('pay', 0), { minute: UNCOUNTED, hour: UNCOUNTED });
  const back = new Tallies(false);
  back.add('pay', {}, 10_000_000);
  assert.deepEqual(back.recent('pay', 0), { minute: 1, hour: 1 }, 'a clock that was set back');
});
