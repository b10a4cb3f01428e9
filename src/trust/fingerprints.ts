// Text as a run of fingerprints, one per word, made in one pass without a string per word. Keyed per session: whoever does not know the
// salt cannot look for two words with one fingerprint.

const TRIM = 1;
const WORD = 2;

/** What a character is to a word: 0 parts words, `TRIM` counts only inside one, `WORD` always. Upper case is folded. */
const KIND = new Uint8Array(128);
const FOLDED = new Uint8Array(128);
for (let code = 0; code < 128; code += 1) {
  const character = String.fromCharCode(code);
  KIND[code] = /[\s"'`<>()[\]{},;|\\]/.test(character) || code < 32 ? 0 : /[-:.!?/*#=@+~$]/.test(character) ? TRIM : WORD;
  FOLDED[code] = character.toLowerCase().charCodeAt(0);
}

/** Longer words are cut into pieces, so that no word costs more than its length. */
const MAX_WORD = 512;
/** Of a longer text the rest is not read: unknown, and so not trusted. */
export const MAX_TEXT = 1 << 20;
/** Watched words of one text; whoever looks for them takes a text with so many for one that is full of them. */
export const MAX_MARKS = 1024;
const BEYOND_ASCII = /[^\0-\x7f]/;

/**
 * The words of the text that was read last. One buffer for the process: engines are synchronous, and whoever reads takes what it needs
 * before the next text is read.
 */
export interface Words {
  count: number;
  first: Int32Array;
  second: Int32Array;
  /** Where each word begins in the text. */
  start: Int32Array;
  /** Where the watched words stand, within others as well (`end.ignore`), and which they are. */
  marks: number;
  mark: Int32Array;
  marked: Int32Array;
}
const WORDS: Words = { count: 0, first: new Int32Array(1024), second: new Int32Array(1024), start: new Int32Array(1024), marks: 0, mark: new Int32Array(1024), marked: new Int32Array(1024) };

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
    const { length } = text.length > MAX_TEXT ? { length: MAX_TEXT } : text;
    const [seed1, seed2, factor1, factor2] = [this.#seed1, this.#seed2, this.#factor1, this.#factor2];
    const { keys, values } = watch;
    const mask = keys.length - 1;
    let part = seed1;
    let partStart = 0;
    let marks = 0;
    let { first: firsts, second: seconds, start: starts } = WORDS;
    let count = 0;
    let first = seed1;
    let second = seed2;
    let kept1 = 0;
    let kept2 = 0;
    let start = -1;
    for (let at = 0; at <= length; at += 1) {
      const code = at < length ? text.charCodeAt(at) : 32;
      const kind = code < 128 ? KIND[code] : WORD;
      if (kind !== WORD) {
        if (part !== seed1 && marks < MAX_MARKS) {
          let slot = part & mask;
          while (values[slot] !== 0 && keys[slot] !== part) slot = (slot + 1) & mask;
          if (values[slot] !== 0) {
            WORDS.mark[marks] = partStart;
            WORDS.marked[marks] = values[slot] ?? 0;
            marks += 1;
          }
        }
        part = seed1;
        partStart = at + 1;
      }
      if (kind === 0 || (start !== -1 && at - start === MAX_WORD)) {
        if (start !== -1) {
          if (count === firsts.length) ({ first: firsts, second: seconds, start: starts } = enlarge());
          firsts[count] = kept1;
          seconds[count] = kept2;
          starts[count] = start;
          count += 1;
          first = seed1;
          second = seed2;
          start = -1;
        }
        if (kind === 0) continue;
      }
      if (start === -1) {
        if (kind === TRIM) continue;
        start = at;
      }
      const folded = code < 128 ? (FOLDED[code] ?? code) : code;
      first = Math.imul(first ^ folded, factor1);
      first ^= first >>> 15;
      second = Math.imul(second ^ (folded + 1), factor2);
      second ^= second >>> 13;
      if (kind === WORD) {
        part = Math.imul(part ^ folded, factor1);
        part ^= part >>> 15;
        kept1 = first;
        kept2 = second;
      } else if (code === 47 && at - start <= 7 && isScheme(text, start, at)) {
        // `https://a.example` is `a.example` to whoever visits it
        first = seed1;
        second = seed2;
        start = -1;
      }
    }
    WORDS.count = count;
    WORDS.marks = marks;
    return WORDS;
  }
}

const NOBODY: Watch = { keys: new Int32Array(1), values: new Int32Array(1) };

function enlarge(): Words {
  for (const name of ['first', 'second', 'start'] as const) {
    const larger = new Int32Array(WORDS[name].length * 2);
    larger.set(WORDS[name]);
    WORDS[name] = larger;
  }
  return WORDS;
}

function isScheme(text: string, start: number, slash: number): boolean {
  if (text.charCodeAt(slash - 1) !== 47) return false;
  const said = text.slice(start, slash - 1).toLowerCase();
  return said === 'http:' || said === 'https:';
}
