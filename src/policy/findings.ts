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

const place = ({ source, at }: Finding): string => `${lineOf(source, at)}:${column(source.text, at) + 1}`;
const column = (text: string, at: number): number => at - (text.lastIndexOf('\n', at - 1) + 1);

function reported(finding: Finding): string {
  const { source, at, length, message, help } = finding;
  const col = column(source.text, at);
  const line = source.text.slice(at - col).split('\n', 1)[0] ?? '';
  const from = Math.max(0, col - WIDTH / 2);
  const shown = line.slice(from, from + WIDTH).replaceAll(/\p{C}/gu, ' ');
  const caret = '^'.repeat(Math.max(1, Math.min(length, shown.length - (col - from))));
  const number = lineOf(source, at).slice(source.path.length + 1);
  const head = `${place(finding)}: ${message}${help === undefined ? '' : `; ${help}`}`;
  return `${head}\n  ${number} | ${shown}\n  ${' '.repeat(number.length)} | ${' '.repeat(col - from)}${caret}`;
}
