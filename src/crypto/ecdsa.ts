// ECDSA signatures in their two forms: DER as OpenSSL makes them (RFC 3279 §2.2.3), and r ‖ s of fixed length as JOSE has them (RFC 7518
// §3.4). Node converts them too, at the price of another signature.
import { sign, verify, type KeyObject } from 'node:crypto';

/** Bytes of r, and of s. */
export type Size = 32 | 48 | 66;

const SEQUENCE = 0x30;
const INTEGER = 0x02;

/** @returns r ‖ s */
export function signRaw(hash: string, bytes: Uint8Array, key: KeyObject, size: Size): Buffer {
  const der = sign(hash, bytes, key);
  const raw = Buffer.alloc(2 * size);
  // what was just made is well formed: SEQUENCE, INTEGER r, INTEGER s; a length of 128 and more takes two bytes, as only P-521 has it
  let at = (der[1] ?? 0) > 0x80 ? 3 : 2;
  for (const end of [size, 2 * size]) {
    const next = at + 2 + (der[at + 1] ?? 0);
    const number = der.subarray(Math.max(at + 2, next - size), next);
    raw.set(number, end - number.length);
    at = next;
  }
  return raw;
}

/** Is it the signature of the key? Of another length than two numbers of that size it is none. attacker-controlled */
export function verifyRaw(hash: string, bytes: Uint8Array, key: KeyObject, raw: Uint8Array, size: Size): boolean {
  return raw.length === 2 * size && verify(hash, bytes, key, derOf(raw, size));
}

function derOf(raw: Uint8Array, size: Size): Uint8Array {
  const [r, s] = [integer(raw.subarray(0, size)), integer(raw.subarray(size))];
  const length = r.length + s.length;
  return Buffer.concat([length < 0x80 ? [SEQUENCE, length] : [SEQUENCE, 0x81, length], r, s].map((part) => Uint8Array.from(part)));
}

/** The shortest INTEGER of a number that is not negative. */
function integer(number: Uint8Array): Uint8Array {
  let from = 0;
  while (from < number.length - 1 && number[from] === 0) from++;
  const pad = (number[from] ?? 0) < 0x80 ? 0 : 1;
  const der = new Uint8Array(2 + pad + number.length - from);
  der.set([INTEGER, der.length - 2]);
  der.set(number.subarray(from), 2 + pad);
  return der;
}
