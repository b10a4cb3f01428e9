// Randomness for identifiers and secrets. Nothing else in Cordon may make an unguessable value.
import { randomBytes, randomFillSync } from 'node:crypto';

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** `length` random characters of Crockford's base 32 (5 bits each). */
export const randomId = (length: number): string => Array.from(randomBytes(length), (byte) => CROCKFORD[byte & 31]).join('');

/** A secret of 256 bits, base64url. */
export const randomSecret = (): string => randomBytes(32).toString('base64url');

/** A certificate serial: 127 random bits, hex, never zero, never negative (RFC 5280 §4.1.2.2). */
export function randomSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
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
