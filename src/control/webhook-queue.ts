// Messages on their way to one receiver, one at a time. The newest about a thing replaces what still waits about it; what was not taken is sent
// again, later and later, until it is of no use any more. Bounded in number; whoever hands a message in never waits and never hears of trouble.

export interface WebhookMessage {
  /** Stays the same however often it is sent. */
  readonly id: string;
  /** What it is about. */
  readonly about: string;
  readonly body: string;
  /** From then on nobody needs it. Unix milliseconds. */
  readonly until: number;
}

export interface WebhookQueueParts {
  /** One attempt. Rejects with why it was not taken. */
  readonly post: (message: WebhookMessage, signal: AbortSignal) => Promise<void>;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** From [0, 1). */
  readonly random: () => number;
  /** @returns cancels it */
  readonly later: (ms: number, act: () => void) => () => void;
  /** Told when deliveries begin to fail, with why, and when they succeed again. */
  readonly onTurn: (why: string | undefined) => void;
}

export type WebhookCounts = {
  readonly waiting: number;
  readonly delivered: number;
  /** Given up: no longer of use, or too many waited. */
  readonly lost: number;
  /** Why the last attempt failed. */
  readonly failing?: string;
};

export interface WebhookQueue {
  /** Never throws. */
  send(message: WebhookMessage): void;
  counts(): WebhookCounts;
  /** What still waits is dropped. */
  close(): Promise<void>;
}

/** Messages that wait at once: as many as there can be things to tell of. */
const MOST = 1_024;
/** Before the second attempt, then twice as long each time. Milliseconds. */
const FIRST = 1_000;
const LONGEST = 5 * 60_000;

interface Waiting extends WebhookMessage {
  readonly attempts: number;
  readonly due: number;
}

export const createWebhookQueue = (parts: WebhookQueueParts): WebhookQueue => new Queue(parts);

class Queue implements WebhookQueue {
  readonly #parts: WebhookQueueParts;
  /** By what they are about, oldest first. */
  readonly #waiting = new Map<string, Waiting>();
  readonly #closing = new AbortController();
  #sending: Promise<void> | undefined;
  #cancel: (() => void) | undefined;
  /** In a row, whatever was sent. */
  #failures = 0;
  #quietUntil = 0;
  #delivered = 0;
  #lost = 0;
  #failing: string | undefined;

  constructor(parts: WebhookQueueParts) {
    this.#parts = parts;
  }

  send(message: WebhookMessage): void {
    if (this.#closing.signal.aborted) return;
    this.#waiting.delete(message.about);
    if (this.#waiting.size >= MOST) {
      this.#lost += 1;
      return;
    }
    this.#waiting.set(message.about, { ...message, attempts: 0, due: 0 });
    this.#pump();
  }

  counts(): WebhookCounts {
    const waiting = this.#waiting.size + (this.#sending === undefined ? 0 : 1);
    const failing = this.#failing === undefined ? {} : { failing: this.#failing };
    return { waiting, delivered: this.#delivered, lost: this.#lost, ...failing };
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('closing'));
    this.#cancel?.();
    this.#waiting.clear();
    await this.#sending;
  }

  #pump(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#closing.signal.aborted || this.#sending !== undefined) return;
    this.#giveUp();
    const next = this.#next();
    if (next === undefined) return;
    const wait = Math.max(next.due, this.#quietUntil) - this.#parts.now();
    if (wait > 0) {
      this.#cancel = this.#parts.later(wait, () => this.#pump());
      return;
    }
    this.#waiting.delete(next.about);
    this.#sending = this.#attempt(next).finally(() => {
      this.#sending = undefined;
      this.#pump();
    });
  }

  /** The one that is due first; of those that are due alike, the oldest. */
  #next(): Waiting | undefined {
    let first: Waiting | undefined;
    for (const one of this.#waiting.values()) if (first === undefined || one.due < first.due) first = one;
    return first;
  }

  #giveUp(): void {
    const now = this.#parts.now();
    for (const [about, { until }] of this.#waiting) {
      if (until > now) continue;
      this.#waiting.delete(about);
      this.#lost += 1;
    }
  }

  async #attempt(message: Waiting): Promise<void> {
    try {
      await this.#parts.post(message, this.#closing.signal);
      this.#delivered += 1;
      this.#failures = 0;
      this.#quietUntil = 0;
      this.#turn(undefined);
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      this.#failures += 1;
      this.#quietUntil = this.#parts.now() + this.#backoff(this.#failures);
      const attempts = message.attempts + 1;
      // a newer one about the same says more
      if (!this.#waiting.has(message.about))
        this.#waiting.set(message.about, { ...message, attempts, due: this.#parts.now() + this.#backoff(attempts) });
      this.#turn(error instanceof Error ? error.message : 'failed');
    }
  }

  /** Half of it is by chance, so that many senders do not come back at once. */
  #backoff(failures: number): number {
    const most = Math.min(LONGEST, FIRST * 2 ** Math.min(failures - 1, 20));
    return most / 2 + (most / 2) * this.#parts.random();
  }

  #turn(why: string | undefined): void {
    const turned = (why === undefined) !== (this.#failing === undefined);
    this.#failing = why;
    if (turned) this.#parts.onTurn(why);
  }
}
