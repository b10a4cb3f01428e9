// Does the proof of exactness notice a bug? Each bug of mutants.ts is built into a copy of the evaluator, which is then held against random
// values, random policy sets and a share of the corpus, with the official engine's answers. A bug that none of them notices is a hole in
// the proof, unless its row argues why it cannot be noticed.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { writeExact } from '../src/policy/cedar/official-json.ts';
import { type Mutant, MUTANTS } from './mutants.ts';
import { type Extent, type Kind, KINDS, record } from './recording.ts';
import type { Score, SuiteOptions } from './score.ts';

const EXTENT: Extent = { values: 600, sets: 900, corpusEvery: 10 };
const SEED = 1;
const THREADS = 2;
/** For the cases of one kind: a bug may make the evaluator run for ever. */
const LIMIT_MS = 20_000;
const SOURCE = resolve(import.meta.dirname, '../src');

export async function run(options: SuiteOptions): Promise<Score> {
  const verdicts = await tryMutants(MUTANTS, options.seed ?? SEED, EXTENT, options.onProgress);
  const bad = verdicts.filter((verdict) => problemOf(verdict) !== undefined);
  return {
    passed: verdicts.length - bad.length,
    failed: bad.length,
    notes: [...verdicts.map(drawn), ...bad.map((verdict) => `x ${verdict.mutant.file}: ${verdict.mutant.bug}: ${problemOf(verdict)}`)],
    figures: Object.fromEntries(KINDS.map((kind) => [`killedBy_${kind}`, verdicts.filter((one) => one.deaths.has(kind)).length])),
  };
}

export interface Verdict {
  readonly mutant: Mutant;
  /** What noticed the bug, and after how many milliseconds. */
  readonly deaths: ReadonlyMap<Kind, number>;
}

/** Why the gate does not pass. */
export function problemOf({ mutant, deaths }: Verdict): string | undefined {
  if (deaths.size === 0 && mutant.unnoticeable === undefined) return 'nothing notices it';
  if (deaths.size > 0 && mutant.unnoticeable !== undefined) return 'it was argued that nothing can notice it';
  return undefined;
}

function drawn({ mutant, deaths }: Verdict): string {
  const times = KINDS.map((kind) => {
    const ms = deaths.get(kind);
    return `${kind} ${ms === undefined ? '–' : `${ms} ms`}`.padEnd(16);
  });
  return `${`${mutant.file}: ${mutant.bug}`.padEnd(72)} ${times.join('')}${mutant.unnoticeable ?? ''}`;
}

/** @throws Error when the evaluator without a bug does not pass, or a bug does not fit the source any more */
export async function tryMutants(
  mutants: readonly Mutant[],
  seed: number,
  extent: Extent,
  onProgress: (line: string) => void,
): Promise<readonly Verdict[]> {
  const folder = mkdtempSync(join(tmpdir(), 'cordon-mutants-'));
  try {
    const sound = { mutant: NO_BUG, engine: build(folder, 'sound') };
    const trials = mutants.map((mutant, at) => ({ mutant, engine: build(folder, `mutant${at}`, mutant) }));
    const recording = join(folder, 'recording.json');
    writeFileSync(recording, writeExact(await record(seed, extent)));
    onProgress(`recorded the official engine's answers (seed ${seed})`);
    const [control] = await tryInThread(recording, [sound], () => undefined);
    if (control === undefined || control.deaths.size > 0) throw new Error('the evaluator itself does not agree with what was recorded');
    let done = 0;
    const onDone = (): void => onProgress(`${++done} of ${mutants.length} bugs`);
    const shares = Array.from({ length: THREADS }, (_, at) => trials.filter((_each, index) => index % THREADS === at));
    const verdicts = await Promise.all(shares.map((share) => tryInThread(recording, share, onDone)));
    return verdicts.flat().toSorted((a, b) => mutants.indexOf(a.mutant) - mutants.indexOf(b.mutant));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const NO_BUG: Mutant = { bug: 'none', file: '', find: '', replace: '' };

/** An evaluator with a bug, by the URL of its folder. */
interface Trial {
  readonly mutant: Mutant;
  readonly engine: string;
}

/** A copy of the evaluator, with a bug. @returns the URL of its folder */
function build(folder: string, name: string, mutant?: Mutant): string {
  const source = join(folder, name, 'src');
  mkdirSync(source, { recursive: true });
  for (const part of ['domain', 'policy/cedar']) cpSync(join(SOURCE, part), join(source, part), { recursive: true });
  writeFileSync(join(folder, name, 'package.json'), '{"type":"module"}');
  if (mutant !== undefined) plant(mutant, join(source, 'policy/cedar', mutant.file));
  return `${pathToFileURL(join(source, 'policy/cedar')).href}/`;
}

function plant({ bug, file, find, replace }: Mutant, path: string): void {
  const parts = readFileSync(path, 'utf8').split(find);
  if (parts.length !== 2)
    throw new Error(`\`${file}: ${bug}\`: its snippet is ${parts.length - 1} times in ${file}; bring mutants.ts up to date`);
  writeFileSync(path, parts.join(replace));
}

/** What a thread says of engine number `at`: what noticed, if anything. */
export interface Noticed {
  readonly at: number;
  readonly kind: Kind;
  readonly ms: number;
  readonly noticed: boolean;
}

export interface Started {
  readonly recording: string;
  readonly engines: readonly string[];
  readonly from: number;
}

/** One after another; an evaluator that hangs has been noticed, and the rest go on in a fresh thread. */
async function tryInThread(recording: string, trials: readonly Trial[], onDone: () => void): Promise<readonly Verdict[]> {
  const verdicts = trials.map(({ mutant }) => ({ mutant, deaths: new Map<Kind, number>() }));
  let place = { at: 0, kind: 0 };
  const onNoticed = ({ at, kind, ms, noticed }: Noticed): void => {
    if (noticed) verdicts[at]?.deaths.set(kind, ms);
    const next = KINDS.indexOf(kind) + 1;
    place = next < KINDS.length ? { at, kind: next } : { at: at + 1, kind: 0 };
    if (place.kind === 0) onDone();
  };
  const engines = trials.map(({ engine }) => engine);
  while (place.at < trials.length) {
    if (await finishes({ recording, engines, from: place.at }, onNoticed)) break;
    verdicts[place.at]?.deaths.set(KINDS[place.kind] ?? 'values', LIMIT_MS);
    place = { at: place.at + 1, kind: 0 };
    onDone();
  }
  return verdicts;
}

/** @returns false when the thread said nothing for too long */
function finishes(started: Started, onNoticed: (noticed: Noticed) => void): Promise<boolean> {
  return new Promise((settle, fail) => {
    const worker = new Worker(new URL('mutation-thread.ts', import.meta.url), { workerData: started });
    const hangs = (): void => {
      settle(false);
      void worker.terminate();
    };
    let timer = setTimeout(hangs, LIMIT_MS * 2); // the recording is read first
    worker.on('message', (noticed: Noticed) => {
      clearTimeout(timer);
      timer = setTimeout(hangs, LIMIT_MS);
      onNoticed(noticed);
    });
    worker.on('error', fail);
    worker.on('exit', () => {
      clearTimeout(timer);
      settle(true);
    });
  });
}
