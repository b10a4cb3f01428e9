// One open stream: the full state at once, and again whenever it is another one. A reader that is slow gets the newest state when it has
// read the last, and nothing piles up meanwhile. Standard: SPIFFE Workload API §4.
import { statusOf, type CallStatus } from './status.ts';

export interface State<T> {
  /** Makes the message; called when it is written and not before. */
  readonly message: () => T;
  /** Equal for equal states; undefined: there is nothing to say. */
  readonly key: string | undefined;
  /** When it has to be made again. Unix milliseconds. */
  readonly dueAt: number;
}

/** The half of a gRPC call that is written to. */
export interface Reader<T> {
  write(message: T, written: () => void): unknown;
  on(event: 'cancelled' | 'close', listener: () => void): unknown;
  emit(event: 'error', status: CallStatus): unknown;
}

export interface FeedOptions<T> {
  /** @throws Refusal, CallStatus: then the stream ends with it */
  readonly state: () => Promise<State<T>>;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Told why the stream ended, when it was not the caller who left. */
  readonly onRefused: (error: unknown) => void;
  readonly onEnd: () => void;
}

/** Milliseconds. */
const LEAST_WAIT = 100;
const MOST_WAIT = 2 ** 31 - 1;

export class Feed<T> {
  readonly #call: Reader<T>;
  readonly #options: FeedOptions<T>;
  /** The look that is under way, and the one that comes after it. */
  #looking: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #key: string | undefined;
  #writing = false;
  #waiting: (() => T) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  /** Sends nothing before it is told to look. */
  constructor(call: Reader<T>, options: FeedOptions<T>) {
    this.#call = call;
    this.#options = options;
    call.on('cancelled', () => this.#end());
    call.on('close', () => this.#end());
  }

  /** Looks at the state, after a look that is under way. Resolves when that is done, whether or not the reader has read. */
  update(): Promise<void> {
    this.#next ??= this.#looking.then(() => {
      this.#next = undefined;
      this.#looking = this.#look();
      return this.#looking;
    });
    return this.#next;
  }

  async #look(): Promise<void> {
    if (this.#ended) return;
    clearTimeout(this.#timer);
    try {
      const { message, key, dueAt } = await this.#options.state();
      if (this.#gone()) return;
      const wait = Math.min(Math.max(LEAST_WAIT, dueAt - this.#options.now()), MOST_WAIT);
      this.#timer = setTimeout(() => void this.update(), wait).unref();
      if (key === undefined || key === this.#key) return;
      this.#key = key;
      this.#send(message);
    } catch (error) {
      this.#refuse(error);
    }
  }

  readonly #gone = (): boolean => this.#ended;

  #send(message: () => T): void {
    if (this.#writing) {
      this.#waiting = message;
      return;
    }
    this.#writing = true;
    this.#call.write(message(), () => {
      const next = this.#waiting;
      this.#writing = false;
      this.#waiting = undefined;
      if (next !== undefined && !this.#ended) this.#send(next);
    });
  }

  #refuse(error: unknown): void {
    if (this.#ended) return;
    this.#end();
    this.#options.onRefused(error);
    this.#call.emit('error', statusOf(error));
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#waiting = undefined;
    clearTimeout(this.#timer);
    this.#options.onEnd();
  }
}
