// One failed test of policies, as people read it.
import type { Paint } from './paint.ts';
import { plain } from './untrusted.ts';

export interface FailedTest {
  readonly name: string;
  /** `file:line` */
  readonly source: string;
  readonly expected: string;
  readonly observed: string;
  /** A name in it that nothing has, and the one that was meant. */
  readonly misspelt?: string | undefined;
  readonly meant?: string | undefined;
}

export function failedTestLines(paint: Paint, { name, source, expected, observed, misspelt, meant }: FailedTest): readonly string[] {
  const hint = meant === undefined ? '' : `; did you mean \`${meant}\`?`;
  return [
    `${paint.mark('x')} ${plain(name)}  ${paint('dim', plain(source))}`,
    `  ${paint('dim', 'expected ')} ${plain(expected)}`,
    `  ${paint('dim', 'observed ')} ${plain(observed)}`,
    ...(misspelt === undefined ? [] : [`  ${paint('dim', 'fix      ')} ${plain(`nothing is called \`${misspelt}\`${hint}`)}`]),
  ];
}
