// What a session has seen of text that may explain a value: words in their order, each with where it stood. Incremental and bounded;
// what no longer fits is unknown, and the unknown is not trusted. Text of others is never put in here: it could only widen.
import type { Words } from './fingerprints.ts';

/**
 * `task`: what people wrote for it. `field`: a short value of a record. `label`: the same, yet with words of an order in it, so that only
 * the whole explains anything. `named`: free text of a source that the task points at. `linked`: of one that such text points at.
 * `planned`: of a tool whose outputs the plan wants for one argument. `order`:
 * words to the assistant inside content, which explain nothing and cast doubt on what they name.
 */
export type Origin = 'task' | 'field' | 'label' | 'named' | 'linked' | 'planned' | 'order';
const BIT: Readonly<Record<Origin, number>> = { task: 1, field: 2, label: 4, named: 8, linked: 16, planned: 32, order: 64 };
const EVERY = 126;

export const MAX_WORDS = 1 << 18;
/** Places of one word that are looked at for the words that follow it. */
const MAX_PLACES = 512;
const CHUNK = 1 << 10;
/** Of a place: two fingerprints, its origin (a bit of `BIT`, 0 at the edge between two pieces), the place before it in its slot. */
const WIDTH = 4;

export class Seen {
  /** Places in order, side by side in memory. A chunk never moves, so no call pays for the growth of a session. */
  readonly #chunks: Int32Array[] = [];
  /** The last place of each slot; 0 for none, so place 0 stays an edge. */
  readonly #slots: Int32Array;
  #count = 0;

  /** @param slots a power of two; chains grow long past it */
  constructor(slots = 1 << 16) {
    this.#slots = new Int32Array(slots);
    this.#part();
  }

  /** Memory of the index, in bytes. */
  get bytes(): number {
    return this.#slots.byteLength + this.#chunks.length * CHUNK * WIDTH * 4;
  }

  get full(): boolean {
    return this.#count >= MAX_WORDS;
  }

  /** Remembers words `from` to `to` as one piece: no value is ever found across the edge of two. */
  learn({ first, second }: Words, from: number, to: number, origin: Origin): void {
    const until = Math.min(to, from + MAX_WORDS - 1 - this.#count);
    for (let at = from; at < until; at += 1) this.#add(first[at] ?? 0, second[at] ?? 0, BIT[origin]);
    if (until > from) this.#part();
    if (until < to) this.#count = MAX_WORDS;
  }

  /** The origins of a value as a run of whole words; none when it stands nowhere. */
  originsOf(value: Words): Origins {
    return new Origins(value.count === 0 ? 0 : this.#find(value));
  }

  #add(first: number, second: number, bit: number): void {
    const place = this.#count++;
    const chunk = this.#chunkFor(place);
    const at = (place & (CHUNK - 1)) * WIDTH;
    const slot = first & (this.#slots.length - 1);
    chunk[at] = first;
    chunk[at + 1] = second;
    chunk[at + 2] = bit;
    chunk[at + 3] = this.#slots[slot] ?? 0;
    this.#slots[slot] = place;
  }

  /** The edge of a piece: a place without a word. */
  #part(): void {
    this.#chunkFor(this.#count)[(this.#count & (CHUNK - 1)) * WIDTH + 2] = 0;
    this.#count += 1;
  }

  #chunkFor(place: number): Int32Array {
    const known = this.#chunks[place >> 10];
    if (known !== undefined) return known;
    const chunk = new Int32Array(CHUNK * WIDTH);
    this.#chunks.push(chunk);
    return chunk;
  }

  #find(value: Words): number {
    let bits = 0;
    const first = value.first[0] ?? 0;
    let place = this.#slots[first & (this.#slots.length - 1)] ?? 0;
    for (let looked = 0; place !== 0 && bits !== EVERY; looked += 1) {
      // a word that is everywhere could hide the order that names it
      if (looked === MAX_PLACES) return bits | BIT.order;
      const chunk = this.#chunkFor(place);
      const at = (place & (CHUNK - 1)) * WIDTH;
      const bit = chunk[at + 2] ?? 0;
      if (
        (bits & bit) === 0 &&
        chunk[at] === first &&
        this.#standsAt(place, value) &&
        (bit !== BIT.label || this.#isWhole(place, value.count))
      )
        bits |= bit;
      place = chunk[at + 3] ?? 0;
    }
    return bits;
  }

  #standsAt(from: number, { first, second, count }: Words): boolean {
    if (from + count > this.#count) return false;
    for (let word = 0; word < count; word += 1) {
      const chunk = this.#chunkFor(from + word);
      const at = ((from + word) & (CHUNK - 1)) * WIDTH;
      if (chunk[at] !== first[word] || chunk[at + 1] !== second[word] || chunk[at + 2] === 0) return false;
    }
    return true;
  }

  #isWhole(place: number, length: number): boolean {
    return this.#isEdge(place - 1) && (place + length >= this.#count || this.#isEdge(place + length));
  }

  #isEdge(place: number): boolean {
    return this.#chunkFor(place)[(place & (CHUNK - 1)) * WIDTH + 2] === 0;
  }
}

/** Where a value stood, as a set without a set. */
export class Origins {
  readonly #bits: number;

  constructor(bits: number) {
    this.#bits = bits;
  }

  has(origin: Origin): boolean {
    return (this.#bits & BIT[origin]) !== 0;
  }

  get none(): boolean {
    return this.#bits === 0;
  }

  and(other: Origins): Origins {
    return new Origins(this.#bits | other.#bits);
  }
}
