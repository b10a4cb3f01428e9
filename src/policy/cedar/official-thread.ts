// A worker thread that answers questions with the official engine, one at a time. What takes the thread down, or takes too long, costs
// that one question: the next finds a fresh thread.
import { parentPort, Worker } from 'node:worker_threads';

/** The thread stopped before it answered: it crashed, ran out of memory or time, or was closed. */
export class ThreadStopped extends Error {
  override readonly name = 'ThreadStopped';
}

export interface ThreadBounds {
  /** Milliseconds that one answer may take. */
  readonly limitMs: number;
  /** MiB of JavaScript values; the engine's own memory comes on top. */
  readonly heapMb: number;
  /** Does an answer that is awaited keep the process alive? */
  readonly holds: boolean;
  /** A thread that was asked nothing for so long is ended: it holds tens of megabytes. Milliseconds. */
  readonly idleMs?: number;
}

const IDLE_MS = 15_000;
/** MiB of short-lived values of a thread: it answers one question at a time. */
const YOUNG_MB = 8;

interface Question {
  readonly asked: unknown;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

type Reply = { readonly answer: unknown } | { readonly error: string };

export class OfficialThread {
  readonly #file: URL;
  readonly #bounds: ThreadBounds;
  /** The first is with the thread. */
  readonly #questions: Question[] = [];
  #worker: Worker | undefined;
  #timer: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  #stops = 0;
  #closed = false;

  /** `file`: a module that calls `answering`. The thread starts with the first question. */
  constructor(file: URL, bounds: ThreadBounds) {
    this.#file = file;
    this.#bounds = bounds;
  }

  /** Threads that stopped so far: when it grows, what the thread was told is lost. */
  get stops(): number {
    return this.#stops;
  }

  /** @throws Error what the thread could not do, ThreadStopped */
  ask(asked: unknown): Promise<unknown> {
    if (this.#closed) return Promise.reject(new ThreadStopped('the thread is closed'));
    return new Promise((resolve, reject) => {
      this.#questions.push({ asked, resolve, reject });
      if (this.#questions.length === 1) this.#next();
    });
  }

  /** Ends the thread; what is not answered is rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#end(this.#questions.length);
  }

  #next(): void {
    const [question] = this.#questions;
    clearTimeout(this.#idle);
    if (question === undefined) return this.#rest();
    const worker = (this.#worker ??= this.#start());
    this.#timer = setTimeout(() => {
      this.#stopped(worker, `no answer within ${this.#bounds.limitMs} ms`);
      void worker.terminate();
    }, this.#bounds.limitMs);
    if (this.#bounds.holds) worker.ref();
    else this.#timer.unref();
    worker.postMessage(question.asked, []);
  }

  #rest(): void {
    if (this.#worker === undefined) return;
    this.#worker.unref();
    this.#idle = setTimeout(() => void this.#end(0), this.#bounds.idleMs ?? IDLE_MS).unref();
  }

  async #end(lost: number): Promise<void> {
    const worker = this.#worker;
    this.#stopped(worker, 'the thread is closed', lost);
    await worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(this.#file, {
      env: {}, // secrets of the process are none of its business
      execArgv: [], // nor are the flags of its start: `--input-type` keeps a thread from starting
      resourceLimits: { maxOldGenerationSizeMb: this.#bounds.heapMb, maxYoungGenerationSizeMb: YOUNG_MB },
    });
    worker.unref();
    worker.on('message', (reply: Reply) => {
      if (worker !== this.#worker) return;
      const question = this.#done();
      if ('answer' in reply) question?.resolve(reply.answer);
      else question?.reject(new Error(reply.error));
      this.#next();
    });
    worker.on('error', (error: Error) => this.#stopped(worker, error.message));
    worker.on('exit', (code) => this.#stopped(worker, `the thread ended with exit code ${code}`));
    return worker;
  }

  #done(): Question | undefined {
    clearTimeout(this.#timer);
    return this.#questions.shift();
  }

  /** The thread is gone: its question with it, the ones behind go to the next thread. */
  #stopped(worker: Worker | undefined, why: string, lost = 1): void {
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    this.#stops++;
    for (let left = lost; left > 0; left--) this.#done()?.reject(new ThreadStopped(why));
    this.#next();
  }
}

/** In the thread: every question is answered by `answer`; what it throws is the answer's error. */
export function answering(answer: (asked: unknown) => unknown): void {
  parentPort?.on('message', (asked: unknown) => parentPort?.postMessage(replyTo(asked, answer), []));
}

function replyTo(asked: unknown, answer: (asked: unknown) => unknown): Reply {
  try {
    return { answer: answer(asked) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
