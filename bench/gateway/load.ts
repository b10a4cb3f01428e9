// The load generator, in a process of its own, over connections that stay open. A closed loop: each connection sends its next call when it has
// the answer to the last. Or a rate: calls become due whether or not others were answered, and are timed from then on. Every answer is checked;
// the first that is wrong ends the round.
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../row.ts';
import { checkAnswer, requestOf } from './call.ts';
import { openConnection, type Connection, type Target } from './connection.ts';
import { answerQuestions } from './worker.ts';

/** The first question opens the connections, every further one runs a round. */
export type LoadQuestion =
  | { readonly open: Target; readonly connections: number; readonly token: string }
  | { readonly connections: number; readonly ms: number; readonly max: number; readonly perS?: number | undefined };

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
let token = '';

/** One call; resolves when its answer was checked. */
const call = (connection: Connection): Promise<void> =>
  new Promise((resolve, reject) => {
    const id = nextId++;
    connection.send(requestOf(id, token), (error, status, body) => {
      try {
        if (error !== undefined) throw error;
        checkAnswer(status, body, id);
        resolve();
      } catch (cause) {
        reject(cause instanceof Error ? cause : new Error(String(cause)));
      }
    });
  });

/** Microseconds that each call took. */
type Note = (us: number) => void;

/** As fast as answers come. */
async function closedLoop(connection: Connection, until: number, note: Note): Promise<void> {
  for (let sent = performance.now(); sent < until; sent = performance.now()) {
    await call(connection);
    note((performance.now() - sent) * 1000);
  }
}

/** Calls that are due, and since when; who has an idle connection takes the next. */
class Due {
  readonly #times: number[] = [];
  readonly #idle: ((since: number | undefined) => void)[] = [];
  #over = false;

  add(since: number): void {
    const take = this.#idle.shift();
    if (take === undefined) this.#times.push(since);
    else take(since);
  }

  end(): void {
    this.#over = true;
    for (const take of this.#idle.splice(0)) take(undefined);
  }

  /** Undefined: there are no more. */
  async take(): Promise<number | undefined> {
    const since = this.#times.shift();
    if (since !== undefined || this.#over) return since;
    return new Promise((resolve) => {
      this.#idle.push(resolve);
    });
  }
}

/** So many a second: what finds no idle connection waits, and its wait counts. */
async function atRate(idle: readonly Connection[], until: number, perS: number, note: Note): Promise<void> {
  const due = new Due();
  const carrying = idle.map(async (connection) => {
    for (let since = await due.take(); since !== undefined; since = await due.take()) {
      await call(connection);
      note((performance.now() - since) * 1000);
    }
  });
  const adding = async (): Promise<void> => {
    const started = performance.now();
    let made = 0;
    for (let now = started; now < until; now = performance.now()) {
      for (const all = Math.floor(((now - started) * perS) / 1000); made < all; made++) due.add(now);
      await sleep(1);
    }
    due.end();
  };
  await Promise.all([adding(), ...carrying]);
}

async function round({ connections: count, ms, max, perS }: Exclude<LoadQuestion, { open: Target }>): Promise<LoadAnswer> {
  const latencies = new Float64Array(max + count);
  let calls = 0;
  const note: Note = (us) => {
    latencies[calls++] = us;
  };
  const started = performance.now();
  const used = connections.slice(0, count);
  const until = started + ms;
  const work = perS === undefined ? Promise.all(used.map((one) => closedLoop(one, until, note))) : atRate(used, until, perS, note);
  const late = AbortSignal.timeout(ms + PATIENCE_MS);
  const timeout = new Promise<never>((_, reject) => {
    late.addEventListener('abort', () => reject(new Error('a call was never answered')));
  });
  await Promise.race([work, timeout]);
  const wall = performance.now() - started;
  if (calls === 0) throw new Error('no call was made');
  const sorted = latencies.subarray(0, calls).sort();
  const protection = connections[0]?.protection ?? '';
  return { protection, calls, per_s: (calls * 1000) / wall, p50_us: percentile(sorted, 0.5), p99_us: percentile(sorted, 0.99) };
}

async function answer(question: LoadQuestion): Promise<LoadAnswer> {
  if (!('open' in question)) return round(question);
  token = question.token;
  while (connections.length < question.connections) connections.push(await openConnection(question.open));
  return round({ connections: question.connections, ms: 50, max: 200_000 });
}

await answerQuestions((question) => answer(question as LoadQuestion));
