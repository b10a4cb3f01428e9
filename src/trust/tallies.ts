// What the calls of each tool come to in one session: how many they were, and the sums of the whole numbers among their arguments. What is in
// flight has been added; what is not known, or no longer fits, is beyond any limit. INVARIANT I10
import { UNCOUNTED } from '../domain/provenance.ts';
import { Window } from './window.ts';

export interface Tally {
  readonly same: number;
  readonly sums: Readonly<Record<string, number>>;
}

/** Tools of a session, and arguments of a tool. */
const MOST = { tools: 512, arguments: 64 };
const UNKNOWN: Tally = { same: UNCOUNTED, sums: {} };

/** Calls in the last minute, and in the last hour. */
export interface Recent {
  readonly minute: number;
  readonly hour: number;
}

const MINUTE = 60_000;

interface OfTool {
  same: number;
  readonly sums: Map<string, number>;
  readonly minute: Window;
  readonly hour: Window;
}

const newTool = (): OfTool => ({ same: 0, sums: new Map(), minute: new Window(MINUTE), hour: new Window(60 * MINUTE) });

export class Tallies {
  readonly #tools = new Map<string, OfTool>();
  #lost: boolean;

  /** `lost`: it is not known what was called before. */
  constructor(lost: boolean) {
    this.#lost = lost;
  }

  of(tool: string): Tally {
    const tally = this.#tools.get(tool);
    if (this.#lost || tally?.same === UNCOUNTED) return UNKNOWN;
    return tally === undefined ? { same: 0, sums: {} } : { same: tally.same, sums: Object.fromEntries(tally.sums) };
  }

  recent(tool: string, now: number): Recent {
    const tally = this.#tools.get(tool);
    if (this.#lost || tally?.same === UNCOUNTED) return { minute: UNCOUNTED, hour: UNCOUNTED };
    return { minute: tally?.minute.count(now) ?? 0, hour: tally?.hour.count(now) ?? 0 };
  }

  add(tool: string, given: Readonly<Record<string, unknown>>, now: number): void {
    if (this.#lost) return;
    const tally = this.#tools.get(tool) ?? newTool();
    if (tally.same === UNCOUNTED) return;
    if (this.#tools.size >= MOST.tools && tally.same === 0) {
      this.#lost = true;
      return;
    }
    this.#tools.set(tool, tally);
    tally.same += 1;
    tally.minute.add(now);
    tally.hour.add(now);
    for (const [name, value] of Object.entries(given)) {
      const whole = wholeOf(value);
      if (whole > 0) tally.sums.set(name, Math.min((tally.sums.get(name) ?? 0) + whole, UNCOUNTED));
    }
    if (tally.sums.size > MOST.arguments) {
      tally.same = UNCOUNTED;
      tally.sums.clear();
    }
  }
}

/** A negative one is nothing: else it would make room for another. */
function wholeOf(value: unknown): number {
  if (typeof value === 'bigint') return value > 0n ? UNCOUNTED : 0; // as JSON is read here: beyond what a number holds
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? Math.min(value, UNCOUNTED) : 0;
}
