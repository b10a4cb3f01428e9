// The clauses of a policy: what must all hold for it to apply, in the order in which Cedar evaluates them, in the author's words.
//
//   permit (principal == Agent::"clerk", action, resource in Server::"ledger")     two scope clauses
//   when { context.input has memo && context.input.memo == "x" }                    two clauses: `&&` evaluates left to right
//   unless { a || b };                                                              two: unless a, unless b (De Morgan, same order)
//
// A body with another operator at its top (`||` in a `when`, `if`) is one clause. Splitting changes nothing in meaning, errors
// included: a policy is the conjunction of its scope and conditions, short-circuiting from the left.
import { Refusal } from '../domain/refusal.ts';
import { lineOf } from './findings.ts';
import { bracket, endOf, splitAt, type Token } from './lexer.ts';
import type { Statement } from './statements.ts';

export interface PolicyClause {
  readonly kind: 'principal' | 'action' | 'resource' | 'when' | 'unless';
  /** For people: without comments, on one line. */
  readonly text: string;
  /** For the engine: the scope constraint, or the expression without its braces. */
  readonly cedar: string;
  /** May its value depend on `context`? A scope constraint never does. */
  readonly readsContext: boolean;
}

const SCOPE = ['principal', 'action', 'resource'] as const;
export const isScope = ({ kind }: PolicyClause): boolean => SCOPE.some((name) => name === kind);

/** All clauses of a policy that the engine has parsed. @throws Refusal CORDON-9006 when this reader cannot follow it */
export function clausesOf(statement: Statement): readonly PolicyClause[] {
  const { source, tokens } = statement;
  const open = tokens.findIndex(
    (token, at) => isMark(token, '(') && isWord(tokens[at - 1], 'permit', 'forbid') && !isMark(tokens[at - 2], '@'),
  );
  const close = closing(tokens, open);
  const parts = splitAt(tokens.slice(open + 1, close), ',').filter((part) => part.length > 0);
  if (open < 0 || parts.length !== SCOPE.length) throw unreadable(statement, 'the scope cannot be read');
  const scope = SCOPE.flatMap((kind, at) => constraint(kind, parts[at] ?? [], source.text));
  return [...scope, ...conditions(statement, tokens.slice(close + 1))];
}

const unreadable = ({ source, at }: Statement, message: string): Refusal => new Refusal('CORDON-9006', `${lineOf(source, at)}: ${message}`);

/** A permit with the effect of these clauses alone; for a forbid's clauses too, so that the engine names it when they hold. */
export function permitOf(clauses: readonly PolicyClause[]): string {
  const scope = SCOPE.map((name) => clauses.find(({ kind }) => kind === name)?.cedar ?? name);
  const rest = clauses.filter((clause) => !isScope(clause)).map(({ kind, cedar }) => ` ${kind} { ${cedar} }`);
  return `permit (${scope.join(', ')})${rest.join('')};`;
}

/** `principal` alone constrains nothing. */
function constraint(kind: PolicyClause['kind'], tokens: readonly Token[], text: string): PolicyClause[] {
  return tokens.length < 2 ? [] : [{ kind, text: spaced(tokens), cedar: raw(tokens, text), readsContext: false }];
}

function conditions(statement: Statement, tokens: readonly Token[]): PolicyClause[] {
  const out: PolicyClause[] = [];
  const { text } = statement.source;
  for (let at = 0; !isMark(tokens[at], ';');) {
    const kind = isWord(tokens[at], 'when') ? 'when' : 'unless';
    const end = closing(tokens, at + 1);
    if (!isWord(tokens[at], kind) || !isMark(tokens[at + 1], '{') || end < at + 3)
      throw unreadable(statement, 'a condition cannot be read');
    for (const part of conjuncts(tokens.slice(at + 2, end), kind)) {
      const readsContext = part.some((token) => isWord(token, 'context'));
      out.push({
        kind,
        text: kind === 'when' ? spaced(part) : `unless ${spaced(part)}`,
        cedar: raw(part, text),
        readsContext,
      });
    }
    at = end + 1;
  }
  return out;
}

function conjuncts(body: readonly Token[], kind: 'when' | 'unless'): readonly (readonly Token[])[] {
  if (isWord(body[0], 'if')) return [body]; // its last branch reaches to the end
  if (kind === 'unless') return splitAt(body, '||');
  return splitAt(body, '||').length > 1 ? [body] : splitAt(body, '&&');
}

/** Index of the bracket that closes the one at `open`, or −1. */
function closing(tokens: readonly Token[], open: number): number {
  let depth = 0;
  const end = tokens.findIndex((token, at) => at >= open && (depth += bracket(token)) === 0);
  return open < 0 || end <= open ? -1 : end;
}

const isMark = (token: Token | undefined, text: string): boolean => token?.kind === 'mark' && token.text === text;
const isWord = (token: Token | undefined, ...texts: readonly string[]): boolean => token?.kind === 'word' && texts.includes(token.text);

function raw(tokens: readonly Token[], text: string): string {
  const [first] = tokens;
  const last = tokens.at(-1);
  return first === undefined || last === undefined ? '' : text.slice(first.at, endOf(last));
}

/** One space wherever the author had any, or a comment. */
const spaced = (tokens: readonly Token[]): string =>
  tokens.map((token, at) => `${at > 0 && endOf(tokens[at - 1] ?? token) < token.at ? ' ' : ''}${token.text}`).join('');
