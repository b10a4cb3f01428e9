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
        tallies.add(tool, given);
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
  for (let n = 0; n < 512; n++) many.add(`t${n}`, { a: 1 });
  assert.equal(many.of('t0').same, 1);
  many.add('one more', {});
  assert.deepEqual([many.of('one more').same, many.of('t0').same], [UNCOUNTED, UNCOUNTED]);
  const wide = new Tallies(false);
  wide.add('pay', Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`a${n}`, 1])));
  assert.equal(wide.of('pay').same, UNCOUNTED);
  wide.add('pay', { a: 1 });
  assert.equal(wide.of('pay').same, UNCOUNTED, 'and stays so');
  const huge = new Tallies(false);
  huge.add('pay', { a: 2n ** 60n, b: Number.MAX_SAFE_INTEGER, c: -5n });
  huge.add('pay', { a: 1, b: 1 });
  assert.deepEqual(huge.of('pay'), { same: 2, sums: { a: UNCOUNTED, b: UNCOUNTED } });
});
