// A scanner for TypeScript source: enough to see imports, assertions and calls, and never fooled by a comment or a string.
// Not a parser, and not the compiler's: its scanner is an unstable interface in TypeScript 7 (docs/decisions/0003).

export interface Token {
  readonly kind: 'word' | 'string' | 'template' | 'number' | 'regex' | 'mark';
  /** Of a string or a part of a template: what stands between the quotes, escapes as written. */
  readonly text: string;
  readonly line: number;
}

const SPACE = /(?:\s|\/\/[^\n]*|\/\*[^]*?\*\/|^#![^\n]*)+/y;
const WORD = /[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*/uy;
const NUMBER = /\d[\w.]*/y;
const STRING = /'(?:[^'\\\n]|\\[^])*'|"(?:[^"\\\n]|\\[^])*"/y;
const TEMPLATE = /(?:[^`\\$]|\\[^]|\$(?!\{))*/y;
const REGEX = /\/(?![*/])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const MARK = /=>|\+\+|--|\?\.(?!\d)|\.\.\.|[^]/y;

/** After these words a slash opens a regular expression; after any other word it divides. */
const BEFORE_VALUE = new Set('return typeof case in of delete void throw new do else await yield instanceof extends'.split(' '));
const ENDS_VALUE = new Set([')', ']', '}', '++', '--']);

/** Reads source text into tokens. @throws Error on what it cannot read, so that nothing passes unread */
export const tokens = (source: string): readonly Token[] => new Scanner(source).all();

class Scanner {
  readonly #source: string;
  readonly #out: Token[] = [];
  /** For each `${` that is open: how many `{` are open inside it. */
  readonly #holes: number[] = [];
  #at = 0;
  #line = 1;

  constructor(source: string) {
    this.#source = source;
  }

  all(): readonly Token[] {
    for (;;) {
      this.#count(this.#take(SPACE));
      const next = this.#source[this.#at];
      if (next === undefined) break;
      if (next === '`' || (next === '}' && this.#holes.at(-1) === 0)) this.#template(next);
      else if (next === '"' || next === "'") this.#string();
      else this.#plain(next);
    }
    if (this.#holes.length > 0) throw this.#bad('unterminated template');
    return this.#out;
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const text = pattern.exec(this.#source)?.[0] ?? '';
    this.#at += text.length;
    return text;
  }

  #count(text: string): void {
    this.#line += text.split('\n').length - 1;
  }

  #push(kind: Token['kind'], text: string): true {
    this.#out.push({ kind, text, line: this.#line });
    this.#count(text);
    return true;
  }

  #bad(what: string): Error {
    return new Error(`line ${this.#line}: ${what}`);
  }

  /** From a backtick, or from the `}` that closes a hole, to the next hole or to the closing backtick. */
  #template(opening: string): void {
    if (opening === '}') this.#holes.pop();
    this.#at++;
    this.#push('template', this.#take(TEMPLATE));
    if (this.#source.startsWith('${', this.#at)) {
      this.#holes.push(0);
      this.#at++;
    } else if (this.#source[this.#at] !== '`') throw this.#bad('unterminated template');
    this.#at++;
  }

  #string(): void {
    const text = this.#take(STRING);
    if (text === '') throw this.#bad('unterminated string');
    this.#push('string', text.slice(1, -1));
  }

  #plain(next: string): void {
    const regex = next === '/' && this.#opensRegex() ? this.#take(REGEX) : '';
    const read = (kind: Token['kind'], text: string): boolean => text !== '' && this.#push(kind, text);
    if (read('regex', regex) || read('word', this.#take(WORD)) || read('number', this.#take(NUMBER))) return;
    const hole = this.#holes.length - 1;
    if (hole >= 0 && next === '{') this.#holes[hole] = (this.#holes[hole] ?? 0) + 1;
    if (hole >= 0 && next === '}') this.#holes[hole] = (this.#holes[hole] ?? 0) - 1;
    this.#push('mark', this.#take(MARK));
  }

  #opensRegex(): boolean {
    const last = this.#out.at(-1);
    if (last?.kind === 'mark') return !ENDS_VALUE.has(last.text);
    return last === undefined || (last.kind === 'word' && BEFORE_VALUE.has(last.text));
  }
}
