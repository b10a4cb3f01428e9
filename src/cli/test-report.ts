// The results of `cordon policy test`: for people, with the clause that explains a failure; for programs, `cordon.policy-test/v1`.
import type { JsonObject } from '../domain/json.ts';
import type { ClauseCoverage, Coverage, PolicyCoverage } from '../policy/coverage.ts';
import { expectedOf, observedOf, reachedPolicy, type TestResult } from '../policy/test-table.ts';
import type { Mark, Paint } from './paint.ts';
import { becauseLines } from './explain.ts';
import { failedTestLines } from './failed-test.ts';
import { table } from './table.ts';
import { several } from './units.ts';
import { plain } from './untrusted.ts';

/** One run of the tables. */
export interface Tested {
  readonly results: readonly TestResult[];
  readonly coverage: Coverage;
  /** Against what: see known-world.ts. */
  readonly world: { readonly from: string; readonly detail: string };
  /** Percent that has to be covered. */
  readonly least: number | undefined;
}

/** Of all outcomes, those that were seen. */
const percentOf = ({ outcomes, seen }: Coverage): number => (outcomes === 0 ? 100 : Math.floor((seen / outcomes) * 1000) / 10);

const isCovered = ({ coverage, least }: Tested): boolean => least === undefined || percentOf(coverage) >= least;

export type TestsJson = JsonObject & { readonly ok: boolean };

export function testsJson(tested: Tested): TestsJson {
  const { results, coverage, world, least } = tested;
  const failed = results.filter(({ passed }) => !passed).length;
  return {
    schema: 'cordon.policy-test/v1',
    ok: failed === 0 && isCovered(tested),
    world,
    passed: results.length - failed,
    failed,
    tests: results.map((result) => ({
      name: result.test.name,
      source: result.test.source,
      passed: result.passed,
      expected: expectedOf(result.test),
      observed: observedOf(result.decision),
      decision: { ...result.decision },
      ...(result.misspelt === undefined ? {} : { misspelt: result.misspelt.name, ...meantJson(result.misspelt.meant) }),
      ...(result.explanation === undefined ? {} : { explanation: { ...result.explanation } }),
    })),
    coverage: { percent: percentOf(coverage), ...(least === undefined ? {} : { least }), ...coverage },
  };
}

const meantJson = (meant: string | undefined): JsonObject => (meant === undefined ? {} : { meant });

export function renderTests(paint: Paint, tested: Tested): readonly string[] {
  const { results, coverage, world } = tested;
  const failed = results.filter(({ passed }) => !passed);
  return [
    ...results.flatMap((result) => resultLines(paint, result)),
    ...coverageLines(paint, coverage),
    ...coverageGate(paint, tested),
    `${paint.mark(failed.length > 0 ? 'x' : 'v')} ${failed.length > 0 ? `${failed.length} of ` : ''}${several(results.length, 'test')} ${failed.length > 0 ? 'failed' : 'passed'}, against ${plain(world.detail)}`,
  ];
}

function resultLines(paint: Paint, result: TestResult): readonly string[] {
  const { test, passed, decision, explanation, misspelt } = result;
  if (passed) return [`${paint.mark('v')} ${plain(test.name)}`];
  const early = test.expect === 'deny' && !reachedPolicy(decision);
  const note = early ? `; no policy was asked: expect \`${decision.code ?? ''}\` if this is meant` : '';
  const failed = {
    name: test.name,
    source: test.source,
    expected: expectedOf(test),
    observed: `${observedOf(decision)}${note}`,
    misspelt: misspelt?.name,
    meant: misspelt?.meant,
  };
  return [...failedTestLines(paint, failed), ...becauseLines(paint, decision, explanation)];
}

/** Policies that were never looked at, and conditions with an outcome that was never seen. */
function coverageLines(paint: Paint, coverage: Coverage): readonly string[] {
  const gaps = coverage.policies.flatMap((policy) => gapLines(paint, policy));
  return [paint('bold', `coverage ${percentOf(coverage)} %  ${coverage.seen} of ${several(coverage.outcomes, 'outcome')}`), ...gaps];
}

function gapLines(paint: Paint, { policy, source, exercised, clauses }: PolicyCoverage): readonly string[] {
  const open = clauses.flatMap((clause) => gapOf(clause));
  if (exercised === 0) return [`  ${paint.mark('x')} ${plain(policy)}  never exercised  ${paint('dim', plain(source))}`];
  if (open.length === 0) return [];
  const rows = open.map(
    ({ clause, gap, mark, at }) => [[mark, () => paint.mark(mark)], clause, gap, [at, (text: string) => paint('dim', text)]] as const,
  );
  return [`  ${paint.mark('!')} ${plain(policy)}`, ...table(rows, 4)];
}

interface Gap {
  readonly clause: string;
  readonly gap: string;
  readonly mark: Mark;
  readonly at: string;
}

function gapOf({ clause, source, held, failed, errors }: ClauseCoverage): readonly Gap[] {
  if (held > 0 && failed > 0) return [];
  const gap = held + failed + errors === 0 ? 'never evaluated' : held === 0 ? 'never true' : 'never false';
  return [{ clause, gap, mark: gap === 'never evaluated' ? 'x' : '!', at: source }];
}

function coverageGate(paint: Paint, tested: Tested): readonly string[] {
  const { coverage, least } = tested;
  return isCovered(tested) ? [] : [`${paint.mark('x')} ${percentOf(coverage)} % covered, ${least ?? 0} % wanted`];
}
