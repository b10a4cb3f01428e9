// What is wrong with a set of policies, each with its place, line and remedy: a compiler's report in one refusal.
import { Refusal } from '../domain/refusal.ts';
import type { PolicySource } from './policy-set.ts';

export interface Finding {
  readonly source: PolicySource;
  /** UTF-16 index of the first character concerned. */
  readonly at: number;
  readonly length: number;
  readonly message: string;
  readonly help?: string | undefined;
}

/** Findings shown; the rest is counted. */
const SHOWN = 10;
/** Columns of a source line shown around the caret. */
const WIDTH = 120;

/** @throws Refusal CORDON-9006 if there is any: `file:line:col: message`, the line, a caret, the engine's help */
export function refuseAny(findings: readonly Finding[]): void {
  const [first] = findings;
  if (first === undefined) return;
  const rest = findings.length - SHOWN;
  const report = findings.slice(0, SHOWN).map(reported).join('\n');
  const fix = first.help === undefined ? {} : { fix: first.help };
  throw new Refusal('CORDON-9006', rest > 0 ? `${report}\nand ${rest} more` : report, {
    observed: place(first),
    ...fix,
  });
}

/** `file:line`, 1-based. */
export const lineOf = ({ path, text }: PolicySource, at: number): string => `${path}:${text.slice(0, at).split('\n').length}`;

/** Where a finding stands. */
interface Excerpt {
  /** Both 1-based; a column counts UTF-16 units. */
  readonly line: number;
  readonly column: number;
  /** As much of the line as is shown, fit for a terminal. */
  readonly text: string;
  /** Spaces, then a `^` under each character concerned. */
  readonly caret: string;
}

export function excerptOf({ source: { text }, at, length }: Pick<Finding, 'source' | 'at' | 'length'>): Excerpt {
  const before = text.slice(0, at);
  const col = at - (before.lastIndexOf('\n') + 1);
  const line = text.slice(at - col).split('\n', 1)[0] ?? '';
  const from = Math.max(0, col - WIDTH / 2);
  const shown = line.slice(from, from + WIDTH).replaceAll(/\p{C}/gu, ' ');
  const caret = '^'.repeat(Math.max(1, Math.min(length, shown.length - (col - from))));
  return { line: before.split('\n').length, column: col + 1, text: shown, caret: `${' '.repeat(col - from)}${caret}` };
}

const place = (finding: Finding): string => {
  const { line, column } = excerptOf(finding);
  return `${finding.source.path}:${line}:${column}`;
};

function reported(finding: Finding): string {
  const { message, help } = finding;
  const { line, text, caret } = excerptOf(finding);
  const number = String(line);
  const head = `${place(finding)}: ${message}${help === undefined ? '' : `; ${help}`}`;
  return `${head}\n  ${number} | ${text}\n  ${' '.repeat(number.length)} | ${caret}`;
}
