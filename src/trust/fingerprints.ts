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
const BEYOND_ASCII = /[^\0-\x7f]/;

export type OnWord = (first: number, second: number, start: number) => void;

export class Fingerprints {
  readonly #seeds: readonly [number, number];
  readonly #factors: readonly [number, number];

  /** @param salt at least 8 random bytes */
  constructor(salt: Uint8Array) {
    if (salt.length < 8) throw new Error(`a salt of ${salt.length} bytes, expected at least 8`);
    const word = (at: number): number => salt.slice(at, at + 4).reduce((sum, byte) => (sum << 8) | byte, 0);
    this.#seeds = [word(0) ^ 0x9e3779b9, word(4) ^ 0x85ebca6b];
    this.#factors = [(word(4) ^ 0x01000193) | 1, (word(0) ^ 0x27d4eb2f) | 1];
  }

  /**
   * Calls `onWord` with two 32-bit fingerprints of each word. Case, compatibility forms, white space, the scheme of a web address and
   * punctuation around a word make no difference; characters that cannot be seen do.
   */
  read(raw: string, onWord: OnWord): void {
    const text = BEYOND_ASCII.test(raw) ? plain(raw) : raw;
    const [seed1, seed2] = this.#seeds;
    const [factor1, factor2] = this.#factors;
    let [first, second, kept1, kept2, start, length] = [seed1, seed2, 0, 0, -1, 0];
    for (let at = 0; at <= text.length; at += 1) {
      const code = at < text.length ? text.charCodeAt(at) : 32;
      const kind = code < 128 ? KIND[code] : WORD;
      if (kind === 0 || length === MAX_WORD) {
        if (start !== -1) onWord(kept1, kept2, start);
        [first, second, start, length] = [seed1, seed2, -1, 0];
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
      length += 1;
      if (kind === WORD) [kept1, kept2] = [first, second];
      // `https://a.example` is `a.example` to whoever visits it
      else if (code === 47 && length <= 8 && isScheme(text, start, at)) [first, second, start, length] = [seed1, seed2, -1, 0];
    }
  }
}

/** Compatibility forms folded, typographic quotes as plain ones; homoglyphs and zero-width characters stay what they are: different. */
const plain = (text: string): string =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\u2018\u2019\u201c\u201d]/g, "'");

function isScheme(text: string, start: number, slash: number): boolean {
  if (text.charCodeAt(slash - 1) !== 47) return false;
  const said = text.slice(start, slash - 1).toLowerCase();
  return said === 'http:' || said === 'https:';
}
