// Sources taken apart into parsed policies. What cannot be read is found for all of them at once, and what can be is looked at all the same.
import type { EstPolicy } from '../cedar/est.ts';
import type { OfficialIssue } from '../cedar/official-issues.ts';
import type { Parsed } from '../identify.ts';
import type { Flaw } from './rules.ts';
import type { PolicySource } from '../policy-set.ts';
import { type Statement, statementsOf } from '../statements.ts';

export interface Cuts {
  /** Within the bounds of the engine. */
  readonly statements: readonly Statement[];
  readonly flaws: readonly Flaw[];
}

/** The policies of all sources, before the engine sees them. */
export function cutsOf(sources: readonly PolicySource[]): Cuts {
  const cuts = sources.map(statementsOf);
  const flaws = cuts.flatMap(({ findings }) => findings.map((finding): Flaw => ({ rule: 'syntax', ...finding })));
  const statements = cuts.flatMap((cut) => cut.statements).filter((statement) => !flaws.some((flaw) => isIn(flaw, statement)));
  return { statements, flaws };
}

/** What the engine made of each statement. */
export function parsedOf(
  statements: readonly Statement[],
  answers: readonly (EstPolicy | readonly OfficialIssue[])[],
): { readonly parsed: readonly Parsed[]; readonly flaws: readonly Flaw[] } {
  const parsed: Parsed[] = [];
  const flaws: Flaw[] = [];
  for (const [at, statement] of statements.entries()) {
    const answer = answers[at] ?? [];
    if ('effect' in answer) parsed.push({ statement, est: answer });
    else flaws.push(...answer.map((issue): Flaw => ({ rule: 'syntax', ...issueIn(statement, issue) })));
  }
  return { parsed, flaws };
}

/** What the engine says of a statement, in its source. */
export const issueIn = ({ source, at: start }: Statement, { message, help, at, length }: OfficialIssue): Omit<Flaw, 'rule'> => ({
  source,
  at: start + at,
  length,
  message,
  help: help?.replace(/^for policy `[^`]*`, /, ''),
});

/** Does it stand in this policy? */
export const isIn = ({ source, at }: Pick<Flaw, 'source' | 'at'>, statement: Statement): boolean =>
  source === statement.source && at >= statement.at && at <= statement.at + statement.text.length;
