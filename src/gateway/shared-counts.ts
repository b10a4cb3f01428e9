// What may happen once, or so many times, whichever of several gateways it comes to: proofs of a key, uses of a grant, calls of a mandate
// with a budget. One counts for all. INVARIANTS I4, I5
import { Refusal } from '../domain/refusal.ts';
import type { Before, Made } from './shared-sessions.ts';
import type { Bringing } from './task-labels.ts';

export interface Counted {
  /** `done`: a call that was allowed, for those that come after it. */
  readonly kind: 'proof' | 'grant' | 'budget' | 'done';
  readonly name: string;
  /** After which nobody asks any more. Unix milliseconds. */
  readonly until: number;
  /** It is only asked, and counts nothing. */
  readonly asked?: true;
}

export interface SharedCounts {
  /** One more. @returns how many there were before @throws Refusal CORDON-9012 when nobody answers, CORDON-4003 when there are too many */
  take(what: Counted): Promise<number>;
  /** It was not made after all. */
  giveBack(what: Counted): void;
  /** One more call of a session. @throws Refusal CORDON-9012 when nobody answers */
  count(made: Made): Promise<Before>;
  /** It was not made after all. */
  uncount(made: Made): void;
  /**
   * Every gateway knows the labels, and has decided again what is open there. @returns those that neither run nor task had
   * @throws Refusal CORDON-9012 when not all answer, CORDON-4003 when there are too many
   */
  bring(bringing: Bringing): Promise<readonly string[]>;
}

const MOST = 262_144;

/** The one that counts for all. `now`: Unix milliseconds. */
export function createSharedCounts(now: () => number, most = MOST): { take(what: Counted): number; giveBack(what: Counted): void } {
  const counts = new Map<string, { count: number; until: number }>();
  const keyOf = ({ kind, name }: Counted): string => `${kind} ${name}`;
  const room = (): void => {
    if (counts.size < most) return;
    for (const [key, { until }] of counts) if (until <= now()) counts.delete(key);
    if (counts.size >= most) throw new Refusal('CORDON-4003', 'more is to be counted than can be');
  };
  return {
    take(what): number {
      const known = counts.get(keyOf(what));
      if (what.asked === true) return known !== undefined && known.until > now() ? known.count : 0;
      if (known !== undefined && known.until > now()) return known.count++;
      room();
      counts.set(keyOf(what), { count: 1, until: what.until });
      return 0;
    },
    giveBack(what): void {
      const known = counts.get(keyOf(what));
      if (known !== undefined && known.count > 0) known.count--;
    },
  };
}
