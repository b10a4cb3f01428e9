// How often each grant was used at this gateway. Few are ever known: a person gave each of them. INVARIANT I10
import type { Spent } from '../pdp/approval.ts';

export interface SpentGrants {
  readonly of: Spent;
  /** So many uses are known elsewhere; those here do not count then. */
  set(grant: string, count: number, now: number): void;
  /** One call more; `now` in Unix milliseconds. */
  use(grant: string, now: number): void;
}

/** Longer than any grant lives. Milliseconds. */
const LONGEST = 25 * 3_600_000;

export function createSpentGrants(): SpentGrants {
  const used = new Map<string, { count: number; readonly since: number }>();
  return {
    of: (grant) => used.get(grant)?.count ?? 0,
    set: (grant, count, now) => void used.set(grant, { count, since: now }),
    use(grant, now): void {
      for (const [id, { since }] of used) if (now - since > LONGEST) used.delete(id);
      const known = used.get(grant);
      if (known === undefined) used.set(grant, { count: 1, since: now });
      else known.count++;
    },
  };
}
