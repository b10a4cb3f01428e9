// What the calls of each tool come to in one session: how many they were, and the sums of the whole numbers among their arguments. What is in
// flight has been added; what is not known, or no longer fits, is beyond any limit. INVARIANT I10
import { UNCOUNTED } from '../domain/provenance.ts';
import { Window } from './window.ts';

export interface Tally {
  readonly same: number;
  readonly sums: Readonly<Record<string, number>>;
}

/** The whole numbers above zero among the arguments of a call, by name; undefined: more of them than are added up. */
export type Wholes = ReadonlyMap<string, number> | undefined;

/** Tools of a session, arguments of a tool, characters of the name of one. */
const MOST = { tools: 512, arguments: 64, name: 256 };
const UNKNOWN: Tally = { same: UNCOUNTED, sums: {} };

/** Calls in the last minute, and in the last hour. */
export interface Recent {
  readonly minute: number;
  readonly hour: number;
}

const MINUTE = 60_000;

interface OfTool {
  same: number;
  /** Calls among them of which not everything was added up. */
  wide: number;
  /** Exact, so that what is taken out again leaves what was there before. */
  readonly sums: Map<string, { sum: bigint; calls: number }>;
  readonly minute: Window;
  readonly hour: Window;
}

const newTool = (): OfTool => ({ same: 0, wide: 0, sums: new Map(), minute: new Window(MINUTE), hour: new Window(60 * MINUTE) });

export class Tallies {
  readonly #tools = new Map<string, OfTool>();
  #lost: boolean;
  #size = 0;

  /** `lost`: it is not known what was called before. */
  constructor(lost: boolean) {
    this.#lost = lost;
  }

  /** Sums that are kept. */
  get size(): number {
    return this.#size;
  }

  of(tool: string): Tally {
    const tally = this.#tools.get(tool);
    if (this.#lost || (tally !== undefined && tally.wide > 0)) return UNKNOWN;
    if (tally === undefined) return { same: 0, sums: {} };
    return { same: tally.same, sums: Object.fromEntries([...tally.sums].map(([name, { sum }]) => [name, clamped(sum)])) };
  }

  recent(tool: string, now: number): Recent {
    const tally = this.#tools.get(tool);
    if (this.#lost || (tally !== undefined && tally.wide > 0)) return { minute: UNCOUNTED, hour: UNCOUNTED };
    return { minute: tally?.minute.count(now) ?? 0, hour: tally?.hour.count(now) ?? 0 };
  }

  /** `at`: Unix milliseconds. */
  add(tool: string, wholes: Wholes, at: number): void {
    if (this.#lost) return;
    const tally = this.#tools.get(tool) ?? newTool();
    if (this.#tools.size >= MOST.tools && tally.same === 0) {
      this.#lost = true;
      return;
    }
    this.#tools.set(tool, tally);
    tally.same += 1;
    tally.minute.add(at);
    tally.hour.add(at);
    if (wholes === undefined) tally.wide += 1;
    this.#size -= tally.sums.size;
    for (const [name, whole] of wholes ?? []) {
      const { sum, calls } = tally.sums.get(name) ?? { sum: 0n, calls: 0 };
      tally.sums.set(name, { sum: sum + BigInt(whole), calls: calls + 1 });
    }
    if (tally.sums.size > MOST.arguments) {
      tally.wide = Infinity;
      tally.sums.clear();
    }
    this.#size += tally.sums.size;
  }

  /** A call that was added was not made after all. `at`: as it was added. */
  remove(tool: string, wholes: Wholes, at: number): void {
    const tally = this.#tools.get(tool);
    if (tally === undefined) return;
    tally.same -= 1;
    tally.minute.remove(at);
    tally.hour.remove(at);
    if (wholes === undefined) tally.wide -= 1;
    this.#size -= tally.sums.size;
    for (const [name, whole] of wholes ?? []) {
      const of = tally.sums.get(name);
      if (of === undefined) continue;
      if (of.calls === 1) tally.sums.delete(name);
      else tally.sums.set(name, { sum: of.sum - BigInt(whole), calls: of.calls - 1 });
    }
    this.#size += tally.sums.size;
    if (tally.same === 0 && tally.wide === 0) this.#tools.delete(tool);
  }
}

export function wholesIn(given: Readonly<Record<string, unknown>>): Wholes {
  const wholes = new Map(Object.entries(given).flatMap(([name, value]) => (wholeOf(value) > 0 ? [[name, wholeOf(value)] as const] : [])));
  const isWide = wholes.size > MOST.arguments || [...wholes.keys()].some(({ length }) => length > MOST.name);
  return isWide ? undefined : wholes;
}

const clamped = (sum: bigint): number => (sum > BigInt(UNCOUNTED) ? UNCOUNTED : Number(sum));

/** A negative one is nothing: else it would make room for another. */
function wholeOf(value: unknown): number {
  if (typeof value === 'bigint') return value > 0n ? UNCOUNTED : 0; // as JSON is read here: beyond what a number holds
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? Math.min(value, UNCOUNTED) : 0;
}
