// Asking again: only what may be asked twice, only when nothing of an answer came, once, and only so often that a callee in trouble is
// not asked much more for it. What it is for: the other end closes a connection at the moment at which it is used again.
import { errorCodeOf } from '../domain/refusal.ts';

/** A bucket that each call fills by a share and each repetition empties by one. */
export interface RetryBudget {
  /** A call is made. */
  called(): void;
  /** @returns whether it may be repeated; then it counts */
  take(): boolean;
}

/** Of the calls to one callee. */
const SHARE = 0.2;
/** What a quiet time may save up. */
const MOST = 10;

export function createRetryBudget(share = SHARE, most = MOST): RetryBudget {
  let saved = 1; // so that the first call after a long rest, whose connection is the most likely to be dead, can be repeated
  return {
    called(): void {
      saved = Math.min(most, saved + share);
    },
    take(): boolean {
      if (saved < 1) return false;
      saved--;
      return true;
    },
  };
}

/** The connection ended before the head of an answer. A time that ran out and a handshake that was refused are none of these. */
const LOST: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

export const isLost = (error: unknown): boolean => LOST.has(errorCodeOf(error) ?? '');
