// What a run of tests has exercised: which policies were ever looked at, and which of their conditions were seen true and seen false.
// A condition that was only ever true says nothing about what it keeps out.
import type { ClauseState } from '../domain/access.ts';
import { clausesOf } from './clauses.ts';
import { lineOf } from './findings.ts';
import { RESERVED_PREFIX } from './guardrails.ts';
import type { PolicySet, PolicySource, PolicyTrace } from './policy-set.ts';
import { type Statement, statementsOf } from './statements.ts';

/** How often a condition came out how. */
export type ClauseCoverage = {
  readonly clause: string;
  /** `file:line` */
  readonly source: string;
  readonly held: number;
  readonly failed: number;
  readonly errors: number;
};

export type PolicyCoverage = {
  readonly policy: string;
  /** `file:line` */
  readonly source: string;
  /** Requests that its scope was for. */
  readonly exercised: number;
  /** Its conditions; none when it is a scope alone. */
  readonly clauses: readonly ClauseCoverage[];
};

/** Outcomes: true and false of each condition; of a policy without any, that its scope was met. */
export type Coverage = {
  readonly outcomes: number;
  readonly seen: number;
  readonly policies: readonly PolicyCoverage[];
};

/** `set`: admitted from `sources`. Guardrails are Cordon's to test and left out. */
export function coverageOf(set: PolicySet, sources: readonly PolicySource[], traces: readonly PolicyTrace[]): Coverage {
  const byPolicy = Map.groupBy(traces, ({ policy }) => policy);
  const statements = sources.flatMap((source) => statementsOf(source).statements);
  const own = set.policies.filter(({ id }) => !id.startsWith(RESERVED_PREFIX));
  // INVARIANT: a set keeps the order of its sources
  const policies = own.flatMap(({ id, source }, at) => {
    const statement = statements[at];
    const its = byPolicy.get(id) ?? [];
    return statement === undefined ? [] : { policy: id, source, exercised: its.length, clauses: clauseCoverage(statement, its) };
  });
  const outcomes = policies.map(({ clauses, exercised }) =>
    clauses.length === 0 ? { all: 1, seen: exercised > 0 ? 1 : 0 } : { all: clauses.length * 2, seen: clauses.reduce(seenIn, 0) },
  );
  return {
    outcomes: outcomes.reduce((sum, { all }) => sum + all, 0),
    seen: outcomes.reduce((sum, { seen }) => sum + seen, 0),
    policies,
  };
}

const seenIn = (sum: number, { held, failed }: ClauseCoverage): number => sum + (held > 0 ? 1 : 0) + (failed > 0 ? 1 : 0);

function clauseCoverage(statement: Statement, traces: readonly PolicyTrace[]): readonly ClauseCoverage[] {
  const conditions = clausesOf(statement).conditions.flat();
  return conditions.map(({ text, at }, index) => {
    // a trace names the scope first
    const states = traces.map(({ clauses }) => clauses.at(index - conditions.length)?.state);
    const count = (wanted: ClauseState): number => states.filter((state) => state === wanted).length;
    return { clause: text, source: lineOf(statement.source, at), held: count('held'), failed: count('failed'), errors: count('error') };
  });
}
