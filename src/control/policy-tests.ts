// Table tests as a gate: a set that does not decide what its tests expect is neither enforced nor made the candidate.
import { setImmediate } from 'node:timers/promises';
import type { JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import type { PolicySet, PolicySource } from '../policy/policy-set.ts';
import { expectedOf, observedOf, runEach, type TableTest, type TestResult } from '../policy/test-table.ts';
import { refuseLarge } from './policies.ts';

/** Reads the tests of these files without holding up decisions. @throws Refusal CORDON-9006 with everything that is wrong with them */
export type TableReader = (files: readonly PolicySource[], world: World) => Promise<readonly TableTest[]>;

/** One that failed. */
export type FailedTest = {
  readonly name: string;
  /** `file:line` */
  readonly source: string;
  /** `allow by clerk-pays`, `CORDON-3005` */
  readonly expected: string;
  readonly observed: string;
  /** A name in it that nothing has, and the one that was meant. */
  readonly misspelt?: string;
  readonly meant?: string;
};

export type TestsView = {
  readonly passed: number;
  readonly failed: number;
  /** The first of them. */
  readonly failures: readonly FailedTest[];
};

/** Failures that are told one by one. */
const TOLD = 20;
/** Calls go first: the thread is given back after this long. Milliseconds. */
const SLICE = 2;

/** What the tests of these files say of a set. @throws Refusal CORDON-9006 when they cannot be read */
export async function tested(
  read: TableReader,
  files: readonly PolicySource[],
  { set, world }: { readonly set: PolicySet; readonly world: World },
): Promise<TestsView> {
  refuseLarge(files.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0));
  const tests = await read(files, world);
  const failures: FailedTest[] = [];
  let failed = 0;
  let sliceEnd = performance.now() + SLICE;
  for (const { result } of runEach(set, world, tests)) {
    if (!result.passed && failed++ < TOLD) failures.push(failureOf(result));
    if (performance.now() < sliceEnd) continue;
    await setImmediate();
    sliceEnd = performance.now() + SLICE;
  }
  return { passed: tests.length - failed, failed, failures };
}

function failureOf({ test, decision, misspelt }: TestResult): FailedTest {
  const { name, meant } = misspelt ?? {};
  return {
    name: test.name,
    source: test.source,
    expected: expectedOf(test),
    observed: observedOf(decision),
    ...(name === undefined ? {} : { misspelt: name }),
    ...(meant === undefined ? {} : { meant }),
  };
}

/** What is on record of an order that tests refused. */
export const onRecord = ({ failed, failures }: TestsView): JsonObject => ({
  refused: 'tests',
  failed,
  tests: failures.map(({ source }) => source),
});

/** Why a set that was found is not enforced. */
export function testsFailed({ passed, failed, failures }: TestsView): Refusal {
  const lines = failures.map(({ name, source, expected, observed }) => `${source}: ${name}: expected ${expected}, observed ${observed}`);
  const more = failed > lines.length ? [`and ${failed - lines.length} more`] : [];
  return new Refusal('CORDON-9006', [`${failed} of ${passed + failed} policy tests fail`, ...lines, ...more].join('\n'), {
    fix: 'mend the policies or their tests, see `cordon policy test`; then `cordon policy apply`',
  });
}
