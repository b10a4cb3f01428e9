// A span of time as people type it: `30m`, `12h`, `7d`.
import { Failure } from './errors.ts';

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds. `option` names it in the message. @throws Failure */
export function spanOf(text: string, option: string): number {
  const [, figure = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const ms = Number(figure) * (UNITS[unit] ?? 0);
  if (ms > 0) return ms;
  throw new Failure('usage', `\`${option}\` is not a span of time`, {
    observed: `\`${text}\``,
    expected: 'a figure and s, m, h or d: `7d`',
  });
}
