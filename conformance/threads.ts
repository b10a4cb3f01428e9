// A suite in parts, each in its own thread.
import { Worker } from 'node:worker_threads';
import { type Score, type SuiteOptions, sumOf } from './score.ts';

/** Which part of a suite this is: `at` of `of`. */
export interface Part {
  readonly at: number;
  readonly of: number;
}

/** Runs one part; tells how many cases it has done. */
export type RunPart = (part: Part, options: SuiteOptions, onDone: (cases: number) => void) => Promise<Score>;

export type Message = { readonly done: number } | { readonly score: Score };

export interface Started {
  readonly suite: string;
  readonly part: Part;
  readonly options: Omit<SuiteOptions, 'onProgress'>;
}

const THREADS = 2;
const PROGRESS_MS = 5000;

/** `suite`: the URL of a module that exports `runPart`. */
export async function inThreads(suite: string, unit: string, { onProgress, ...options }: SuiteOptions): Promise<Score> {
  const done = Array.from({ length: THREADS }, () => 0);
  const timer = setInterval(() => onProgress(`${done.reduce((sum, one) => sum + one, 0)} ${unit}`), PROGRESS_MS);
  try {
    return sumOf(
      await Promise.all(done.map((_, at) => scoreOf({ suite, part: { at, of: THREADS }, options }, (cases) => (done[at] = cases)))),
    );
  } finally {
    clearInterval(timer);
  }
}

function scoreOf(started: Started, onDone: (cases: number) => void): Promise<Score> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('thread.ts', import.meta.url), { workerData: started });
    worker.on('message', (message: Message) => ('score' in message ? resolve(message.score) : onDone(message.done)));
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error(`a thread ended with exit code ${code} before it had a score`)));
  });
}
