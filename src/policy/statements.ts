// A policy file cut into its policies, each with its place. Cutting follows Cedar's grammar: a policy ends at a `;` outside brackets.
import { beyondBounds } from './bounds.ts';
import type { Finding } from './findings.ts';
import { bracket, endOf, type Token, tokensIn } from './lexer.ts';
import type { PolicySource } from './policy-set.ts';

export interface Statement {
  readonly source: PolicySource;
  /** UTF-16 index of the first token in the source. */
  readonly at: number;
  /** Of the first token, 1-based. */
  readonly line: number;
  readonly text: string;
  readonly tokens: readonly Token[];
}

export interface Cut {
  readonly statements: readonly Statement[];
  readonly findings: readonly Finding[];
}

/** The policies of one file, or what keeps it from being handed to the engine. */
export function statementsOf(source: PolicySource): Cut {
  const cut = [...cutsOf(source)];
  return { statements: cut.filter((one) => 'tokens' in one), findings: cut.filter((one) => 'message' in one) };
}

/** The same one by one: the policies, and what is wrong with them. */
export function* cutsOf(source: PolicySource): Generator<Statement | Finding, void> {
  const lines = new LineCounter(source.text);
  let part: Token[] = [];
  let depth = 0;
  for (const token of tokensIn(source.text)) {
    if ('message' in token) {
      yield { source, length: 1, ...token };
      return;
    }
    part.push(token);
    depth = Math.max(0, depth + bracket(token));
    if (depth > 0 || token.kind !== 'mark' || token.text !== ';') continue;
    yield* bounded(source, part, lines);
    part = [];
  }
  if (part.length > 0) yield* bounded(source, part, lines);
}

function* bounded(source: PolicySource, tokens: readonly Token[], lines: LineCounter): Generator<Statement | Finding, void> {
  yield statement(source, tokens, lines);
  const beyond = beyondBounds(tokens);
  if (beyond === undefined) return;
  const { token, message } = beyond;
  yield { source, at: token.at, length: token.text.length, message, help: 'write it as several policies' };
}

function statement(source: PolicySource, tokens: readonly Token[], lines: LineCounter): Statement {
  const at = tokens[0]?.at ?? 0;
  const last = tokens.at(-1);
  return { source, at, line: lines.at(at), text: source.text.slice(at, last === undefined ? at : endOf(last)), tokens };
}

/** Line numbers of places that come in order. */
class LineCounter {
  readonly #text: string;
  #line = 1;
  #next: number;

  constructor(text: string) {
    this.#text = text;
    this.#next = text.indexOf('\n');
  }

  at(place: number): number {
    for (; this.#next >= 0 && this.#next < place; this.#next = this.#text.indexOf('\n', this.#next + 1)) this.#line++;
    return this.#line;
  }
}
