// What the sessions of all runs have called, where several gateways forward their calls: one counts for all of them. A call is counted before
// it is decided, and taken out again when it is not made; of a gateway that dies in between it stays counted. INVARIANTS I4, I10
import { UNCOUNTED } from '../domain/provenance.ts';
import type { Snapshot } from '../pdp/snapshot.ts';
import { MOST_TASK_LIFE } from '../sts/task-token.ts';
import type { Counts } from '../trust/session.ts';
import { type Recent, Tallies, type Tally, type Wholes } from '../trust/tallies.ts';
import { createDroppedSessions } from './dropped-sessions.ts';
import { dropOldest, used } from './used.ts';

/** A call, as it is counted. */
export interface Made {
  readonly run: string;
  /** The run that its task began with. */
  readonly first: string | undefined;
  /** Of the task, within the run. */
  readonly task: string;
  readonly tool: string;
  readonly isWrite: boolean;
  readonly wholes: Wholes;
  /** Unix milliseconds. */
  readonly at: number;
}

/** What its session came to before it. */
export type Before = Counts & Tally & { readonly recent: Recent };

/** Beyond any limit. */
export const UNKNOWN_BEFORE: Before = {
  calls: UNCOUNTED,
  writes: UNCOUNTED,
  same: UNCOUNTED,
  sums: {},
  recent: { minute: UNCOUNTED, hour: UNCOUNTED },
};

export interface SharedSessions {
  /** One more. Of a run that may not be known from its beginning nothing is counted. */
  count(made: Made): Before;
  /** It was not made after all. */
  uncount(made: Made): void;
}

interface SharedParts {
  /** The newest. */
  readonly snapshot: () => Snapshot;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** Sums of all sessions; the rest as for the sessions of one gateway. */
const MOST = { runs: 1_024, tasksOfRun: 16, sums: 262_144 };

interface Counting {
  calls: number;
  writes: number;
  readonly tallies: Tallies;
}
type Tasks = Map<string, Counting>;

/** Runs and tasks that begin from now on are known. */
export function createSharedSessions({ snapshot, now }: SharedParts, most = MOST): SharedSessions {
  const since = now();
  /** By run, then by task. Least recently used first. */
  const runs = new Map<string, Tasks>();
  const dropped = createDroppedSessions();
  let seen = -1;
  let sums = 0;

  const drop = (run: string, task: string, { calls, writes, tallies }: Counting): void => {
    sums -= tallies.size;
    dropped.keep(run, task, { calls, writes }, task === '' ? Infinity : now() + MOST_TASK_LIFE * 1000, now());
  };
  const dropRun = (run: string, tasks: Tasks): void => {
    for (const [task, session] of tasks) drop(run, task, session);
  };
  const opened = (run: string, name: string): Counting => {
    const tasks = used(runs, run, { most: most.runs, make: (): Tasks => new Map(), drop: dropRun });
    const make = (): Counting => {
      const counts = dropped.take(run, name);
      return { ...counts, tallies: new Tallies(counts.calls > 0) };
    };
    return used(tasks, name, { most: most.tasksOfRun, make, drop: (task, session) => drop(run, task, session) });
  };
  const see = ({ version, runs: live }: Snapshot): void => {
    if (version === seen) return;
    seen = version;
    for (const [run, tasks] of runs) {
      if (live.has(run)) continue;
      for (const { tallies } of tasks.values()) sums -= tallies.size;
      runs.delete(run);
    }
    dropped.forgetBut((run) => live.has(run));
  };
  const change = (session: Counting, by: 1 | -1, { tool, isWrite, wholes, at }: Made): void => {
    sums -= session.tallies.size;
    session.calls += by;
    if (isWrite) session.writes += by;
    if (by === 1) session.tallies.add(tool, wholes, at);
    else session.tallies.remove(tool, wholes, at);
    sums += session.tallies.size;
  };

  return {
    count(made): Before {
      const current = snapshot();
      see(current);
      const { run, first, task, tool } = made;
      const isKnown = [run, first].some((one) => (current.runs.get(one ?? '')?.since ?? -Infinity) >= since);
      if (!isKnown || !current.runs.has(run)) return UNKNOWN_BEFORE;
      const session = opened(run, task);
      const { calls, writes, tallies } = session;
      const before = { calls, writes, ...tallies.of(tool), recent: tallies.recent(tool, now()) };
      change(session, 1, made);
      while (sums > most.sums && runs.size > 1) dropOldest(runs, dropRun);
      return before;
    },
    uncount(made): void {
      const session = runs.get(made.run)?.get(made.task);
      if (session !== undefined && session.calls > 0) change(session, -1, made);
    },
  };
}
