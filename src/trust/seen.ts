// What a session has seen of text that may explain a value: words in their order, each with where it stood. Incremental and bounded;
// what no longer fits is unknown, and the unknown is not trusted. Text of others is never put in here: it could only widen.
import { Fingerprints } from './fingerprints.ts';

/**
 * `prompt`: what people wrote for the task. `field`: a short value of a record. `label`: the same, yet with words of an order in it, so
 * that only the whole explains anything. `named`: free text of a source that the task points at. `linked`: of one that such text points at. `order`: words to the assistant inside
 * content, which explain nothing and cast doubt on what they name.
 */
export type Origin = 'prompt' | 'field' | 'label' | 'named' | 'linked' | 'order';
const BIT: Readonly<Record<Origin, number>> = { prompt: 1, field: 2, label: 4, named: 8, linked: 16, order: 32 };
const ORIGINS = ['prompt', 'field', 'label', 'named', 'linked', 'order'] as const;
const LABEL = BIT.label;
const EVERY = 63;

const MAX_WORDS = 1 << 18;
/** Places of one word that are looked at for the words that follow it. */
const MAX_PLACES = 512;
const ROOM = 1 << 10;

export class Seen {
  readonly #fingerprints: Fingerprints;
  #count = 0;
  #first = new Int32Array(ROOM);
  #second = new Int32Array(ROOM);
  #origins = new Uint8Array(ROOM);
  /** The place before this one whose word falls in the same slot; 0 ends the chain, so place 0 stays empty. */
  #before = new Int32Array(ROOM);
  #slots = new Int32Array(ROOM * 2);
  #words = 0;

  constructor(fingerprints: Fingerprints) {
    this.#fingerprints = fingerprints;
    this.#part();
  }

  get bytes(): number {
    return [this.#first, this.#second, this.#origins, this.#before, this.#slots].reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** Remembers `text` as one piece: no value is ever found across the edge of two. */
  learn(text: string, origin: Origin): void {
    const bit = BIT[origin];
    this.#fingerprints.read(text, (first, second) => this.#add(first, second, bit));
    this.#part();
  }

  /** The origins of `value` as a run of whole words; empty when it stands nowhere. */
  originsOf(value: string): ReadonlySet<Origin> {
    const words: number[] = [];
    this.#fingerprints.read(value, (first, second) => words.push(first, second));
    const bits = words.length === 0 ? 0 : this.#find(words);
    return new Set(ORIGINS.filter((origin) => (bits & BIT[origin]) !== 0));
  }

  #add(first: number, second: number, bit: number): void {
    if (this.#count >= MAX_WORDS) return;
    const place = this.#place(first, second, bit);
    const slot = first & (this.#slots.length - 1);
    this.#before[place] = this.#slots[slot] ?? 0;
    this.#slots[slot] = place;
    this.#words += 1;
  }

  /** The edge of a piece: a place without a word. */
  #part(): void {
    if (this.#count < MAX_WORDS) this.#place(0, 0, 0);
  }

  #place(first: number, second: number, bit: number): number {
    if (this.#count === this.#first.length) this.#grow();
    const place = this.#count++;
    this.#first[place] = first;
    this.#second[place] = second;
    this.#origins[place] = bit;
    return place;
  }

  #grow(): void {
    const size = this.#first.length * 2;
    [this.#first, this.#second, this.#before] = [grown(this.#first, size), grown(this.#second, size), grown(this.#before, size)];
    const origins = new Uint8Array(size);
    origins.set(this.#origins);
    this.#origins = origins;
    this.#slots = new Int32Array(size * 2);
    for (let place = 1; place < this.#count; place += 1) {
      if (this.#origins[place] === 0) continue;
      const slot = (this.#first[place] ?? 0) & (this.#slots.length - 1);
      this.#before[place] = this.#slots[slot] ?? 0;
      this.#slots[slot] = place;
    }
  }

  #find(words: readonly number[]): number {
    let bits = 0;
    let place = this.#slots[(words[0] ?? 0) & (this.#slots.length - 1)] ?? 0;
    for (let looked = 0; place !== 0 && looked < MAX_PLACES && bits !== EVERY; looked += 1) {
      const bit = this.#origins[place] ?? 0;
      if ((bits & bit) === 0 && this.#standsAt(place, words) && (bit !== LABEL || this.#isWhole(place, words.length / 2))) bits |= bit;
      place = this.#before[place] ?? 0;
    }
    return bits;
  }

  #standsAt(place: number, words: readonly number[]): boolean {
    if (place + words.length / 2 > this.#count) return false;
    for (let at = 0; at < words.length; at += 2) {
      const here = place + (at >> 1);
      if (this.#first[here] !== words[at] || this.#second[here] !== words[at + 1] || this.#origins[here] === 0) return false;
    }
    return true;
  }

  #isWhole(place: number, length: number): boolean {
    return this.#origins[place - 1] === 0 && (place + length === this.#count || this.#origins[place + length] === 0);
  }
}

function grown(old: Int32Array, size: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(size);
  larger.set(old);
  return larger;
}
