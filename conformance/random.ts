// Randomness that a seed repeats (splitmix32). For choosing test cases: it can be guessed, so nothing else may use it.
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** A whole number from 0 to `n` − 1. */
  below(n: number): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let mixed = this.#state ^ (this.#state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return Math.floor((((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32) * n);
  }

  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  chance(share: number): boolean {
    return this.below(1 << 20) < share * (1 << 20);
  }

  /** @throws Error when there is nothing to pick */
  pick<T>(from: readonly T[]): T {
    const picked = from[this.below(from.length)];
    if (picked === undefined) throw new Error('nothing to pick from');
    return picked;
  }

  /** Those that a coin of this bias picks, in their order. */
  some<T>(from: readonly T[], share: number): T[] {
    return from.filter(() => this.chance(share));
  }

  list<T>(length: number, make: () => T): T[] {
    return Array.from({ length }, make);
  }

  shuffled<T>(from: readonly T[]): T[] {
    return from
      .map((one) => ({ one, at: this.below(1 << 20) }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ one }) => one);
  }
}
