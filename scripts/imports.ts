// What a module reaches, read from its tokens: every way in which TypeScript names another module.
import type { Token } from './tokens.ts';

export interface Import {
  /** As written; '' when it is computed. */
  readonly specifier: string;
  readonly line: number;
}

/** Static, type-only and dynamic imports, re-exports, `require`, and modules named by `new URL('…', import.meta.url)` (workers). */
export function importsIn(read: readonly Token[]): Import[] {
  const found: Import[] = [];
  read.forEach((token, at) => {
    if (token.kind !== 'word' || read[at - 1]?.text === '.') return;
    const specifier = specifierAt(read, at);
    if (specifier !== undefined) found.push({ specifier, line: token.line });
  });
  return found;
}

/** The specifier of the import that starts at token `at`; '' when it is computed, undefined when there is no import. */
function specifierAt(read: readonly Token[], at: number): string | undefined {
  const word = read[at]?.text;
  const next = read[at + 1];
  const calls = next?.text === '(' && next.kind === 'mark';
  if ((word === 'import' || word === 'require') && calls) return literal(read[at + 2]) ?? '';
  if (word === 'URL' && calls && says(read, at + 3, [',', 'import', '.', 'meta', '.', 'url'])) {
    const target = literal(read[at + 2]);
    return target?.endsWith('.ts') === true ? target : undefined;
  }
  if (word === 'import' && next?.text !== '.') return read.slice(at).find((token) => token.kind === 'string')?.text;
  if (word === 'export' && next !== undefined) {
    const end = clauseEnd(read, next.text === 'type' ? at + 2 : at + 1);
    return read[end]?.text === 'from' ? literal(read[end + 1]) : undefined;
  }
  return undefined;
}

/** The token after `{ … }`, `*` or `* as name`; `at` itself when no such clause starts there. */
function clauseEnd(read: readonly Token[], at: number): number {
  if (read[at]?.text === '*') return read[at + 1]?.text === 'as' ? at + 3 : at + 1;
  if (read[at]?.text !== '{') return at;
  const close = read.findIndex((token, i) => i > at && token.text === '}' && token.kind === 'mark');
  return close === -1 ? at : close + 1;
}

const literal = (token: Token | undefined): string | undefined => (token?.kind === 'string' ? token.text : undefined);
/** Do the tokens from `at` on read `words`? */
export const says = (read: readonly Token[], at: number, words: readonly string[]): boolean =>
  words.every((word, i) => read[at + i]?.text === word);
