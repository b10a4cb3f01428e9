// A policy file cut into its policies, each with its place. Cutting follows Cedar's grammar: a policy ends at a `;` outside brackets.
import { beyondBounds } from './bounds.ts';
import type { Finding } from './findings.ts';
import { bracket, endOf, lex, type Token } from './lexer.ts';
import type { PolicySource } from './policy-set.ts';

export interface Statement {
  readonly source: PolicySource;
  /** UTF-16 index of the first token in the source. */
  readonly at: number;
  readonly text: string;
  readonly tokens: readonly Token[];
}

export interface Cut {
  readonly statements: readonly Statement[];
  readonly findings: readonly Finding[];
}

/** The policies of one file, or what keeps it from being handed to the engine. */
export function statementsOf(source: PolicySource): Cut {
  const tokens = lex(source.text);
  if ('message' in tokens) return { statements: [], findings: [{ source, at: tokens.at, length: 1, message: tokens.message }] };
  const statements = cut(tokens).map((part) => statement(source, part));
  const findings = statements.flatMap(({ tokens: policy }) => {
    const beyond = beyondBounds(policy);
    if (beyond === undefined) return [];
    return [
      {
        source,
        at: beyond.token.at,
        length: beyond.token.text.length,
        message: beyond.message,
        help: 'write it as several policies',
      },
    ];
  });
  return { statements, findings };
}

function cut(tokens: readonly Token[]): (readonly Token[])[] {
  const parts: Token[][] = [];
  let part: Token[] = [];
  let depth = 0;
  for (const token of tokens) {
    part.push(token);
    depth = Math.max(0, depth + bracket(token));
    if (depth > 0 || token.kind !== 'mark' || token.text !== ';') continue;
    parts.push(part);
    part = [];
  }
  return part.length === 0 ? parts : [...parts, part];
}

function statement(source: PolicySource, tokens: readonly Token[]): Statement {
  const at = tokens[0]?.at ?? 0;
  const last = tokens.at(-1);
  return { source, at, text: source.text.slice(at, last === undefined ? at : endOf(last)), tokens };
}
