// What sessions that made room had counted, so that nobody gets a budget back by having its own session dropped: a run that begins task after
// task would. Of a run no more tasks are remembered than a bound; those beyond it count for every task of that run that begins anew. INVARIANT I10
import type { Counts } from '../trust/session.ts';

export interface DroppedSessions {
  /** `until`: when the task is over at the latest; Unix milliseconds, as `now`. */
  keep(run: string, task: string, counts: Counts, until: number, now: number): void;
  /** What the session of this task begins with; it is then kept by that session. */
  take(run: string, task: string): Counts;
  /** Of runs that have ended nothing is kept. */
  forgetBut(isLive: (run: string) => boolean): void;
}

/** Tasks of one run. */
const MOST = 4_096;
const NONE: Counts = { calls: 0, writes: 0 };

interface OfRun {
  /** Oldest first. */
  readonly tasks: Map<string, { readonly counts: Counts; readonly until: number }>;
  least: Counts;
}

export function createDroppedSessions(most = MOST): DroppedSessions {
  const runs = new Map<string, OfRun>();
  return {
    keep(run, task, counts, until, now): void {
      if (counts.calls === 0) return;
      const of = runs.get(run) ?? { tasks: new Map(), least: NONE };
      runs.set(run, of);
      if (of.tasks.size >= most) makeRoom(of, now, most);
      of.tasks.set(task, { counts, until });
    },
    take(run, task): Counts {
      const of = runs.get(run);
      const kept = of?.tasks.get(task)?.counts;
      of?.tasks.delete(task);
      return kept ?? of?.least ?? NONE;
    },
    forgetBut(isLive): void {
      for (const run of runs.keys()) if (!isLive(run)) runs.delete(run);
    },
  };
}

/** What is over goes first; then the oldest, which may go on. */
function makeRoom(of: OfRun, now: number, most: number): void {
  for (const [task, { until }] of of.tasks) if (until <= now) of.tasks.delete(task);
  const [oldest] = of.tasks;
  if (oldest === undefined || of.tasks.size < most) return;
  const [task, { counts }] = oldest;
  of.tasks.delete(task);
  of.least = { calls: Math.max(of.least.calls, counts.calls), writes: Math.max(of.least.writes, counts.writes) };
}
