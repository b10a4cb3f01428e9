// The clauses of a policy: what must all hold for it to apply, in the order in which Cedar evaluates them, in the author's words.
//
//   permit (principal == Agent::"clerk", action, resource in Server::"ledger")     two scope clauses
//   when { context.input has memo && context.input.memo == "x" }                    two clauses: `&&` evaluates left to right
//   unless { a || b };                                                              two: unless a, unless b (De Morgan, same order)
//
// A body with another operator at its top (`||` in a `when`, `if`) is one clause. Splitting changes nothing in meaning, errors
// included: a policy is the conjunction of its scope and conditions, short-circuiting from the left. The parsed policy is split in the
// same way, so that each clause that is shown is exactly what is evaluated.
import { Refusal } from '../domain/refusal.ts';
import type { EstCondition, EstExpr, EstPolicy } from './cedar/est.ts';
import { lineOf } from './findings.ts';
import { bracket, endOf, splitAt, type Token } from './lexer.ts';
import type { Statement } from './statements.ts';

export interface PolicyClause {
  readonly kind: 'principal' | 'action' | 'resource' | 'when' | 'unless';
  /** For people: without comments, on one line. */
  readonly text: string;
  /** UTF-16 index in the source. */
  readonly at: number;
}

const SCOPE = ['principal', 'action', 'resource'] as const;
export type ScopeClause = PolicyClause & { readonly kind: (typeof SCOPE)[number] };
export const isScope = (clause: PolicyClause): clause is ScopeClause => SCOPE.some((name) => name === clause.kind);

export interface Clauses {
  readonly scope: readonly PolicyClause[];
  /** Of each `when` and `unless`, its parts. */
  readonly conditions: readonly (readonly PolicyClause[])[];
}

/** All clauses of a policy that the engine has parsed. @throws Refusal CORDON-9006 when this reader cannot follow it */
export function clausesOf(statement: Statement): Clauses {
  const { tokens } = statement;
  const open = openingOf(tokens);
  const close = closing(tokens, open);
  const parts = splitAt(tokens.slice(open + 1, close), ',').filter((part) => part.length > 0);
  if (open < 0 || parts.length !== SCOPE.length) throw unreadable(statement, 'the scope cannot be read');
  const scope = SCOPE.flatMap((kind, at) => constraint(kind, parts[at] ?? []));
  return { scope, conditions: conditions(statement, tokens.slice(close + 1)) };
}

/** Index of the bracket that opens the scope, or −1. `@permit("…")` is an annotation. */
export const openingOf = (tokens: readonly Token[]): number =>
  tokens.findIndex((token, at) => isMark(token, '(') && isWord(tokens[at - 1], 'permit', 'forbid') && !isMark(tokens[at - 2], '@'));

export const unreadable = ({ source, at }: Statement, message: string): Refusal =>
  new Refusal('CORDON-9006', `${lineOf(source, at)}: ${message}`);

/** `principal` alone constrains nothing. */
function constraint(kind: PolicyClause['kind'], tokens: readonly Token[]): PolicyClause[] {
  const [first] = tokens;
  return first === undefined || tokens.length < 2 ? [] : [{ kind, text: spaced(tokens), at: first.at }];
}

/** `est` with one condition for each clause that is none of the scope. @throws Refusal CORDON-9006 when the two do not fit together */
export function withClauses(est: EstPolicy, clauses: Clauses, statement: Statement): EstPolicy {
  if (clauses.conditions.length !== est.conditions.length) throw unreadable(statement, 'the conditions cannot be told apart');
  const told = est.conditions.flatMap(({ kind, body }, at): EstCondition[] =>
    split(body, kind === 'when' ? '&&' : '||', clauses.conditions[at]?.length ?? 1, statement).map((part) => ({ kind, body: part })),
  );
  return { ...est, conditions: told };
}

/** The last `count` operands of a chain; the first of them is whatever stands left of the others. Both operators group from the left. */
function split(body: EstExpr, operator: '&&' | '||', count: number, statement: Statement): readonly EstExpr[] {
  const parts: EstExpr[] = [];
  let rest = body;
  while (parts.length < count - 1) {
    const chain = rest[operator];
    if (!isChain(chain)) throw unreadable(statement, 'a condition cannot be told apart');
    parts.unshift(chain.right);
    rest = chain.left;
  }
  return [rest, ...parts];
}

const isChain = (node: unknown): node is { readonly left: EstExpr; readonly right: EstExpr } =>
  typeof node === 'object' && node !== null && 'left' in node && 'right' in node;

function conditions(statement: Statement, tokens: readonly Token[]): (readonly PolicyClause[])[] {
  const out: (readonly PolicyClause[])[] = [];
  for (let at = 0; !isMark(tokens[at], ';');) {
    const kind = isWord(tokens[at], 'when') ? 'when' : 'unless';
    const end = closing(tokens, at + 1);
    if (!isWord(tokens[at], kind) || !isMark(tokens[at + 1], '{') || end < at + 3)
      throw unreadable(statement, 'a condition cannot be read');
    const parts = conjuncts(tokens.slice(at + 2, end), kind);
    out.push(parts.map((part) => ({ kind, text: kind === 'when' ? spaced(part) : `unless ${spaced(part)}`, at: part[0]?.at ?? 0 })));
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

/** One space wherever the author had any, or a comment. */
const spaced = (tokens: readonly Token[]): string =>
  tokens.map((token, at) => `${at > 0 && endOf(tokens[at - 1] ?? token) < token.at ? ' ' : ''}${token.text}`).join('');
