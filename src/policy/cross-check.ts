// The cross-check: a sample of live decisions is decided again by the official engine, in a worker, off the path of the call. An answer
// that differs is a divergence: somebody must be told, and the compiled engine is not to be believed any longer. A decision that cannot
// be checked is counted and told too; it is no divergence.
import { setTimeout } from 'node:timers/promises';
import type { OfficialEntity, OfficialPolicies, OfficialRequest, OfficialUid } from './cedar/official.ts';
import { writeExact } from './cedar/official-json.ts';
import { OfficialThread, ThreadStopped } from './cedar/official-thread.ts';
import { type CedarAnswer, isAnswer, type Part, type Question } from './cross-check-judge.ts';

export type { CedarAnswer };

/** A request as the engine is asked. The same entities in the same array are sent to the worker once. */
export interface CrossFacts extends OfficialRequest {
  readonly entities: readonly OfficialEntity[];
}

/** Which decision; never an argument of it. INVARIANT I8 */
export interface CheckedRequest {
  /** Of the policy set. */
  readonly version: number;
  readonly principal: OfficialUid;
  readonly action: OfficialUid;
  readonly resource: OfficialUid;
}

export interface Divergence {
  readonly request: CheckedRequest;
  readonly ours: CedarAnswer;
  readonly official: CedarAnswer;
}

export interface CheckFailure {
  /** Undefined when the request itself could not be made. */
  readonly request: CheckedRequest | undefined;
  readonly message: string;
}

export interface CrossCheckOptions {
  /** The share of decisions that is checked, 0 to 1. */
  readonly sample: number;
  /** 0 ≤ r < 1; not to be guessed, or an attacker picks the decisions that nobody checks. */
  readonly random: () => number;
  /** Must not throw. */
  readonly onDivergence: (divergence: Divergence) => void;
  /** Must not throw. */
  readonly onFailure: (failure: CheckFailure) => void;
  /** Decisions that wait for the worker; what comes on top is dropped. */
  readonly waiting?: number;
  /** Milliseconds between two checks: over 1,000 policies one takes some 8, and checking is to take a fiftieth of a core at most. */
  readonly restMs?: number;
  /** Milliseconds until a worker is tried again after it stopped: the first time, and at most, doubling in between. */
  readonly backOffMs?: { readonly first: number; readonly most: number };
}

/** `checked` = agreed or diverged. */
export interface CrossCheckCounts {
  readonly checked: number;
  readonly diverged: number;
  readonly dropped: number;
  readonly failed: number;
}

interface Job {
  readonly request: CheckedRequest;
  readonly text: string;
  readonly entities: readonly OfficialEntity[];
  readonly ours: CedarAnswer;
}

interface Policies {
  readonly version: number;
  readonly policies: OfficialPolicies;
}

export class CrossCheck {
  readonly #options: CrossCheckOptions;
  readonly #thread: OfficialThread;
  readonly #counts = { checked: 0, diverged: 0, dropped: 0, failed: 0 };
  readonly #stop = new AbortController();
  #jobs: Job[] = [];
  #running = false;
  #policies: Policies | undefined;
  /** What the worker holds, unless it stopped since. */
  #loaded: { readonly policies: Policies; readonly stops: number } | undefined;
  #sent: readonly OfficialEntity[] | undefined;
  #failures = 0;

  constructor(options: CrossCheckOptions, thread: OfficialThread = newThread()) {
    this.#options = options;
    this.#thread = thread;
  }

