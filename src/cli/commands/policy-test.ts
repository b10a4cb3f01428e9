// `cordon policy test`: the table tests beside the policies, and what they leave untested.
import { watch } from 'node:fs';
import { InvalidArgumentError, type Command } from 'commander';
import { sha256Hex } from '../../crypto/hash.ts';
import { contextOf, type Context } from '../context.ts';
import { asFailure, EXIT, renderFailure } from '../errors.ts';
import { addWorldOptions, knownWorld, policyFiles, shown, type WorldOptions } from '../known-world.ts';
import type { Tested } from '../test-report.ts';
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

/** Runs the tests once and prints them. @throws Failure, Refusal when they cannot be run */
async function test(context: Context, dir: string | undefined, options: TestOptions): Promise<void> {
  const { renderTests, testsJson } = await import('../test-report.ts');
  const tested = await run(context, dir, options);
  const json = testsJson(tested);
  context.out.print(json, (paint) => renderTests(paint, tested));
  process.exitCode = json.ok ? EXIT.ok : EXIT.gate;
}

async function run(context: Context, dir: string | undefined, options: TestOptions): Promise<Tested> {
  const [{ admit }, { coverageOf }, { runTable }, { readTables }] = await Promise.all([
    import('../../policy/admit.ts'),
    import('../../policy/coverage.ts'),
    import('../../policy/test-table.ts'),
    import('../test-tables.ts'),
  ]);
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
    context.out.hint(`watching ${shown(directory)}; stop: Ctrl-C`);
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
  let ended = false;
  const watcher = watch(directory, () => {
    clearTimeout(quiet);
    quiet = setTimeout(() => pending.resolve(true), QUIET_MS);
  });
  const end = (): void => {
    ended = true;
    clearTimeout(quiet);
    watcher.close();
    pending.resolve(false);
  };
  watcher.once('error', end);
  return {
    async next() {
      const changed = await pending.promise;
      pending = Promise.withResolvers<boolean>();
      return changed && !ended;
    },
    end,
  };
}
