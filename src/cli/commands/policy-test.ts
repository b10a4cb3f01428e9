// `cordon policy test`: the table tests beside the policies, and what they leave untested.
import { watch } from 'node:fs';
import { InvalidArgumentError, type Command } from 'commander';
import { sha256Hex } from '../../crypto/hash.ts';
import { admit } from '../../policy/admit.ts';
import { type Coverage, coverageOf } from '../../policy/coverage.ts';
import { runTable, type TestResult } from '../../policy/test-table.ts';
import { contextOf, type Context } from '../context.ts';
import { asFailure, EXIT, renderFailure } from '../errors.ts';
import { addWorldOptions, knownWorld, policyFiles, type WorldOptions } from '../known-world.ts';
import { readTables } from '../policy-table.ts';
import { renderTests, testsJson } from '../test-report.ts';
import { showExamples } from '../usage.ts';

interface TestOptions extends WorldOptions {
  readonly coverageMin?: number;
  readonly watch?: true;
}

export function policyTest(policy: Command): void {
  const command = policy
    .command('test')
    .summary('run the table tests beside the policies')
    .description(
      'Runs the tests of every *.test.yaml beside the policies, and says which clauses they never saw true or never saw false.\nExit 7 when a test fails or too little is covered, 2 when there is no test: nothing tested is no pass.',
    )
    .argument('[dir]', 'directory of *.cedar and *.test.yaml files (default: `policies` of cordon.yaml)')
    .option('--coverage-min <percent>', 'fail when less is covered', percent)
    .option('--watch', 'run again whenever a file there changes, until Ctrl-C')
    .action(async (dir: string | undefined, options: TestOptions, self: Command) => {
      const context = contextOf(self);
      await (options.watch === true ? keepTesting(context, dir, options) : test(context, dir, options));
    });
  addWorldOptions(command);
  showExamples(command, ['cordon policy test', 'cordon policy test --watch', 'cordon policy test policies --coverage-min 80 --json']);
}

function percent(text: string): number {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && value <= 100) return value;
  throw new InvalidArgumentError('Expected a number from 0 to 100.');
}

export interface Tested {
  readonly results: readonly TestResult[];
  readonly coverage: Coverage;
  /** Against what: see known-world.ts. */
  readonly world: { readonly from: string; readonly detail: string };
  /** Percent that has to be covered. */
  readonly least: number | undefined;
}

/** Runs the tests once and prints them. @throws Failure, Refusal when they cannot be run */
async function test(context: Context, dir: string | undefined, options: TestOptions): Promise<void> {
  const tested = await run(context, dir, options);
  const json = testsJson(tested);
  context.out.print(json, (paint) => renderTests(paint, tested));
  process.exitCode = json.ok ? EXIT.ok : EXIT.gate;
}

async function run(context: Context, dir: string | undefined, options: TestOptions): Promise<Tested> {
  const { directory, sources } = await policyFiles(context, dir);
  const { world, from, said } = await knownWorld(context, options);
  const tests = await readTables(directory, world);
  const set = await admit(sources, world, 0, sha256Hex);
  const { results, traces } = runTable(set, world, tests);
  return { results, coverage: coverageOf(set, sources, traces), world: { from, detail: said }, least: options.coverageMin };
}

/** Editors write a file in several steps; what is quiet for this long is written. */
const QUIET_MS = 40;
const CLEAR = '\u001b[H\u001b[2J\u001b[3J';

/** The tests again after each change, until the first signal; the exit code is that of the last run. */
async function keepTesting(context: Context, dir: string | undefined, options: TestOptions): Promise<void> {
  const { directory } = await policyFiles(context, dir);
  const changes = changesIn(directory);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => changes.end());
  do {
    if (context.out.interactive) process.stdout.write(CLEAR);
    await test(context, dir, options).catch((error: unknown) => tell(context, error));
    context.out.hint(`watching ${directory}; stop: Ctrl-C`);
  } while (await changes.next());
}

/** What would end a single run is told, and waited on: the next change may mend it. */
function tell(context: Context, error: unknown): void {
  const failure = asFailure(error);
  const { code, observed, expected } = failure.detail;
  const json = {
    schema: 'cordon.policy-test/v1',
    ok: false,
    error: { message: failure.message, ...definedIn({ code, observed, expected }) },
  };
  context.out.print(json, (paint) => renderFailure(failure, paint));
  process.exitCode = failure.exitCode;
}

const definedIn = (members: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(Object.entries(members).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));

interface Changes {
  /** True after the next change, false when there will be none. */
  next(): Promise<boolean>;
  end(): void;
}

/** Events of the file system, of one write together; nothing is polled. */
function changesIn(directory: string): Changes {
  let pending = Promise.withResolvers<boolean>();
  let quiet: NodeJS.Timeout | undefined;
  const watcher = watch(directory, () => {
    clearTimeout(quiet);
    quiet = setTimeout(() => pending.resolve(true), QUIET_MS);
  });
  const end = (): void => {
    clearTimeout(quiet);
    watcher.close();
    pending.resolve(false);
  };
  watcher.once('error', end);
  return {
    async next() {
      const changed = await pending.promise;
      if (changed) pending = Promise.withResolvers<boolean>();
      return changed;
    },
    end,
  };
}
