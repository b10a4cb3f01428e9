// The load generator, in a process of its own: a closed loop over connections that stay open. Each connection sends its next call when
// it has the answer to the last; every answer is checked; the first that is wrong ends the round.
import { percentile } from '../row.ts';
import { checkAnswer, requestOf } from './call.ts';
import { openConnection, type Connection, type Target } from './connection.ts';
import { answerQuestions } from './worker.ts';

/** The first question opens the connections, every further one runs a round. */
export type LoadQuestion =
  | { readonly open: Target; readonly connections: number }
  | { readonly connections: number; readonly ms: number; readonly max: number };

export interface LoadAnswer {
  readonly protection: string;
  readonly calls: number;
  readonly per_s: number;
  readonly p50_us: number;
  readonly p99_us: number;
}

const PATIENCE_MS = 15_000;
const connections: Connection[] = [];
let nextId = 1;

async function round(count: number, ms: number, max: number): Promise<LoadAnswer> {
  const latencies = new Float64Array(max + count);
  let calls = 0;
  const started = performance.now();

  const loop = (connection: Connection): Promise<void> =>
    new Promise((resolve, reject) => {
      const next = (): void => {
        const sent = performance.now();
        if (sent - started >= ms || calls >= max) return resolve();
        const id = nextId++;
        connection.send(requestOf(id), (error, status, body) => {
          try {
            if (error !== undefined) throw error;
            checkAnswer(status, body, id);
            latencies[calls++] = (performance.now() - sent) * 1000;
            next();
          } catch (cause) {
            reject(cause instanceof Error ? cause : new Error(String(cause)));
          }
        });
      };
      next();
    });

  const late = AbortSignal.timeout(ms + PATIENCE_MS);
  const timeout = new Promise<never>((_, reject) => {
    late.addEventListener('abort', () => reject(new Error('a call was never answered')));
  });
  await Promise.race([Promise.all(connections.slice(0, count).map(loop)), timeout]);
  const wall = performance.now() - started;
  if (calls === 0) throw new Error('no call was made');
  const sorted = latencies.subarray(0, calls).sort();
  const protection = connections[0]?.protection ?? '';
  return { protection, calls, per_s: (calls * 1000) / wall, p50_us: percentile(sorted, 0.5), p99_us: percentile(sorted, 0.99) };
}

async function answer(question: LoadQuestion): Promise<LoadAnswer> {
  if (!('open' in question)) return round(question.connections, question.ms, question.max);
  while (connections.length < question.connections) connections.push(await openConnection(question.open));
  return round(question.connections, 50, question.connections);
}

await answerQuestions((question) => answer(question as LoadQuestion));
