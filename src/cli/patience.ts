// A sign of life while the server works.
import type { Context } from './context.ts';
import { duration } from './units.ts';

/** Milliseconds. */
const EVERY = 3_000;

/** Waits for `work`; says on stderr every few seconds that it goes on. */
export async function patiently<T>({ out }: Context, what: string, work: Promise<T>): Promise<T> {
  const begun = performance.now();
  const sign = setInterval(() => out.hint(`${what}, ${duration(performance.now() - begun)} so far`), EVERY);
  try {
    return await work;
  } finally {
    clearInterval(sign);
  }
}
