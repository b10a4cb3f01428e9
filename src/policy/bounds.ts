// Bounds on policy text, before the engine sees it. The WASM engine evaluates recursively on a stack of 1 MiB and does not unwind it
// when it overflows: after a few overflows every later call fails. A policy author could so take down every decision. Measured on
// Node 24: 120 brackets overflow the parser, a height (below) of 380 the evaluation. Within these bounds a policy has at most 240,
// and at most 340 when its clauses are told apart for an explanation.
import type { Token } from './lexer.ts';

/** Characters of all sources together. */
export const MAX_SOURCE = 8_000_000;
/** Clauses of one policy (clauses.ts): told apart they are one chain. */
export const MAX_CLAUSES = 100;
const MAX_NESTING = 64;
const MAX_CHAIN = 100;
/** Of the expression tree, on its longest way down: operators and accesses in a row, plus two for each bracket. */
const MAX_HEIGHT = 240;

interface Group {
  /** `&&`, `||`, `+`, `-`, `*` and `if` at this level. */
  operators: number;
  /** `.` and brackets in a row: `a.b.c`. */
  run: number;
  longestRun: number;
  tallest: number;
}

const CHAIN = new Set(['&&', '||', '+', '-', '*']);
const ENDS_RUN = new Set([...CHAIN, ',', '==', '!=', '<', '<=', '>', '>=']);
const group = (): Group => ({ operators: 0, run: 0, longestRun: 0, tallest: 0 });
const height = ({ operators, longestRun, tallest }: Group): number => operators + longestRun + tallest;

/** The first token at which one policy goes beyond a bound, and which. */
export function beyondBounds(policy: readonly Token[]): { readonly token: Token; readonly message: string } | undefined {
  const open: Group[] = [];
  let here = group();
  for (const token of policy) {
    if (token.kind === 'word') here.operators += OPERATOR_WORDS.has(token.text) ? 1 : 0;
    if (token.kind === 'mark') {
      if (CHAIN.has(token.text)) here.operators++;
      here.run = ENDS_RUN.has(token.text) ? 0 : here.run + (token.text === '.' || token.text === '[' ? 1 : 0);
      here.longestRun = Math.max(here.longestRun, here.run);
      if (OPENING.has(token.text)) {
        open.push(here);
        here = group();
      } else if (CLOSING.has(token.text)) {
        const tallest = 2 + height(here);
        here = open.pop() ?? group();
        here.tallest = Math.max(here.tallest, tallest);
      }
    }
    if (open.length > MAX_NESTING) return { token, message: `brackets are nested deeper than ${MAX_NESTING}` };
    if (here.operators > MAX_CHAIN) return { token, message: `more than ${MAX_CHAIN} operators in one chain` };
    if (height(here) > MAX_HEIGHT) return { token, message: 'the expression is nested too deep' };
  }
  return undefined;
}

// a policy's `when` and `unless` clauses are one conjunction
const OPERATOR_WORDS = new Set(['if', 'when', 'unless']);
const OPENING = new Set(['(', '[', '{']);
const CLOSING = new Set([')', ']', '}']);
