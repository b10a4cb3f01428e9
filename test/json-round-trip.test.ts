// What is read by JSON.parse, because it comes back as it was, beside the strict reader: a space before a text sends it to the reader.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJson } from '../src/domain/json.ts';

const BOUNDS = { maxBytes: 10_000, maxDepth: 4 };

function read(text: string): unknown {
  try {
    return { value: parseJson(Buffer.from(text), BOUNDS) };
  } catch (error) {
    assert.ok(error instanceof Error);
    return { refused: error.message.replace(/\d+/g, 'n') };
  }
}

const same = (text: string): void => assert.deepEqual(read(text), read(` ${text}`), text);

void test('[RFC7493] [I2] both readers read the same, or refuse for the same reason', () => {
  fc.assert(fc.property(fc.json({ maxDepth: 6 }), same), { numRuns: 2000 });
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"a"',
    '"b"',
    '"\\ud800"',
    '"\\uD800"',
    '"\\u0061"',
    '"10"',
    '"9"',
    '1',
    '-0',
    '1.0',
    '1e2',
  );
  const more = fc.constantFrom(
    '9007199254740993',
    '1e999',
    'true',
    'null',
    '"__proto__"',
    '"\u2028"',
    '"é"',
    '"\\n"',
    '"\\/"',
    '01',
    '"\ud83d\ude00"',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, more), { maxLength: 12 }), (parts) => same(parts.join(''))),
    { numRuns: 5000 },
  );
});

void test('[RFC7493] [I2] what JSON.parse would pass over in silence is refused, however the text is written', () => {
  const bad = [
    '{"a":1,"a":1}',
    '{"a":1,"\\u0061":2}',
    '"\\ud800"',
    '["\\udc00x"]',
    '[[[[[1]]]]]',
    '{"a":{"a":{"a":{"a":{"a":1}}}}}',
    '{"__proto__":1,"__proto__":1}',
  ];
  for (const text of bad) assert.throws(() => parseJson(Buffer.from(text), BOUNDS), { code: 'CORDON-9011' }, text);
  assert.equal(parseJson(Buffer.from('9007199254740993'), BOUNDS), 9007199254740993n);
  assert.ok(Object.hasOwn(parseJson(Buffer.from('{"__proto__":1}'), BOUNDS) as object, '__proto__'));
});
