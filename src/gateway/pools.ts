// Bulkheads: how many calls may be in flight to one callee, and to the callees of one segment together. What is above is refused at once;
// nothing waits in a line, so a callee that has drowned costs its own places and no other's. INVARIANT I10
import { Refusal } from '../domain/refusal.ts';

export interface Pool {
  /** Takes a place. @returns gives it back; a second time does nothing @throws Refusal CORDON-9013 when there is none */
  enter(): () => void;
  readonly inFlight: number;
  readonly most: number;
}

/** `what`: as the refusal names it. */
export function createPool(what: string, most: number): Pool {
  let inFlight = 0;
  return {
    most,
    get inFlight(): number {
      return inFlight;
    },
    enter(): () => void {
      if (inFlight >= most)
        throw new Refusal('CORDON-9013', `${what} has as many calls in flight as it may`, { expected: `at most ${most}` });
      inFlight++;
      let left = false;
      return () => {
        if (!left) inFlight--;
        left = true;
      };
    },
  };
}

/** A place in each of them, or in none. @throws Refusal CORDON-9013 */
export function enterAll(pools: readonly Pick<Pool, 'enter'>[]): () => void {
  const leaves: (() => void)[] = [];
  const leaveAll = (): void => {
    for (const leave of leaves) leave();
  };
  try {
    for (const pool of pools) leaves.push(pool.enter());
  } catch (error) {
    leaveAll();
    throw error;
  }
  return leaveAll;
}
