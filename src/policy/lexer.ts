// The tokens of Cedar's grammar (version 4.5). Only as much as is needed to bound a text before the engine sees it, to know where
// each policy and each clause of it stands, and to show it in the author's own words. The engine parses every policy again by itself:
// where this lexer and the engine would disagree, the engine refuses the piece and nothing is admitted.

export interface Token {
  readonly kind: 'word' | 'number' | 'string' | 'slot' | 'mark';
  readonly text: string;
  /** Index of the first UTF-16 unit in the source. */
  readonly at: number;
}

export interface LexError {
  readonly at: number;
  readonly message: string;
}

const SPACE = /(?:\s+|\/\/[^\n\r]*)*/y;
const KINDS: readonly (readonly [Token['kind'], RegExp])[] = [
  ['word', /[A-Za-z_]\w*/y],
  ['number', /\d+/y],
  ['string', /"[^"\\]*(?:\\[^\n][^"\\]*)*"/y],
  ['slot', /\?\w+/y],
  ['mark', /&&|\|\||==|!=|<=|>=|::|[-+*<>!.,;:()[\]{}@%/=?]/y],
];

export const endOf = (token: Token): number => token.at + token.text.length;

/** All tokens, without space and comments; or the first character that no token begins with. */
export function lex(text: string): readonly Token[] | LexError {
  const tokens: Token[] = [];
  for (const token of tokensIn(text)) {
    if ('message' in token) return token;
    tokens.push(token);
  }
  return tokens;
}

/** The same one by one; an error is the last. */
export function* tokensIn(text: string): Generator<Token | LexError, void> {
  for (let at = skip(text, 0); at < text.length;) {
    const token = tokenAt(text, at);
    if (token === undefined) {
      yield { at, message: text[at] === '"' ? 'a string without an end' : 'a character that Cedar does not know' };
      return;
    }
    yield token;
    at = skip(text, endOf(token));
  }
}

function skip(text: string, at: number): number {
  SPACE.lastIndex = at;
  SPACE.test(text);
  return SPACE.lastIndex;
}

function tokenAt(text: string, at: number): Token | undefined {
  for (const [kind, pattern] of KINDS) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) return { kind, text: match[0], at };
  }
  return undefined;
}

const OPEN = new Set(['(', '[', '{']);
const CLOSE = new Set([')', ']', '}']);

/** +1 for an opening bracket, −1 for a closing one. */
export const bracket = ({ kind, text }: Token): number => (kind !== 'mark' ? 0 : OPEN.has(text) ? 1 : CLOSE.has(text) ? -1 : 0);

/** Splits at every mark `at` that stands in no bracket. */
export function splitAt(tokens: readonly Token[], at: string): (readonly Token[])[] {
  const parts: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    depth += bracket(token);
    if (depth === 0 && token.kind === 'mark' && token.text === at) parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts;
}
