// What one run has done that speaks against it: per cause some points, which fade by their half-life. Pure: the caller says when. Nothing takes
// points away but time, and time that goes backwards takes none.
import { CAUSES, type Cause, MOST_RISK, type Points } from '../domain/risk.ts';

interface Held {
  readonly points: number;
  /** Unix milliseconds. */
  readonly at: number;
}

/** There are as many entries as causes. */
export class Risk {
  readonly #held = new Map<Cause, Held>();

  get isNone(): boolean {
    return this.#held.size === 0;
  }

  /** Adds a contribution, up to what its cause can come to. @returns what it rose by, in whole points */
  raise(cause: Cause, now: number): number {
    const { points, most } = CAUSES[cause];
    const before = this.#of(cause, now);
    const after = Math.max(before, Math.min(most, before + points));
    this.#held.set(cause, { points: after, at: Math.max(now, this.#held.get(cause)?.at ?? now) });
    return Math.round(after) - Math.round(before);
  }

  /** As it is now, were these raised besides. Changes nothing. */
  points(now: number, besides: readonly Cause[] = []): Points {
    const all = new Map([...this.#held.keys()].map((cause) => [cause, this.#of(cause, now)] as const));
    for (const cause of besides) {
      const before = all.get(cause) ?? 0;
      all.set(cause, Math.max(before, Math.min(CAUSES[cause].most, before + CAUSES[cause].points)));
    }
    return wholePoints(all);
  }

  #of(cause: Cause, now: number): number {
    const held = this.#held.get(cause);
    return held === undefined ? 0 : faded(cause, held.points, now - held.at);
  }
}

/** What is left of so many points after so many milliseconds. */
export const faded = (cause: Cause, points: number, ms: number): number => points * 2 ** (-Math.max(0, ms) / CAUSES[cause].halfLifeMs);

/** As they are told: whole, and no cause alone beyond what a risk can be. */
export const wholePoints = (points: Iterable<readonly [Cause, number]>): Points =>
  Object.fromEntries(
    [...points].map(([cause, its]) => [cause, Math.min(MOST_RISK, Math.round(its))] as const).filter(([, its]) => its > 0),
  );
