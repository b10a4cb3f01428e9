// An answer that has begun and is no event stream goes on, or is given up: a callee that sends a byte a minute holds nothing here. A
// caller that reads slowly is not its fault: while something waits to be read, time does not count. INVARIANT I10
import type { Readable } from 'node:stream';
import { Refusal } from '../domain/refusal.ts';

/** Destroys `body` when nothing of it has come for `ms` milliseconds. */
export function giveUpWhenIdle(body: Readable, ms: number): void {
  const timer = setTimeout(() => {
    if (body.readableLength > 0) timer.refresh();
    else body.destroy(new Refusal('CORDON-9010', 'the upstream began an answer and stopped', { observed: `nothing for ${ms} ms` }));
  }, ms).unref();
  const push = body.push.bind(body);
  body.push = (chunk: unknown): boolean => {
    timer.refresh();
    return push(chunk);
  };
  body.once('close', () => clearTimeout(timer));
}
