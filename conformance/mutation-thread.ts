// Holds engines, one after another, against a recording (mutation.ts).
import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { parseExact } from '../src/policy/cedar/official-json.ts';
import { loadEngine } from './engine.ts';
import type { Noticed, Started } from './mutation.ts';
import { firstProblem, KINDS, type Recording } from './recording.ts';

const { recording: path, engines, from } = workerData as Started;
const recording = parseExact(readFileSync(path, 'utf8')) as Recording;

for (const [at, folder] of engines.entries()) {
  if (at < from) continue;
  const engine = await loadEngine(new URL(folder)); // one that does not load is no bug, but a broken row of mutants.ts
  for (const kind of KINDS) {
    const started = performance.now();
    const noticed = firstProblem(engine, recording, kind) !== undefined;
    const message: Noticed = { at, kind, ms: Math.round(performance.now() - started), noticed };
    parentPort?.postMessage(message, []);
  }
}
