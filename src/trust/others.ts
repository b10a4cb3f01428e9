// Which words stood in text of others: a filter of fixed size, asked only to say why a value is not trusted. A false hit calls a value
// untrusted that was never seen; both are refused.
import type { Fingerprints } from './fingerprints.ts';

const BITS = 1 << 20;

export class Others {
  readonly #fingerprints: Fingerprints;
  readonly #bits = new Int32Array(BITS / 32);

  constructor(fingerprints: Fingerprints) {
    this.#fingerprints = fingerprints;
  }

  get bytes(): number {
    return this.#bits.byteLength;
  }

  learn(text: string): void {
    this.#fingerprints.read(text, (first) => {
      const bit = first & (BITS - 1);
      this.#bits[bit >> 5] = (this.#bits[bit >> 5] ?? 0) | (1 << (bit & 31));
    });
  }

  /** Whether every word of `value` stood there. */
  has(value: string): boolean {
    let [words, known] = [0, 0];
    this.#fingerprints.read(value, (first) => {
      const bit = first & (BITS - 1);
      words += 1;
      known += ((this.#bits[bit >> 5] ?? 0) >> (bit & 31)) & 1;
    });
    return words > 0 && words === known;
  }
}