  get counts(): CrossCheckCounts {
    return { ...this.#counts };
  }

  /** From now on decisions of this version are checked. Decisions of the one before that still wait are dropped. */
  load(version: number, policies: OfficialPolicies): void {
    this.#counts.dropped += this.#jobs.length;
    this.#jobs = [];
    this.#policies = { version, policies };
  }

  /**
   * One decision; `facts` is called only when it is in the sample. `ours`: Cedar's answer, before any stricter rule. Returns at once and
   * never throws.
   */
  offer(version: number, facts: () => CrossFacts, ours: CedarAnswer): void {
    const { sample, random, waiting = 64 } = this.#options;
    if (this.#stop.signal.aborted || !(random() < sample)) return;
    if (version !== this.#policies?.version || this.#jobs.length >= waiting) {
      this.#counts.dropped++;
      return;
    }
    try {
      this.#jobs.push(jobOf(version, facts(), ours));
    } catch (error) {
      this.#fail(undefined, error);
      return;
    }
    if (!this.#running) void this.#run();
  }

  /** Ends the worker; what waits is dropped. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#counts.dropped += this.#jobs.length;
    this.#jobs = [];
    await this.#thread.close();
  }

  async #run(): Promise<void> {
    const { restMs = 500, backOffMs: { first, most } = { first: 100, most: 60_000 } } = this.#options;
    this.#running = true;
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      let pause = restMs;
      try {
        this.#compare(job, await this.#official(job));
        this.#failures = 0;
      } catch (error) {
        this.#fail(job.request, error);
        // what stopped the worker may stop the next one too
        if (error instanceof ThreadStopped || this.#loaded === undefined) pause = Math.min(most, first * 2 ** this.#failures++);
      }
      await setTimeout(pause, undefined, { ref: false, signal: this.#stop.signal }).catch(() => undefined);
    }
    this.#running = false;
  }

  async #official({ text, entities }: Job): Promise<CedarAnswer> {
    await this.#ready();
    const question: Question = { request: text, entities: entities === this.#sent ? undefined : writeExact(entities) };
    this.#sent = undefined;
    const answer = await this.#thread.ask(question);
    this.#sent = entities;
    if (!isAnswer(answer)) throw new Error('the worker gave no answer');
    return answer;
  }

  /** The worker holds the policies of now. */
  async #ready(): Promise<void> {
    const policies = this.#policies;
    const { stops } = this.#thread;
    if (policies === undefined || (this.#loaded?.policies === policies && this.#loaded.stops === stops)) return;
    this.#loaded = undefined;
    this.#sent = undefined;
    for (const part of partsOf(policies.policies)) await this.#thread.ask(part);
    this.#loaded = { policies, stops };
  }

  #compare({ request, ours }: Job, official: CedarAnswer): void {
    this.#counts.checked++;
    if (isSame(ours, official)) return;
    this.#counts.diverged++;
    this.#options.onDivergence({ request, ours, official });
  }

  #fail(request: CheckedRequest | undefined, error: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#counts.failed++;
    this.#options.onFailure({ request, message: error instanceof Error ? error.message : String(error) });
  }
}

const newThread = (): OfficialThread =>
  new OfficialThread(new URL('./cross-check-worker.ts', import.meta.url), { limitMs: 30_000, heapMb: 512, holds: false });

const PART = 500;

function* partsOf({ static: policies, ...others }: OfficialPolicies): Generator<Part> {
  const all = [...policies];
  for (let from = 0; from === 0 || from < all.length; from += PART) {
    const some = { static: new Map(all.slice(from, from + PART)), ...(from === 0 ? others : {}) };
    yield { part: from === 0 ? 'first' : 'next', last: from + PART >= all.length, policies: some };
  }
}

function jobOf(version: number, { principal, action, resource, context, entities }: CrossFacts, ours: CedarAnswer): Job {
  const { allowed, reasons, errors } = ours;
  return {
    request: { version, principal, action, resource },
    text: writeExact({ principal, action, resource, context }),
    entities,
    ours: { allowed, reasons: reasons.toSorted(), errors: errors.toSorted() },
  };
}

const isSame = (ours: CedarAnswer, official: CedarAnswer): boolean =>
  ours.allowed === official.allowed && isSameList(ours.reasons, official.reasons) && isSameList(ours.errors, official.errors);

const isSameList = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((one, at) => one === b[at]);
