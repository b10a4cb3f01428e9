// `npm run eval -- containment [--data DIR] [--json]`: recorded attacks on recorded agents, replayed open loop against the containment
// engine and four naive policies, security and utility side by side. Exit 2 on bad usage, 1 when the recordings cannot be read.
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { POLICIES } from './policies.ts';
import { readRecordings } from './recordings.ts';
import { CHANGES } from './robustness.ts';
import { type Figures, score } from './score.ts';

const USAGE = 'usage: npm run eval -- containment [--data DIR] [--json]';
const SHARED = process.env['CORDON_SHARED'] ?? resolve(import.meta.dirname, '../../shared');
const COLUMNS = ['asr', 'anyVariantAsr', 'anyRunAsr', 'benignStrict', 'benignNeeded', 'uaKept', 'containAndComplete', 'askedRate'] as const;
const HEADINGS = ['ASR', 'any variant', 'any run', 'strict', 'needed', 'UA kept', 'contained', 'asked', 'p99 µs', 'after µs'];
const CAVEAT =
  'Open loop: a live agent may plan again, a live attacker may adapt to denials. Asked calls count as not made. Breaches that are only the wording of an answer cannot be stopped at the tool boundary and are not counted.';

function readArguments(): { readonly data: string; readonly json: boolean } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { data: { type: 'string', default: join(SHARED, 'data') }, json: { type: 'boolean', default: false } },
  });
  if (positionals.length !== 1 || positionals[0] !== 'containment') throw new Error('which evaluation');
  return values;
}

const percent = (value: number): string => (value * 100).toFixed(2);
const row = (name: string, cells: readonly string[]): string => name.padEnd(38) + cells.map((cell) => cell.padStart(12)).join('');

function print(figures: readonly Figures[]): void {
  for (const figure of figures)
    console.log(
      row(`${figure.suite} · ${figure.policy}`, [
        ...COLUMNS.map((column) => percent(figure[column])),
        String(figure.p99_us),
        String(figure.settleP99_us),
      ]),
    );
}

/** Counts are what the shares were made from; the line carries the shares. */
const asLine = (figures: Figures): string => JSON.stringify({ ...figures, counts: undefined });

try {
  const { data, json } = readArguments();
  const recordings = readRecordings(data);
  const scored = Object.entries(POLICIES).map(([name, open]) => score(name, open, recordings));
  // the same engine on the same recordings told otherwise: only their totals
  const robust = Object.entries(CHANGES).map(([name, change]) => score(`engine, ${name}`, POLICIES.engine, change(recordings)).slice(-1));
  // the engine's total is the last line, for whoever reads only that
  const figures = [...scored.slice(1), ...robust, ...scored.slice(0, 1)].flat();
  if (json) for (const figure of figures) console.log(asLine(figure));
  else {
    console.log(row('% (p99 in µs)', HEADINGS));
    print(figures);
    console.log(CAVEAT);
  }
} catch (error) {
  const usage = error instanceof Error && /which evaluation|option/i.test(error.message);
  console.error(`x eval  ${error instanceof Error ? error.message : String(error)}${usage ? `\n  ${USAGE}` : ''}`);
  process.exitCode = usage ? 2 : 1;
}
