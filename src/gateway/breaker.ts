// A circuit breaker for one callee (Nygard, Release It!: closed, open, half-open). Calls to a callee that does not answer are refused at
// once, and one call at a time tries whether it is back. Counted is only whether a call was answered at all: what a callee answers is its
// own business, so that no caller can close the way for the others by asking for an error.
import { Refusal } from '../domain/refusal.ts';

export interface BreakerSettings {
  /** Failures in a row that open it. */
  readonly failures: number;
  /** After the first opening it is tried again after so long; twice as long after each try that fails. Milliseconds. */
  readonly retryMs: number;
  readonly maxRetryMs: number;
}

export const CIRCUITS = ['closed', 'open', 'half-open'] as const;
export type Circuit = (typeof CIRCUITS)[number];

export interface Breaker {
  /** Before a call. @returns after it, whatever became of it @throws Refusal CORDON-9014 while it is open */
  enter(): () => void;
  /** The callee answered. */
  answered(): void;
  /** The callee could not be reached, or did not answer in time. Counts while calls are made: what Cordon asks for itself does not. */
  failed(): void;
  readonly circuit: Circuit;
  /** Milliseconds until a call is let through again; 0 when one would be now. */
  waitMs(): number;
}

/** Of a callee that answers now and then: it opens, too, when of so many calls in so long at least this share failed. */
const RATIO = { share: 0.5, calls: 20, windowMs: 10_000 } as const;

/** `now`: milliseconds, of a clock that never goes back. */
export const createBreaker = (settings: BreakerSettings, now: () => number, onChange: (circuit: Circuit) => void): Breaker =>
  new CountingBreaker(settings, now, onChange);

class CountingBreaker implements Breaker {
  readonly #settings: BreakerSettings;
  readonly #now: () => number;
  readonly #onChange: (circuit: Circuit) => void;
  #circuit: Circuit = 'closed';
  #calls = 0;
  #inARow = 0;
  #window = { since: 0, calls: 0, failed: 0 };
  #openings = 0;
  #openUntil = 0;
  /** Opened by failures in a row: the first answer shows that it is back. One that flaps has to be tried. */
  #dead = false;
  #probe: symbol | undefined;

  constructor(settings: BreakerSettings, now: () => number, onChange: (circuit: Circuit) => void) {
    this.#settings = settings;
    this.#now = now;
    this.#onChange = onChange;
  }

  get circuit(): Circuit {
    return this.#circuit;
  }

  waitMs(): number {
    return this.#circuit === 'open' ? Math.max(0, this.#openUntil - this.#now()) : 0;
  }

  enter(): () => void {
    const call = Symbol('call');
    if (this.#circuit !== 'closed') this.#try(call);
    this.#calls++;
    return () => {
      this.#calls--;
      if (this.#probe === call) this.#probe = undefined; // neither answered nor failed: its caller went away
    };
  }

  #try(call: symbol): void {
    if (this.waitMs() > 0 || this.#probe !== undefined) throw new Refusal('CORDON-9014', 'the upstream has stopped answering');
    this.#probe = call;
    this.#become('half-open');
  }

  answered(): void {
    this.#inARow = 0;
    this.#count(0);
    if (this.#circuit === 'half-open' || (this.#circuit === 'open' && this.#dead)) this.#close();
  }

  failed(): void {
    if (this.#calls === 0) return;
    this.#inARow++;
    this.#count(1);
    if (this.#circuit === 'half-open') return this.#open();
    if (this.#circuit === 'open') return;
    this.#dead = this.#inARow >= this.#settings.failures;
    if (this.#dead || this.#flaps()) this.#open();
  }

  #flaps(): boolean {
    const { calls, failed } = this.#window;
    return calls >= RATIO.calls && failed / calls >= RATIO.share;
  }

  #count(failed: number): void {
    const now = this.#now();
    if (now - this.#window.since > RATIO.windowMs) this.#window = { since: now, calls: 0, failed: 0 };
    this.#window.calls++;
    this.#window.failed += failed;
  }

  #open(): void {
    const { retryMs, maxRetryMs } = this.#settings;
    this.#openUntil = this.#now() + Math.min(maxRetryMs, retryMs * 2 ** Math.min(this.#openings++, 20));
    this.#probe = undefined;
    this.#become('open');
  }

  #close(): void {
    this.#openings = 0;
    this.#inARow = 0;
    this.#window = { since: this.#now(), calls: 0, failed: 0 };
    this.#probe = undefined;
    this.#become('closed');
  }

  #become(circuit: Circuit): void {
    if (circuit === this.#circuit) return;
    this.#circuit = circuit;
    this.#onChange(circuit);
  }
}
