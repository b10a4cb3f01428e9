// What a person or a script is told when a command fails, and with which exit code it ends (UX reference §6.2, §7). The one place of
// the command line where a `Refusal`, or anything else that was thrown, gets its form.
import { CODES, type Code } from '../domain/codes.ts';
import { errorTextOf, Refusal } from '../domain/refusal.ts';
import type { Paint } from './paint.ts';
import { escapeJson, plain } from './untrusted.ts';

export const EXIT = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  login: 3,
  unreachable: 4,
  no: 5,
  integrity: 6,
  gate: 7,
  conflict: 8,
  partial: 9,
  /** Of `cordon run`, before its child started: Cordon failed, the command is not executable, it is not found (env(1), nohup(1)). */
  runFailed: 125,
  notExecutable: 126,
  notFound: 127,
  interrupted: 130,
} as const;

export type ExitName = keyof typeof EXIT;

export interface FailureDetail {
  readonly code?: Code;
  readonly observed?: string | undefined;
  readonly expected?: string | undefined;
  /** The first is the one to try; at most three are shown. */
  readonly fix?: readonly string[];
  /** With `cordon run`: the exit code of the class, when the process ends with another. */
  readonly endsWith?: ExitName;
  readonly cause?: unknown;
}

/** A command that could not do its work. The exit name says why; a code, when there is one, says what exactly. */
export class Failure extends Error {
  readonly exit: ExitName;
  readonly detail: FailureDetail;

  constructor(exit: ExitName, message: string, detail: FailureDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'Failure';
    this.exit = exit;
    this.detail = detail;
  }

  get exitCode(): number {
    return EXIT[this.detail.endsWith ?? this.exit];
  }
}

/** Codes that blame what was typed or written, not the user's rights and not Cordon. Others go by their kind. */
const BY_CODE: Partial<Record<Code, ExitName>> = {
  'CORDON-1007': 'unreachable',
  'CORDON-1012': 'usage',
  'CORDON-1014': 'usage',
  'CORDON-3003': 'usage',
  'CORDON-3004': 'conflict',
  'CORDON-9006': 'usage',
  'CORDON-9007': 'usage',
  'CORDON-9008': 'integrity',
  'CORDON-9010': 'unreachable',
  'CORDON-9011': 'usage',
};

const exitOf = (code: Code): ExitName => BY_CODE[code] ?? (CODES[code].kind === 'identity' ? 'login' : 'unexpected');

/** Whatever was thrown, as a failure. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof Refusal) {
    const { code, message, observed, expected, fix } = error;
    return new Failure(exitOf(code), message, { code, observed, expected, fix: [fix], cause: error });
  }
  const fix = ['report it: the output of this command with `-v`, and of `cordon doctor --json`'];
  return new Failure('unexpected', `unexpected error: ${errorTextOf(error)}`, { fix, cause: error });
}

const shownFixes = ({ detail }: Failure): readonly string[] => (detail.fix ?? []).slice(0, 3);

/** The failure as a person reads it: mark, code, what; then why, fix, ref. */
export function renderFailure(failure: Failure, paint: Paint): readonly string[] {
  const { code, observed, expected } = failure.detail;
  const [what = '', ...report] = failure.message.split('\n').map((line) => plain(line));
  const head = [paint.mark('x'), ...(code === undefined ? [] : [paint('bold', code)]), what].join(' ');
  const why = labelled('why', [
    ...(observed === undefined ? [] : [`observed  ${plain(observed)}`]),
    ...(expected === undefined ? [] : [`expected  ${plain(expected)}`]),
  ]);
  const fixes = shownFixes(failure);
  const fix = labelled('fix', fixes.length > 1 ? fixes.map((line, at) => `${at + 1} ${plain(line)}`) : fixes.map((line) => plain(line)));
  const ref = code === undefined ? [] : labelled('ref', [`cordon why ${code}`]);
  return [
    head,
    ...report.map((line) => `  ${line}`),
    ...[...why, ...fix, ...ref].map((line) => paint('dim', line.slice(0, 7)) + line.slice(7)),
  ];
}

const labelled = (label: string, lines: readonly string[]): readonly string[] =>
  lines.map((line, at) => `  ${(at === 0 ? label : '').padEnd(5)}${line}`);

/** The failure as one line of JSON, `cordon.error/v1`. */
export function failureJson(failure: Failure): string {
  const { code, observed, expected } = failure.detail;
  const row = code === undefined ? undefined : CODES[code];
  return escapeJson(
    JSON.stringify({
      schema: 'cordon.error/v1',
      code,
      kind: row?.kind ?? failure.exit,
      message: failure.message,
      observed,
      expected,
      fix: shownFixes(failure).map((cmd) => ({ cmd })),
      retryable: row?.retryable ?? failure.exit === 'unreachable',
      docs: code === undefined ? 'cordon --help' : `cordon why ${code}`,
      class: EXIT[failure.exit],
    }),
  );
}
