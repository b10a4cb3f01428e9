// The writer of decisions, beside the thread that decides: a batch of rows, and the `fsync` of a checkpoint, take as long as the disk
// takes, and no call waits for either. Rows cross as they are stored: texts, numbers and bytes.
import { Worker } from 'node:worker_threads';
import { isCode } from '../domain/codes.ts';
import { Refusal } from '../domain/refusal.ts';
import type { DecisionTable } from './schema.ts';
import type { Asked, Reply } from './sqlite-beside-words.ts';

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const HEAP_MB = 64;
const YOUNG_MB = 4;

const ended = (): Refusal =>
  new Refusal('CORDON-9004', 'the writer of decisions ended', { fix: 'start Cordon again; the log has these decisions' });

export class DecisionWriter {
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  readonly #ended: Promise<void>;
  #alive = true;

  /** Starts the thread over the database at `path`, whose tables are migrated. */
  constructor(path: string) {
    this.#worker = new Worker(new URL('./sqlite-beside-worker.ts', import.meta.url), {
      workerData: path,
      env: {}, // secrets of the process are none of its business
      execArgv: [], // nor are the flags of its start
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: YOUNG_MB },
    });
    this.#worker.unref();
    this.#worker.on('message', (reply: Reply) => {
      const asked = this.#next();
      if (reply === undefined) asked?.resolve();
      else asked?.reject(new Refusal(isCode(reply.code) ? reply.code : 'CORDON-9004', reply.message, { fix: reply.fix }));
    });
    this.#worker.on('error', () => undefined); // `exit` follows
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#alive = false;
        for (let asked = this.#next(); asked !== undefined; asked = this.#next()) asked.reject(ended());
        resolve();
      });
    });
  }

  /** False when the thread has ended: the caller writes by itself then. */
  get alive(): boolean {
    return this.#alive;
  }

  /** All rows or none. @throws Refusal CORDON-9004, CORDON-9006 */
  write(rows: readonly DecisionTable[]): Promise<void> {
    return this.#ask(rows);
  }

  /** Ends the thread behind what it was asked; to be awaited before the last connection closes, whose checkpoint empties the log. */
  async close(): Promise<void> {
    if (this.#alive) await this.#ask('close').catch(() => undefined);
    this.#worker.ref(); // or a process with nothing else to do ends here
    await this.#ended;
  }

  #ask(asked: Asked): Promise<void> {
    if (!this.#alive) return Promise.reject(ended());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.ref(); // what is asked is awaited
      this.#worker.postMessage(asked, []);
    });
  }

  #next(): Waiting | undefined {
    const asked = this.#waiting.shift();
    if (this.#waiting.length === 0) this.#worker.unref();
    return asked;
  }
}
