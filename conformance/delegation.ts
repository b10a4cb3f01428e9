// Random lives of delegations: no sequence of exchanges ever yields more than its parent held, and none refuses what nobody may refuse.
// What goes wrong is made small and printed. Then bugs are built into copies of the engine: each must be noticed.
import { exchange } from '../src/sts/exchange.ts';
import { type Mutant, MUTANTS, noticed } from './delegation-mutants.ts';
import { tryLives } from './delegation-trials.ts';
import { type Score, type SuiteOptions, sumOf } from './score.ts';
import { inThreads, type Part } from './threads.ts';

const LIVES = 100_000;
/** Lives between two words of progress. */
const BATCH = 500;

export async function run(options: SuiteOptions): Promise<Score> {
  const seed = options.seed ?? Date.now() % 2 ** 31;
  options.onProgress(`seed ${seed}`);
  const score = await inThreads(import.meta.url, 'lives', { ...options, seed });
  const { lives = 0, issued = 0, refused = 0, bugs = 0 } = score.figures ?? {};
  const note = `seed ${seed}: ${lives} lives, ${issued} tokens issued, ${refused} exchanges refused; ${bugs} of ${MUTANTS.length} bugs noticed`;
  return { ...score, notes: [...score.notes, note], figures: { ...score.figures, seed } };
}

export async function runPart(part: Part, { seed = 0, requests = LIVES }: SuiteOptions, onDone: (cases: number) => void): Promise<Score> {
  const scores = [lived(part, seed, Math.ceil(requests / part.of), onDone)];
  for (const mutant of MUTANTS.filter((_, at) => at % part.of === part.at)) scores.push(await scoreOf(mutant, seed));
  return sumOf(scores);
}

function lived(part: Part, seed: number, lives: number, onDone: (cases: number) => void): Score {
  const figures = { lives: 0, issued: 0, refused: 0 };
  while (figures.lives < lives) {
    const tried = tryLives({ exchange }, Math.min(BATCH, lives - figures.lives), seed + part.at + figures.lives * part.of);
    figures.lives += tried.lived;
    figures.issued += tried.issued;
    figures.refused += tried.refused;
    if (tried.problem !== undefined) return { passed: figures.lives, failed: 1, notes: [tried.problem], figures };
    onDone(figures.lives);
  }
  return { passed: figures.lives, failed: 0, notes: [], figures };
}

async function scoreOf(mutant: Mutant, seed: number): Promise<Score> {
  if ((await noticed(mutant, seed)) !== undefined) return { passed: 1, failed: 0, notes: [], figures: { bugs: 1 } };
  return { passed: 0, failed: 1, notes: [`nothing noticed that ${mutant.bug}`] };
}
