// Strict JSON: whatever JSON.parse and we both read, we read alike; what two readers could read differently, we refuse.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJson, writeJson, type Json } from '../src/domain/json.ts';

const BOUNDS = { maxBytes: 100_000, maxDepth: 32 };
const parse = (text: string): Json => parseJson(Buffer.from(text), BOUNDS);
const refused = (text: string | Uint8Array): void => {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  assert.throws(() => parseJson(bytes, BOUNDS), { code: 'CORDON-9011' }, JSON.stringify(String(text)).slice(0, 80));
};

/** As JSON.parse would have it: exact integers rounded to doubles. */
const rounded = (value: Json): unknown => JSON.parse(writeJson(value));

void test('[I2] agrees with JSON.parse on every value, and what is written is read back the same', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const text = JSON.stringify(value);
      if (!text.isWellFormed() || /\\ud[89a-f]/i.test(text)) return;
      const expected: unknown = JSON.parse(text);
      assert.deepEqual(rounded(parse(text)), expected);
    }),
    { numRuns: 2000 },
  );
});

void test('[I2] never accepts what JSON.parse refuses', () => {
  const soup = fc.stringMatching(/^[[\]{}":,0-9eE+\-.\\ truefalsn\u0000-\u001f]{0,24}$/);
  fc.assert(
    fc.property(soup, (text) => {
      let ours = true;
      try {
        parse(text);
      } catch {
        ours = false;
      }
      if (ours) assert.doesNotThrow(() => JSON.parse(text) as unknown, text);
    }),
    { numRuns: 20_000 },
  );
});

void test('[I2] [RFC7493 §2.3] duplicate keys are refused, however they are written and however deep', () => {
  for (const text of [
    '{"a":1,"a":1}',
    '{"a":1,"\\u0061":2}',
    '{"x":{"a":1,"b":2,"a":3}}',
    '[{"__proto__":1,"__proto__":2}]',
    '{"":1,"":2}',
  ])
    refused(text);
});

void test('`__proto__` and `constructor` are data', () => {
  const value = parse('{"__proto__":{"polluted":true},"constructor":1}') as Record<string, unknown>;
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.equal((value as { polluted?: unknown }).polluted, undefined);
  assert.deepEqual(Object.keys(value), ['__proto__', 'constructor']);
  assert.equal(writeJson(value as Json), '{"__proto__":{"polluted":true},"constructor":1}');
});

void test('integers stay exact beyond 2^53', () => {
  for (const text of ['9007199254740993', '-9223372036854775808', '9223372036854775807', '123456789012345678901234567890']) {
    assert.equal(parse(text), BigInt(text));
    assert.equal(writeJson(parse(`[${text}]`)), `[${text}]`);
  }
  assert.equal(parse('9007199254740991'), 9_007_199_254_740_991);
});

void test('[I10] bounds, encodings and half-written input are refused', () => {
  refused('['.repeat(40) + ']'.repeat(40));
  refused(`"${'x'.repeat(100_000)}"`);
  refused('9'.repeat(500));
  refused('1e999');
  for (const text of [
    '',
    ' ',
    '{',
    '[1,',
    '"a',
    '{"a"',
    '{"a":}',
    '01',
    '+1',
    '.5',
    '1.',
    'NaN',
    "{'a':1}",
    '[1,]',
    '{"a":1,}',
    '{} {}',
    '\ufeff{}',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\x41"',
    '"\t"',
    'nul',
    'truefalse',
    '/**/1',
  ])
    refused(text);
  refused(Uint8Array.of(0x22, 0xff, 0x22));
  refused(Uint8Array.of(0x22, 0xc0, 0x80, 0x22));
  refused(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22));
});
