// How much of the evaluator the random cases reach: every operator with a value and with each of its errors, and every branch of the code.
// What is not reached is not proved.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ENGINE } from './engine.ts';
import { OperatorTable } from './operators.ts';
import { Oracle } from './oracle.ts';
import { Probes } from './probes.ts';
import { Random } from './random.ts';
import type { Score, SuiteOptions } from './score.ts';
import { UNREACHED } from './unreached.ts';

const CALLS = 500;
const REQUESTS = 100_000;
const FOLDER = resolve(import.meta.dirname, '../src/policy/cedar');

export async function run({ seed = 1, onProgress }: SuiteOptions): Promise<Score> {
  const table = operatorTable(seed);
  onProgress('operators counted');
  const places = unreachedPlaces(seed);
  const missing = table.cells.filter(({ count }) => count === 0).map(({ name }) => `x never reached: ${name}`);
  const strange = table.surprises.map((cell) => `x not in the table of operators: ${cell}`);
  const unargued = places.filter(({ file, text }) => !UNREACHED.some((one) => one.file === file && text.includes(one.text)));
  const idle = UNREACHED.filter((one) => !places.some(({ file, text }) => one.file === file && text.includes(one.text)));
  return {
    passed: table.cells.length - missing.length,
    failed: missing.length + strange.length + unargued.length + idle.length,
    notes: [
      ...table.lines(),
      ...missing,
      ...strange,
      `branches: ${places.length} places not reached, ${places.length - unargued.length} of them with a reason`,
      ...unargued.map(({ file, line, text }) => `x never reached: ${file}:${line} ${text.slice(0, 120)}`),
      ...idle.map(({ file, text }) => `x said to be never reached, and is: ${file} \`${text}\``),
    ],
    figures: { cells: table.cells.length, unreached: places.length },
  };
}

function operatorTable(seed: number): OperatorTable {
  const table = new OperatorTable();
  const probes = new Probes(new Oracle(), ENGINE, (prepared, env) => table.note(prepared, env));
  for (let at = 0; at < CALLS; at++) probes.tryExpressions(new Random(seed + at));
  if (probes.notes.length > 0) throw new Error(probes.notes.join('\n'));
  return table;
}

/** A stretch of the evaluator's code that never ran. */
interface Place {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** V8 counts what runs in a process of its own, from its first instruction. */
function unreachedPlaces(seed: number): readonly Place[] {
  const folder = mkdtempSync(join(tmpdir(), 'cordon-coverage-'));
  try {
    const main = resolve(import.meta.dirname, 'main.ts');
    const { status, stderr } = spawnSync(process.execPath, [main, 'fuzz', 'probes', `--requests=${REQUESTS}`, `--seed=${seed}`], {
      env: { ...process.env, NODE_V8_COVERAGE: folder },
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`the random cases did not pass: ${stderr}`);
    return placesIn(readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Report));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What NODE_V8_COVERAGE writes. A function's later ranges are inside of its earlier ones. */
interface Report {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly {
      readonly ranges: readonly { readonly startOffset: number; readonly endOffset: number; readonly count: number }[];
    }[];
  }[];
}

function placesIn(reports: readonly Report[]): readonly Place[] {
  return COVERED.flatMap((file) => {
    const path = join(FOLDER, file);
    const text = readFileSync(path, 'utf8');
    const url = pathToFileURL(path).href;
    const runs = reports.flatMap(({ result }) => result.filter((script) => script.url === url));
    const idle = runs.map(({ functions }) => {
      const unreached = new Uint8Array(text.length);
      for (const { ranges } of functions)
        for (const { startOffset, endOffset, count } of ranges) unreached.fill(count === 0 ? 1 : 0, startOffset, endOffset);
      return unreached;
    });
    return stretchesOf(file, text, (at) => idle.every((unreached) => unreached[at] === 1));
  });
}

/** The evaluator; around it stand readers, writers and the official engine. */
const COVERED = [
  'compile.ts',
  'compiled-set.ts',
  'datetime.ts',
  'decimal.ts',
  'entities.ts',
  'expression.ts',
  'extensions.ts',
  'hoist.ts',
  'ipaddr.ts',
  'long.ts',
  'scope-index.ts',
  'scope.ts',
  'triple-cache.ts',
  'value.ts',
];

function stretchesOf(file: string, text: string, isIdle: (at: number) => boolean): readonly Place[] {
  const places: Place[] = [];
  for (let at = 0; at < text.length; at++) {
    if (!isIdle(at)) continue;
    const start = at;
    while (at < text.length && isIdle(at)) at++;
    const stretch = text.slice(start, at).replaceAll(/\s+/g, ' ').trim();
    if (/\w/.test(stretch)) places.push({ file, line: text.slice(0, start).split('\n').length, text: stretch });
  }
  return places;
}
