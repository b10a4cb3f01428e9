// What a spawned server may cost when it fails: how soon it is started again, and how much of what it says of its troubles is kept.
// `now`: milliseconds, of a clock that never goes back. INVARIANT I10

/** Two starts further apart than this have nothing to do with each other. Milliseconds. */
const APART = 60_000;
const FIRST_WAIT = 200;
const LAST_WAIT = 30_000;

export interface Restarts {
  /** Milliseconds until it may be started; 0 at once. */
  waitMs(): number;
  started(): void;
}

/** The first start again is at once, each one after it waits twice as long as the one before. */
export function createRestarts(now: () => number): Restarts {
  let last = -Infinity;
  let inARow = -1;
  const wait = (): number => (inARow < 1 ? 0 : Math.min(FIRST_WAIT * 2 ** (inARow - 1), LAST_WAIT));
  return {
    waitMs: () => Math.max(0, last + wait() - now()),
    started(): void {
      inARow = now() - last > APART ? 0 : inARow + 1;
      last = now();
    },
  };
}

const WINDOW = 10_000;
const MOST_LINES = 100;

export interface Flow<T> {
  /** Hands it on, unless there were too many in a short time. */
  take(line: T, onLine: (line: T) => void): void;
}

/** Lines of diagnostics: at most a hundred in ten seconds, so that a server that screams fills no disk. */
export function createFlow<T>(now: () => number): Flow<T> {
  let [since, count] = [now(), 0];
  return {
    take(line, onLine): void {
      if (now() - since > WINDOW) [since, count] = [now(), 0];
      if (++count <= MOST_LINES) onLine(line);
    },
  };
}
