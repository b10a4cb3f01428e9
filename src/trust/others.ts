// Which words stood in text of others: a filter of fixed size, asked only to say why a value is not trusted. A false hit calls a value
// untrusted that was never seen; both are refused.
import type { Words } from './fingerprints.ts';

const BITS = 1 << 19;

export class Others {
  readonly #bits = new Int32Array(BITS / 32);

  get bytes(): number {
    return this.#bits.byteLength;
  }

  learn({ first }: Words, from: number, to: number): void {
    const bits = this.#bits;
    for (let at = from; at < to; at += 1) {
      const bit = (first[at] ?? 0) & (BITS - 1);
      bits[bit >> 5] = (bits[bit >> 5] ?? 0) | (1 << (bit & 31));
    }
  }

  /** Whether every word stood there. */
  hasAll({ first, count }: Words): boolean {
    for (let at = 0; at < count; at += 1) {
      const bit = (first[at] ?? 0) & (BITS - 1);
      if ((((this.#bits[bit >> 5] ?? 0) >> (bit & 31)) & 1) === 0) return false;
    }
    return count > 0;
  }
}
