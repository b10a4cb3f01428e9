// `cordon`: reads the command line, runs one command, ends with its exit code. The launcher at the root of the package imports this file.
import { asFailure, failureJson, renderFailure } from './errors.ts';
import { endWithReader } from './output.ts';
import { createPaint } from './paint.ts';
import { runProgram } from './program.ts';
import { plain } from './untrusted.ts';

const args = process.argv.slice(2);
const end = args.indexOf('--');
const own = end === -1 ? args : args.slice(0, end);

function report(error: unknown): void {
  const failure = asFailure(error);
  const paint = createPaint(process.stderr.isTTY, own.includes('--no-color'));
  const lines = own.includes('--json') ? [failureJson(failure)] : renderFailure(failure, paint);
  process.stderr.write(`${lines.join('\n')}\n`);
  if (own.includes('-v') || own.includes('--verbose')) process.stderr.write(`${stackOf(failure)}\n`);
  process.exitCode = failure.exitCode;
}

const stackOf = (error: Error): string => {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : '';
  return `${(error.stack ?? error.message)
    .split('\n')
    .map((line) => plain(line))
    .join('\n')}${cause}`;
};

endWithReader();
process.on('uncaughtException', (error) => {
  report(error);
  process.exit();
});
await runProgram(args).catch(report);
