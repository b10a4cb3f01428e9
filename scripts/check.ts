// `npm run check`: everything that can be said about the code without running it, cheap → dear. One line a step; the output of a step
// is shown only when it failed. Exit 7 when a gate failed.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { styleText } from 'node:util';

const root = join(import.meta.dirname, '..');
const GATE_FAILED = 7;

interface Step {
  readonly name: string;
  readonly args: readonly string[];
  readonly fix: string;
}

const STEPS: readonly Step[] = [
  { name: 'format', args: [tool('oxfmt'), '--check', '.'], fix: 'npm run format' },
  {
    name: 'lint',
    args: [tool('oxlint'), '--type-aware', '--deny-warnings', '--report-unused-disable-directives'],
    fix: 'mend what it names',
  },
  { name: 'types', args: [tool('typescript', 'tsc'), '--noEmit', '--pretty', 'false'], fix: 'mend what it names' },
  { name: 'dead code', args: [tool('knip'), '--no-progress'], fix: 'remove what it names, or use it' },
  {
    name: 'architecture',
    args: ['--test', '--test-reporter=spec', 'test/architecture.test.ts'],
    fix: 'each failure gives its reason; the rules stand in scripts/architecture.ts',
  },
];

/** The JavaScript file behind a command in node_modules/.bin, so that it runs on this Node. */
function tool(name: string, command = name): string {
  const folder = join(root, 'node_modules', name);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    bin: string | Record<string, string>;
  };
  const file = typeof bin === 'string' ? bin : bin[command];
  if (file === undefined) throw new Error(`\`${name}\` has no command \`${command}\``);
  return join(folder, file);
}

/** @returns true when the step passed */
function run({ name, args, fix }: Step): boolean {
  const started = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: 300_000,
  });
  const passed = status === 0;
  const mark = passed ? styleText('green', 'v') : styleText('red', 'x');
  console.log(`  ${mark} ${name.padEnd(14)} ${((performance.now() - started) / 1000).toFixed(1)} s`);
  if (!passed) console.log(`${stdout}${stderr}`.trimEnd() + `\n  fix  ${fix}\n`);
  return passed;
}

const failed = STEPS.filter((step) => !run(step));
if (failed.length > 0) {
  console.log(`exit ${GATE_FAILED}: ${failed.map((step) => step.name).join(', ')}`);
  process.exitCode = GATE_FAILED;
}
