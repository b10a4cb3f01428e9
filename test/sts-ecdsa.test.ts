// [RFC7518 §3.4] r ‖ s and DER: by our conversion and by Node's, for numbers that are long and short.
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { describe, test } from 'node:test';
import { signRaw, verifyRaw, type Size } from '../src/crypto/ecdsa.ts';

const CURVES: readonly (readonly [string, string, Size])[] = [
  ['P-256', 'sha256', 32],
  ['P-384', 'sha384', 48],
  ['P-521', 'sha512', 66],
];
const SIGNATURES = 600; // one in 128 has a number that is a byte shorter

describe('[RFC7518 §3.4] signatures as JOSE has them', () => {
  for (const [namedCurve, hash, size] of CURVES) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
    const many = Array.from({ length: SIGNATURES / (size === 32 ? 1 : 6) }, (_, at) => Buffer.from(`message ${at}`));
    test(`${namedCurve}: ours are verified by Node`, () => {
      for (const bytes of many) {
        assert.ok(verify(hash, bytes, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signRaw(hash, bytes, privateKey, size)));
      }
    });
    test(`${namedCurve}: Node's are verified by us`, () => {
      for (const bytes of many) {
        assert.ok(verifyRaw(hash, bytes, publicKey, sign(hash, bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' }), size));
      }
    });
    test(`${namedCurve}: nothing else is`, () => {
      const [bytes = Buffer.alloc(0), other = Buffer.alloc(0)] = many;
      const raw = signRaw(hash, bytes, privateKey, size);
      const flipped = Buffer.from(raw);
      flipped[size] = (flipped[size] ?? 0) ^ 1;
      const swapped = Buffer.concat([raw.subarray(size), raw.subarray(0, size)]);
      const wrong = [
        flipped,
        swapped,
        raw.subarray(1),
        Buffer.concat([raw, Buffer.alloc(1)]),
        Buffer.alloc(2 * size),
        Buffer.alloc(2 * size, 255),
        Buffer.alloc(0),
        sign(hash, bytes, privateKey),
      ];
      for (const signature of wrong) assert.equal(verifyRaw(hash, bytes, publicKey, signature, size), false);
      assert.equal(verifyRaw(hash, other, publicKey, raw, size), false);
    });
  }
});
