// Cedar's `Long`: 64-bit signed, exact, an error on overflow. Held as a JavaScript number while that is exact, as a bigint beyond:
// one value, one form, so that `===` is equality.
import { EvaluationError } from './evaluation-error.ts';

/** INVARIANT: a number is a safe integer and never −0; a bigint is not a safe integer and fits 64 bits. */
export type Long = number | bigint;

export const LONG_MIN = -(2n ** 63n);
export const LONG_MAX = 2n ** 63n - 1n;
const SAFE_MIN = BigInt(Number.MIN_SAFE_INTEGER);
const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** The canonical form. @throws EvaluationError overflow */
export function longOf(value: bigint): Long {
  if (value >= SAFE_MIN && value <= SAFE_MAX) return Number(value);
  if (value < LONG_MIN || value > LONG_MAX) throw new EvaluationError('overflow', 'integer overflow');
  return value;
}

/** `+ 0` turns −0 into 0. */
export function add(a: Long, b: Long): Long {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum + 0;
  }
  return longOf(BigInt(a) + BigInt(b));
}

export function subtract(a: Long, b: Long): Long {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b;
    if (Number.isSafeInteger(difference)) return difference + 0;
  }
  return longOf(BigInt(a) - BigInt(b));
}

export function multiply(a: Long, b: Long): Long {
  if (typeof a === 'number' && typeof b === 'number') {
    const product = a * b;
    if (Number.isSafeInteger(product)) return product + 0;
  }
  return longOf(BigInt(a) * BigInt(b));
}

export function negate(a: Long): Long {
  return typeof a === 'number' ? 0 - a : longOf(-a);
}

export const isLong = (value: unknown): value is Long => typeof value === 'number' || typeof value === 'bigint';

/** More digits than any 64-bit integer has. */
const TOO_MANY = 20;

/** The number that decimal digits write. Of one that 64 bits cannot hold only the beginning is read: it overflows all the same. */
export const magnitudeOf = (digits: string): bigint => BigInt(digits.replace(/^0+(?=\d)/, '').slice(0, TOO_MANY));
