// Randomness for identifiers and secrets. Nothing else in Cordon may make an unguessable value.
import { randomBytes, randomFillSync } from 'node:crypto';

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** Bytes that ids are made of, each used once; drawn together, because one draw costs more than an id. */
const pool = new Uint8Array(4096);
let used = pool.length;

/** `length` random characters, at most 4,096, of Crockford's base 32 (5 bits each). */
export function randomId(length: number): string {
  if (used + length > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  let id = '';
  for (const end = used + length; used < end; used++) id += CROCKFORD[(pool[used] ?? 0) & 31];
  return id;
}

/** In `length` characters that sort as the numbers do. */
function written(value: number, length: number): string {
  let text = '';
  for (let rest = value, i = 0; i < length; i++, rest = Math.floor(rest / 32)) text = (CROCKFORD[rest % 32] ?? '') + text;
  return text;
}

const SECONDS_LENGTH = 7;

/** The second of `now` (Unix milliseconds), then 10 random characters: ids that sort by time, so that an index of them grows at its end alone. */
export const timedId = (now: number): string => written(Math.floor(now / 1000), SECONDS_LENGTH) + randomId(10);

const MS_LENGTH = 9;

/** `length` characters, of which the first say the millisecond of `now` (Unix), so that whoever reads it knows when it was made. */
export const datedId = (now: number, length: number): string => written(now, MS_LENGTH) + randomId(length - MS_LENGTH);

/** When an id of `datedId` was made, Unix milliseconds; 0 for any text that is none. */
export function dateIn(id: string): number {
  if (!/^[0-9A-HJKMNP-TV-Z]{10,}$/.test(id)) return 0;
  let date = 0;
  for (const digit of id.slice(0, MS_LENGTH)) date = date * 32 + CROCKFORD.indexOf(digit);
  return date;
}

/** A secret of 256 bits, base64url. */
export const randomSecret = (): string => randomBytes(32).toString('base64url');

const SERIAL_BYTES = 16;
const serials = Buffer.alloc(256 * SERIAL_BYTES);
let nextSerial = serials.length;

/** A certificate serial: 126 random bits, hex, never zero, never negative (RFC 5280 §4.1.2.2). Drawn ahead: one is wanted for every SVID. */
export function randomSerial(): string {
  if (nextSerial === serials.length) {
    randomFillSync(serials);
    nextSerial = 0;
  }
  const bytes = serials.subarray(nextSerial, (nextSerial += SERIAL_BYTES));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

const nonces = Buffer.alloc(1024 * 12);
let nextNonce = nonces.length;

/** 12 random bytes, for AES-GCM (NIST SP 800-38D §8.2.2). Drawn ahead: one is wanted for every decision. */
export function randomNonce(): Uint8Array {
  if (nextNonce === nonces.length) {
    randomFillSync(nonces);
    nextNonce = 0;
  }
  return Uint8Array.prototype.slice.call(nonces, nextNonce, (nextNonce += 12));
}

/** 32 fresh bytes, for keys. */
export const randomKey = (): Uint8Array => randomBytes(32);

/** Draws from [0, 1), 32 bits each; made a thousand at a time, because one is wanted for every decision. */
export class Draws {
  readonly #bytes = new DataView(new ArrayBuffer(4096));
  #at = this.#bytes.byteLength;

  next(): number {
    if (this.#at === this.#bytes.byteLength) {
      randomFillSync(this.#bytes);
      this.#at = 0;
    }
    const drawn = this.#bytes.getUint32(this.#at);
    this.#at += 4;
    return drawn / 2 ** 32;
  }
}
