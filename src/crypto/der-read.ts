// Reading DER (ITU-T X.690 §10), strictly; knows nothing of what writes it. Promises: what is read has one encoding, and nothing after it.
import { Refusal } from '../domain/refusal.ts';

const malformed = (why: string): Refusal => new Refusal('CORDON-1006', `DER malformed: ${why}`);

/** Reads the elements of one constructed value, one after another. attacker-controlled; every method @throws Refusal CORDON-1006 */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, from = 0, to = bytes.length) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }

  /** The tag of the next element; undefined at the end. */
  get tag(): number | undefined {
    return this.#at === this.#end ? undefined : this.#bytes[this.#at];
  }

  /** The content of the next element, which must have this tag. */
  content(tag: number): Uint8Array {
    const start = this.#enter(tag);
    return this.#bytes.subarray(start, this.#at);
  }

  /** The next element whole, with its tag and length. */
  whole(tag: number): Uint8Array {
    const from = this.#at;
    this.#enter(tag);
    return this.#bytes.subarray(from, this.#at);
  }

  /** The elements inside the next element. */
  inside(tag: number): DerReader {
    const start = this.#enter(tag);
    return new DerReader(this.#bytes, start, this.#at);
  }

  /** Nothing may follow. */
  finish(): void {
    if (this.#at !== this.#end) throw malformed('something follows');
  }

  /** Goes past the next element. @returns where its content starts */
  #enter(tag: number): number {
    if (this.tag !== tag) throw malformed(`tag ${this.tag?.toString(16) ?? 'missing'} where ${tag.toString(16)} belongs`);
    let length = this.#bytes[this.#at + 1] ?? 0xff;
    let start = this.#at + 2;
    if (length >= 0x80) {
      const size = length & 0x7f;
      if (size === 0 || size > 3) throw malformed('length');
      length = 0;
      for (let left = size; left > 0; left--) length = length * 256 + (this.#bytes[start++] ?? 0);
      if (length < 0x80 || length < 256 ** (size - 1)) throw malformed('length is not the shortest');
    }
    if (start + length > this.#end) throw malformed('cut off');
    this.#at = start + length;
    return start;
  }
}

/** A UTCTime or GeneralizedTime with seconds and `Z` (RFC 5280 §4.1.2.5). @returns Unix milliseconds */
export function readTime(from: DerReader): number {
  const utc = from.tag === 0x17;
  const text = Buffer.from(from.content(utc ? 0x17 : 0x18)).toString('latin1');
  if (!(utc ? /^\d{12}Z$/ : /^\d{14}Z$/).test(text)) throw malformed('time');
  const digits = utc ? `${text < '5' ? '20' : '19'}${text}` : text;
  const part = (at: number, length = 2): number => Number(digits.slice(at, at + length));
  const [year, month, day, hour, minute, second] = [part(0, 4), part(4), part(6), part(8), part(10), part(12)];
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  // no 30th of February, no 25th hour, no leap second: what overflows comes out as another day or minute
  const read = new Date(ms);
  if (read.getUTCDate() !== day || read.getUTCHours() !== hour || read.getUTCSeconds() !== second || month < 1 || month > 12) {
    throw malformed('time');
  }
  if (!utc && year < 2050) throw malformed('GeneralizedTime before 2050');
  return ms;
}

/** An INTEGER that is not negative. @returns hex, an even number of digits */
export function readPositive(from: DerReader): string {
  const bytes = from.content(0x02);
  const [first = 0x80, second = 0] = bytes;
  if (first >= 0x80) throw malformed('negative or empty integer');
  const padded = first === 0 && bytes.length > 1;
  if (padded && second < 0x80) throw malformed('integer is not the shortest');
  return Buffer.from(padded ? bytes.subarray(1) : bytes).toString('hex');
}
