// Every decoder of what others send, in a short run: mutations of a corpus. `npm run conformance -- fuzz-wire` runs them long.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Random } from '../conformance/random.ts';
import { DECODER_NAMES, fuzz } from '../conformance/wire/fuzz.ts';

const SEED = 2026;

describe('[I10] decoders refuse with a code, or accept what means one thing', () => {
  for (const name of DECODER_NAMES) {
    void test(name, async () => {
      const { accepted, refused, failures } = await fuzz(name, 400, new Random(SEED));
      assert.deepEqual(failures, []);
      assert.ok(accepted > 0 && accepted + refused >= 400, `${accepted} accepted, ${refused} refused`);
    });
  }

  void test('[RFC7493] a reader that is not strict is noticed, and so is one that fails in its own way', async () => {
    const lax = await fuzz('json', 400, new Random(SEED), (bytes) => {
      const text = bytes.toString();
      return JSON.stringify(JSON.parse(text)).length > text.length ? 'grew' : undefined;
    });
    assert.ok(
      lax.failures.some((line) => line.includes('SyntaxError')),
      lax.failures[0],
    );
    const wrong = await fuzz('mcp-header', 50, new Random(SEED), () => 'another value');
    assert.ok(wrong.failures.length > 50);
    assert.match(wrong.failures[0] ?? '', /^mcp-header: another value: base64:/);
  });

  void test('the same seed makes the same inputs', async () => {
    const [one, two] = [await fuzz('json', 200, new Random(1)), await fuzz('json', 200, new Random(1))];
    assert.deepEqual(one, two);
  });
});
