// Waiting that ends: when the call ends, or after a time. The reason of an abort is always a refusal, so that it can be recorded as the outcome.
import { asRefusal, type Refusal } from '../domain/refusal.ts';

/** Why the call was ended; CORDON-9010 when whoever ended it did not say. */
export const abortReason = (signal: AbortSignal): Refusal => asRefusal(signal.reason, 'CORDON-9010', 'the call was ended');

/** `work`, or a rejection with the reason as soon as the signal is aborted; the work itself goes on for others who wait for it. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(abortReason(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([aborted.promise, work]); // both are waited for, so that neither rejects unheard
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Waits for `work`, at most `ms` milliseconds. @throws whatever the work throws in that time */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}

/**
 * Acts once `until` has come, within a second: timers end at whole seconds, so that many share a list instead of leaving one behind each.
 * Both times are Unix milliseconds. @returns stops waiting
 */
export function soonAfter(until: number, now: number, act: () => void): () => void {
  const timer = setTimeout(act, Math.max(0, Math.ceil((until - now) / 1000) * 1000)).unref();
  return () => clearTimeout(timer);
}
