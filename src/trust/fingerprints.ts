// Text as a run of fingerprints, one per word, made in one pass without a string per word. Keyed per session: whoever does not know the
// salt cannot look for two words with one fingerprint.

const TRIM = 256;
const WORD = 512;
/** A word with one of these inside may be an address. */
const DOT = 1024;
const DIGIT = 2048;

/** What a character is to a word, and its lower case: 0 parts words, `TRIM` counts only inside one, `WORD` always. */
const CHARACTERS = new Uint16Array(128);
for (let code = 0; code < 128; code += 1) {
  const character = String.fromCharCode(code);
  const parts = /[\s"'`<>()[\]{},;:|\\]/.test(character) || code < 32;
  const kind = /[-.!?/*#=@+~$]/.test(character) ? TRIM : WORD;
  const marks = (/[.@]/.test(character) ? DOT : 0) | (/\d/.test(character) ? DIGIT : 0);
  CHARACTERS[code] = parts ? 0 : kind | marks | character.toLowerCase().charCodeAt(0);
}

/** Longer words are cut into pieces, so that no word costs more than its length. */
const MAX_WORD = 512;
/** Of a longer text the rest is not read: unknown, and so not trusted. */
export const MAX_TEXT = 1 << 20;
const BEYOND_ASCII = /[^\0-\x7f]/;

/**
 * The words of the text that was read last. One buffer for the process: engines are synchronous, and whoever reads takes what it needs
 * before the next text is read.
 */
export interface Words {
  count: number;
  first: Int32Array;
  second: Int32Array;
  /** Where each word begins in the text, and whether it has a dot, an `@` or digits inside. */
  start: Int32Array;
  shape: Int32Array;
  /** Where the watched words stand, within others as well (`end.ignore`), and which they are. */
  marks: number;
  mark: Int32Array;
  marked: Int32Array;
}
const COLUMNS = ['first', 'second', 'start', 'shape'] as const;
/** Watched words of one text; whoever looks for them takes a text with so many for one that is full of them. */
export const MAX_MARKS = 1024;
const room = (): Int32Array => new Int32Array(1024);
const WORDS: Words = { count: 0, first: room(), second: room(), start: room(), shape: room(), marks: 0, mark: room(), marked: room() };

/** Compatibility forms folded, typographic quotes as plain ones; homoglyphs and zero-width characters stay what they are: different. */
export const plain = (text: string): string =>
  BEYOND_ASCII.test(text)
    ? text
        .normalize('NFKC')
        .toLowerCase()
        .replace(/[\u2018\u2019\u201c\u201d]/g, "'")
    : text;

/** Which words to watch for: an open-addressed table of their fingerprints. */
export interface Watch {
  readonly keys: Int32Array;
  readonly values: Int32Array;
}

export class Fingerprints {
  readonly #seed1: number;
  readonly #seed2: number;
  readonly #factor1: number;
  readonly #factor2: number;

  /** @param salt at least 8 random bytes */
  constructor(salt: Uint8Array) {
    if (salt.length < 8) throw new Error(`a salt of ${salt.length} bytes, expected at least 8`);
    const word = (at: number): number => salt.slice(at, at + 4).reduce((sum, byte) => (sum << 8) | byte, 0);
    this.#seed1 = word(0) ^ 0x9e3779b9;
    this.#seed2 = word(4) ^ 0x85ebca6b;
    this.#factor1 = (word(4) ^ 0x01000193) | 1;
    this.#factor2 = (word(0) ^ 0x27d4eb2f) | 1;
  }

  /**
   * Two 32-bit fingerprints of each word. Case, white space, the scheme of a web address and punctuation around a word make no difference;
   * characters that cannot be seen do.
   * @param text as `plain` leaves it
   */
  read(text: string, watch: Watch = NOBODY): Words {
    const length = Math.min(text.length, MAX_TEXT);
    const codes = codesOf(text, length);
    const { keys, values } = watch;
    const mask = keys.length - 1;
    const seed1 = this.#seed1;
    const seed2 = this.#seed2;
    const factor1 = this.#factor1;
    const factor2 = this.#factor2;
    let { first, second, start: starts, shape: shapes } = WORDS;
    let [count, marks] = [0, 0];
    /** The word so far, without its last part; its last part; both lanes together as they were before a run of `TRIM`. */
    let [whole, part, lane2, before2] = [seed1, seed1, seed2, seed2];
    let [start, partStart, shape, trims] = [-1, 0, 0, 0];
    for (let at = 0; at <= length; at += 1) {
      const code = codes[at] ?? 32;
      const entry = code < 128 ? (CHARACTERS[code] ?? 0) : WORD;
      if ((entry & WORD) !== 0 && (start === -1 || at - start < MAX_WORD)) {
        const folded = code < 128 ? entry & 127 : code;
        if (start === -1) {
          start = at;
          partStart = at;
        } else if (trims !== 0) {
          whole = Math.imul(whole ^ part, factor2) ^ trims;
          part = seed1;
          partStart = at;
          trims = 0;
        }
        shape |= entry;
        part = Math.imul(part ^ folded, factor1);
        part ^= part >>> 15;
        lane2 = Math.imul(lane2 + folded, factor2);
        continue;
      }
      if (start === -1) continue;
      if (trims === 0) {
        before2 = lane2;
        let slot = part & mask;
        while (values[slot] !== 0 && keys[slot] !== part) slot = (slot + 1) & mask;
        if (values[slot] !== 0 && marks < MAX_MARKS) {
          WORDS.mark[marks] = partStart;
          WORDS.marked[marks] = values[slot] ?? 0;
          marks += 1;
        }
      }
      if ((entry & TRIM) !== 0) {
        trims = Math.imul(trims ^ (entry & 127), factor1) | 1;
        lane2 = Math.imul(lane2 ^ (entry & 127), factor2);
        shape |= entry & DOT;
        continue;
      }
      // `https://a.example` is `a.example` to whoever visits it
      if (code !== 58 || at - start > 5 || !isScheme(text, start, at)) {
        if (count === first.length) ({ first, second, start: starts, shape: shapes } = enlarge());
        first[count] = whole === seed1 ? part : Math.imul(whole ^ part, factor2);
        second[count] = trims === 0 ? lane2 : before2;
        starts[count] = start;
        shapes[count] = shape & (DOT | DIGIT);
        count += 1;
        if ((entry & WORD) !== 0) at -= 1;
      }
      whole = seed1;
      part = seed1;
      lane2 = seed2;
      start = -1;
      shape = 0;
      trims = 0;
    }
    WORDS.count = count;
    WORDS.marks = marks;
    return WORDS;
  }
}

const ENCODER = new TextEncoder();
let bytes = new Uint8Array(1 << 14);
let units = new Uint16Array(1 << 10);

/** The text as numbers with a space behind it: bytes where it is ASCII, which is read several times as fast. */
function codesOf(text: string, length: number): Uint8Array | Uint16Array {
  if (bytes.length <= length) bytes = new Uint8Array(length * 2);
  const { read, written } = ENCODER.encodeInto(length === text.length ? text : text.slice(0, length), bytes);
  if (read === written && read === length) {
    bytes[length] = 32;
    return bytes;
  }
  if (units.length <= length) units = new Uint16Array(length * 2);
  for (let at = 0; at < length; at += 1) units[at] = text.charCodeAt(at);
  units[length] = 32;
  return units;
}

const NOBODY: Watch = { keys: new Int32Array(1), values: new Int32Array(1) };

function enlarge(): Words {
  for (const name of COLUMNS) {
    const larger = new Int32Array(WORDS[name].length * 2);
    larger.set(WORDS[name]);
    WORDS[name] = larger;
  }
  return WORDS;
}

/** Where the word that begins at `start` ends, the punctuation behind it left out. */
export function wordEnd(text: string, start: number): number {
  let [at, end] = [start, start];
  for (; at < text.length && at - start < MAX_WORD; at += 1) {
    const code = text.charCodeAt(at);
    const entry = code < 128 ? (CHARACTERS[code] ?? 0) : WORD;
    if (entry === 0) break;
    if ((entry & WORD) !== 0) end = at + 1;
  }
  return end;
}

function isScheme(text: string, start: number, colon: number): boolean {
  if (text.charCodeAt(colon + 1) !== 47 || text.charCodeAt(colon + 2) !== 47) return false;
  const said = text.slice(start, colon).toLowerCase();
  return said === 'http' || said === 'https';
}
