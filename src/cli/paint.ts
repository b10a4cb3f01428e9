// Colour and marks of one stream. Conventions: https://no-color.org, CLICOLOR_FORCE (bixense.com/clicolors), TERM=dumb.
import { styleText } from 'node:util';

export type Style = 'good' | 'bad' | 'warn' | 'dim' | 'bold';
export type Mark = 'v' | 'x' | '!' | '-' | '.';

export interface Paint {
  (style: Style, text: string): string;
  /** `v x ! - .`; on a terminal that shows UTF-8 `✓ ✗ ! - ·`. */
  mark(mark: Mark): string;
}

type Format = Parameters<typeof styleText>[0];
const FORMATS: Readonly<Record<Style, Format>> = { good: 'green', bad: 'red', warn: 'yellow', dim: 'dim', bold: 'bold' };
const STYLES: Readonly<Record<Mark, Style>> = { v: 'good', x: 'bad', '!': 'warn', '-': 'dim', '.': 'dim' };
const SYMBOLS: Readonly<Record<Mark, string>> = { v: '✓', x: '✗', '!': '!', '-': '-', '.': '·' };

/** The first that speaks wins: `--no-color`, `NO_COLOR`, `CLICOLOR_FORCE`, then whether a terminal is there that can. */
export function wantsColor(isTTY: boolean, noColorFlag: boolean, env: NodeJS.ProcessEnv): boolean {
  if (noColorFlag || isSet(env['NO_COLOR'])) return false;
  if (isSet(env['CLICOLOR_FORCE']) && env['CLICOLOR_FORCE'] !== '0') return true;
  return isTTY && env['TERM'] !== 'dumb';
}

const isSet = (value: string | undefined): boolean => value !== undefined && value !== '';

const showsUtf8 = (env: NodeJS.ProcessEnv): boolean =>
  env['TERM'] !== 'dumb' &&
  (process.platform !== 'linux' || /utf-?8/i.test([env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find(isSet) ?? ''));

export function createPaint(isTTY: boolean, noColorFlag: boolean, env: NodeJS.ProcessEnv = process.env): Paint {
  const color = wantsColor(isTTY, noColorFlag, env);
  const symbols = isTTY && showsUtf8(env);
  const paint = (style: Style, text: string): string => (color ? styleText(FORMATS[style], text, { validateStream: false }) : text);
  return Object.assign(paint, {
    mark: (mark: Mark): string => paint(STYLES[mark], symbols ? SYMBOLS[mark] : mark),
  });
}
