// Random lives with one engine, up to the first that goes wrong, which is made small.
import fc from 'fast-check';
import { type Engine, live } from './delegation-life.ts';
import { life } from './delegation-steps.ts';

export interface Tried {
  readonly lived: number;
  readonly issued: number;
  readonly refused: number;
  /** The smallest life that goes wrong, and how. */
  readonly problem: string | undefined;
}

/** Lives some lives with an engine, up to the first that goes wrong. */
export function tryLives(engine: Engine, lives: number, seed: number): Tried {
  let [issued, refused] = [0, 0];
  const property = fc.property(life, (one) => {
    const lived = live(engine, one);
    issued += lived.issued;
    for (const count of lived.refused.values()) refused += count;
  });
  const { failed, numRuns, counterexample, errorInstance } = fc.check(property, { numRuns: lives, seed });
  const why = errorInstance instanceof Error ? errorInstance.message : 'failed';
  const problem = failed ? `${why}\n  ${JSON.stringify(counterexample?.[0])}` : undefined;
  return { lived: failed ? numRuns - 1 : numRuns, issued, refused, problem };
}
