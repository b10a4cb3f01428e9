// Findings about policies as a person reads them: place, line, caret, what was seen and expected, the fix, the page of the rule.
import type { JsonObject } from '../domain/json.ts';
import type { LintFinding } from '../policy/lint/rules.ts';
import type { Paint } from './paint.ts';
import { plain } from './untrusted.ts';

const docsOf = ({ rule }: LintFinding): string => `docs/policy-lint.md#${rule}`;

export function findingLines(paint: Paint, finding: LintFinding): readonly string[] {
  const { rule, severity, file, line, column, message, observed, expected, help, excerpt } = finding;
  const [text, caret] = excerpt;
  const number = String(line);
  const margin = (label: string): string => paint('dim', `  ${label.padEnd(number.length)} | `);
  const style = severity === 'error' ? 'bad' : 'warn';
  const rest: readonly (readonly [label: string, text: string | undefined])[] = [
    ['why  observed  ', observed],
    [observed === undefined ? 'why  expected  ' : '     expected  ', expected],
    ['fix  ', help],
    ['ref  ', docsOf(finding)],
  ];
  return [
    `${plain(file)}:${number}:${column}: ${paint(style, severity)} ${rule}: ${message
      .split('\n')
      .map((one) => plain(one))
      .join('\n  ')}`,
    ...(text.trim() === '' ? [] : [`${margin(number)}${plain(text)}`, `${margin('')}${paint(style, caret)}`]),
    ...rest.flatMap(([label, said]) => (said === undefined ? [] : [`  ${paint('dim', label)}${plain(said)}`])),
  ];
}

/** `cordon.policy-check/v1`: the members of one finding. */
export const findingJson = (finding: LintFinding): JsonObject => {
  const { excerpt: _, ...members } = finding;
  return { ...members, docs: docsOf(finding) };
};
