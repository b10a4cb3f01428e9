// What one session remembers: the task apart from all that was read, words that may explain a value with where they stood, the addresses
// in sources that the task points at, and which words others wrote. Bounded; what no longer fits is unknown.
import { Fingerprints, type Words, plain, wordEnd } from './fingerprints.ts';
import { isFreeField } from './manifest.ts';
import { Orders } from './orders.ts';
import { Others } from './others.ts';
import type { Piece } from './records.ts';
import { type Origins, Seen } from './seen.ts';
import { type AddressKind, addressKind } from './values.ts';

/** How a task points at what a call reads: it names it, a source that it names does, or its plan says that the tool supplies a value. */
export type Pointed = 'named' | 'linked' | 'planned' | undefined;

/** Who is told of what was read. */
interface Told {
  /** Words to the assistant inside content. */
  readonly order: (text: string) => void;
  /** Free text of a source that the task names, up to where it gives orders. */
  readonly named: (text: string) => void;
}

/** Words of one order, orders, and keys that a session keeps. */
const MAX_ORDER = 4096;
const MAX_ORDERS = 64;
const MAX_KEYS = 1024;
/** Of a field with no more words each word explains a value. */
const MAX_FIELD_WORDS = 4;

export class Memory {
  readonly #fingerprints: Fingerprints;
  readonly #orders: Orders;
  readonly #told: Told;
  readonly #task = new Seen(1 << 10);
  readonly #seen = new Seen();
  readonly #others = new Others();
  /** Of each kind no more than it takes to see that there are several. */
  readonly #addresses: Readonly<Record<AddressKind, Set<string>>> = { mail: new Set(), url: new Set(), account: new Set() };
  readonly #free = new Map<string, boolean>();
  #orderCount = 0;
  #lostOrders = false;

  constructor(salt: Uint8Array, told: Told) {
    this.#fingerprints = new Fingerprints(salt);
    this.#orders = new Orders(this.#fingerprints);
    this.#told = told;
  }

  get bytes(): number {
    return this.#task.bytes + this.#seen.bytes + this.#others.bytes;
  }

  /** An order was too long to remember, or one too many: whatever is not of the task is then in doubt. */
  get lostOrders(): boolean {
    return this.#lostOrders;
  }

  learnTask(text: string): void {
    const words = this.#fingerprints.read(plain(text));
    this.#task.learn(words, 0, words.count, 'task');
  }

  learnPiece({ key, text, kind }: Piece, pointed: Pointed, trust: 'trusted' | 'mixed'): void {
    const isField = trust === 'trusted' || (kind !== 'text' && !this.#isFree(key));
    if (!isField) return this.learnText(text, pointed);
    const said = plain(text);
    const words = this.#fingerprints.read(said, this.#orders.watch);
    const order = this.#orders.startIn(said, words);
    // a longer field, or one with words of an order in it, explains itself as a whole: a name may be long, and may hold an address
    const whole = order < words.count || words.count > MAX_FIELD_WORDS;
    this.#seen.learn(words, 0, words.count, whole && trust !== 'trusted' ? 'label' : 'field');
    if (order < words.count) this.#learnOrder(said, words, order);
  }

  /** Free text explains nothing, unless the task points at its source; and never from where it begins to give orders. */
  learnText(raw: string, pointed: Pointed): void {
    const text = plain(raw);
    const words = this.#fingerprints.read(text, this.#orders.watch);
    const order = this.#orders.startIn(text, words);
    if (pointed === undefined) this.#others.learn(words, 0, words.count);
    else {
      this.#seen.learn(words, 0, order, pointed);
      this.#others.learn(words, order, words.count);
      this.#count(text, words, order);
      if (pointed === 'named') this.#told.named(text.slice(0, words.start[order] ?? text.length));
    }
    if (order < words.count) this.#learnOrder(text, words, order);
  }

  /** The origins of a value; a host with and without `www.` is one host to people who write of it. */
  originsOf(value: string): Origins {
    const origins = this.#exactly(value);
    if (!origins.none || addressKind(value) !== 'url') return origins;
    const bare = value.replace(/^https?:\/\//i, '');
    return /^www\./i.test(bare) ? origins : this.#exactly(`www.${bare}`);
  }

  /** Whether others wrote every word of it. */
  othersWrote(value: string): boolean {
    return this.#others.hasAll(this.#fingerprints.read(plain(value)));
  }

  addressesIn(raw: string): string[] {
    // written-out escapes, as models leave them in what they compose
    const text = plain(raw.includes('\\') ? raw.replace(/\\[nrt]/g, ' ') : raw);
    const { count, start, shape } = this.#fingerprints.read(text);
    const found: string[] = [];
    for (let at = 0; at < count; at += 1) {
      if (shape[at] === 0) continue;
      const from = start[at] ?? 0;
      const word = text.slice(from, wordEnd(text, from));
      if (addressKind(word) !== undefined) found.push(word);
    }
    return found;
  }

  /** With a second address of a kind in the sources, which of them the task means is no longer plain. */
  isOneOfMany(kind: AddressKind | undefined): boolean {
    return kind !== undefined && this.#addresses[kind].size > 1;
  }

  #exactly(value: string): Origins {
    const words = this.#fingerprints.read(plain(value));
    return this.#task.originsOf(words).and(this.#seen.originsOf(words));
  }

  #isFree(key: string): boolean {
    const known = this.#free.get(key);
    if (known !== undefined) return known;
    const free = isFreeField(key);
    if (this.#free.size < MAX_KEYS) this.#free.set(key, free);
    return free;
  }

  #learnOrder(text: string, words: Words, from: number): void {
    const to = Math.min(words.count, from + MAX_ORDER);
    this.#seen.learn(words, from, to, 'order');
    if (to < words.count || this.#seen.full || this.#orderCount === MAX_ORDERS) this.#lostOrders = true;
    else {
      this.#orderCount += 1;
      this.#told.order(text.slice(words.start[from], words.start[to] ?? text.length));
    }
  }

  #count(text: string, { start, shape }: Words, to: number): void {
    for (let at = 0; at < to; at += 1) {
      if (shape[at] === 0) continue;
      const from = start[at] ?? 0;
      const word = text.slice(from, wordEnd(text, from));
      const kind = addressKind(word);
      if (kind !== undefined && this.#addresses[kind].size < 2) this.#addresses[kind].add(word.toLowerCase());
    }
  }
}
