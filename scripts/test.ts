// `npm test`: every test that needs only Node. `npm test -- policy audit` runs the files whose path contains one of these words;
// options go to Node's test runner as they are (`npm test -- --test-name-pattern=I2`). Green means that a test ran: none is a failure.
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism, constants } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const USAGE = 2;
// Longer than the slowest file, so that only a hang meets it.
const FILE_TIMEOUT_MS = 600_000;

const words = process.argv.slice(2).filter((arg) => !arg.startsWith('-'));
const options = process.argv.slice(2).filter((arg) => arg.startsWith('-'));
const files = globSync('test/**/*.test.ts', { cwd: root }).toSorted();
const chosen = words.length === 0 ? files : files.filter((file) => words.some((word) => file.includes(word)));

if (chosen.length === 0) {
  console.error(
    `x no test file has \`${words.join('` or `')}\` in its path\n  fix  one of: ${files.map((file) => file.slice('test/'.length)).join(' ')}`,
  );
  process.exit(USAGE);
}

const runner = spawn(
  process.execPath,
  [
    '--test',
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=./scripts/test-count.ts',
    '--test-reporter-destination=stderr',
    `--test-concurrency=${Math.min(availableParallelism(), 4)}`,
    `--test-timeout=${FILE_TIMEOUT_MS}`,
    ...options,
    ...chosen,
  ],
  { cwd: root, stdio: 'inherit' },
);
runner.on('exit', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
});
