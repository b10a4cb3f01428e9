// Waiting for something that has no event of its own: asked again and again, never longer than a bound.
import { setTimeout as pause } from 'node:timers/promises';

/** Resolves with the first answer of `ask` that is not undefined; fails after about `tries` × 20 ms with what was last seen. */
export async function until<T>(what: string, ask: () => T | undefined | Promise<T | undefined>, tries = 1000): Promise<T> {
  for (let n = 0; n < tries; n++) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await pause(20);
  }
  throw new Error(`waited in vain until ${what}`);
}
