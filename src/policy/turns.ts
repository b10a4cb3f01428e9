// A long piece of work on this thread gives others a turn now and then: decisions go on while a large policy set is made ready.

/** Pieces of work between two turns: one policy read, named or compiled is one, and takes 5 to 50 µs. */
const PIECES = 50;

export class Turns {
  #pieces = 0;

  /** After each piece of work. */
  async next(): Promise<void> {
    if (++this.#pieces % PIECES === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}
