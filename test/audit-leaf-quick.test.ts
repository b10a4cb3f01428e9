// The quick way to canonical JSON beside the library's: whatever it writes by itself is what RFC 8785 says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { canonicalJson } from '../src/audit/leaf.ts';

const said = (write: () => string | undefined): string => {
  try {
    return write() ?? 'no form';
  } catch {
    return 'no form';
  }
};

const same = (value: unknown): void =>
  assert.equal(
    said(() => canonicalJson(value)),
    said(() => canonicalize(value)),
  );

void test('[RFC8785] the quick form is the form of the library, for values of every kind', () => {
  const numbers = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(-0, Number.NaN, Infinity, 1e21, 5e-324, 2 ** 53));
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('\ud800', '\\ud800', 'a\udc00b', '\u2028', '10', '9', '__proto__', 'toJSON'),
  );
  const values = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, numbers, texts, fc.boolean(), fc.constant(null), fc.constant(undefined), tie('list'), tie('record')),
    list: fc.array(tie('value'), { maxLength: 4 }),
    record: fc.dictionary(texts, tie('value'), { maxKeys: 5 }),
  }));
  fc.assert(fc.property(values.value, same), { numRuns: 2000 });
});

void test('[RFC8785] what JSON.stringify would write in another way goes to the library', () => {
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  class Named {
    readonly name = 'x';
    toJSON(): string {
      return 'named';
    }
  }
  for (const value of [
    cycle,
    new Named(),
    { a: new Date(0) },
    { '10': 1, '9': 2 },
    { a: 10n },
    [undefined],
    { b: undefined, a: 1 },
    new Map(),
  ])
    same(value);
});
