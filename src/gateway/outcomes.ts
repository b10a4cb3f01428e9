// Step 11: what became of forwarded calls, on record once they ended. Those of one moment share an entry of the log, because what an entry costs
// (a digest, a write, a place in the tree) it costs whatever its length. A process that is killed loses the outcomes of its last moment, and the
// log says of those calls what it says of all that were open then: that they were allowed.
import type { LogRecord, Outcome } from '../domain/access.ts';

/** How long an outcome waits for others. Milliseconds. */
const MOMENT_MS = 20;
/** At most so many share an entry, which stays far below the 65,535 bytes that one may have. */
const MOST = 64;

export interface Outcomes {
  add(outcome: Outcome): void;
  /** Records what waits. A log that fails here fails the next decision; the effects of these calls are done. */
  flush(): void;
}

export function createOutcomes(log: { append(record: LogRecord): unknown }): Outcomes {
  let waiting: Outcome[] = [];
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const last = waiting.at(-1);
    if (last === undefined) return;
    const outcomes = waiting;
    waiting = [];
    try {
      log.append({ outcomes, schema: 'cordon.outcomes/v1', ts: last.ts });
    } catch {
      // INVARIANT I3 holds: the decisions were recorded, and the log refuses every further one until it is mended
    }
  };
  return {
    add(outcome): void {
      waiting.push(outcome);
      if (waiting.length >= MOST) flush();
      else timer ??= setTimeout(flush, MOMENT_MS).unref();
    },
    flush,
  };
}
