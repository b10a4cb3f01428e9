// What the calls of a run, and of a task that goes through several, have brought in so far, in the labels that cordon.yaml gives to tools,
// routes and hosts: `context.labels`. A call counts from the moment it is forwarded, whatever comes back; what a run has read it can carry into
// any of its tasks. What this gateway may not know from its beginning has every label, so that forgetting only denies more. INVARIANTS I1, I10
import type { AccessRequest } from '../domain/access.ts';
import { allLabels, labelsOf } from '../domain/labels.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Snapshot } from '../pdp/snapshot.ts';
import { MOST_TASK_LIFE } from '../sts/task-token.ts';
import { firstRunOf, runOf } from './runs-of.ts';

export interface TaskLabels {
  /** The request with the labels that its run or its task has, sorted. */
  labelled(request: AccessRequest, snapshot: Snapshot | undefined): AccessRequest;
  /** It was allowed, and is forwarded now. @returns whether run or task has a label that it did not have @throws Refusal CORDON-4003 */
  admit(request: AccessRequest, snapshot: Snapshot | undefined): boolean;
  /** Do both belong to one run, or to one task? */
  isRelated(one: AccessRequest, other: AccessRequest): boolean;
}

/** All of them, and those that the calls of one run began: no run can take the room of the others. */
const MOST = { tasks: 16_384, ofRun: 1_024 };

interface Brought {
  readonly labels: Set<string>;
  /** Of the call that brought the first of them. */
  readonly run: string;
  /** Of the newest call that brought any, Unix milliseconds. */
  at: number;
}

/** `alone`: no other gateway of this Cordon forwards calls of the same runs. `now`: Unix milliseconds. */
export function createTaskLabels({ now, alone }: { readonly now: () => number; readonly alone: boolean }): TaskLabels {
  const tasks = new Map<string, Brought>();
  /** Of a run that began before, something may have been forgotten. */
  const knownSince = alone ? now() : Infinity;
  const isKnown = (request: AccessRequest, { runs }: Snapshot): boolean =>
    [request.subject.run, firstRunOf(request)].every((run) => (runs.get(run ?? '')?.since ?? -Infinity) >= knownSince);
  /** No token of a task outlives the first by more than a task lives. */
  const isOver = (task: string, { at }: Brought, { runs }: Snapshot): boolean =>
    task.startsWith(OF_RUN) ? !runs.has(task.slice(OF_RUN.length)) : at + MOST_TASK_LIFE * 1000 <= now();
  const begin = (request: AccessRequest, snapshot: Snapshot): Brought => {
    if (tasks.size >= MOST.ofRun) for (const [task, brought] of tasks) if (isOver(task, brought, snapshot)) tasks.delete(task);
    const run = runOf(request);
    const full = tasks.size >= MOST.tasks || (tasks.size >= MOST.ofRun && ofRun(tasks, run) >= MOST.ofRun);
    if (full) throw new Refusal('CORDON-4003', 'more tasks have labels than can be kept');
    return { labels: new Set(), run, at: 0 };
  };
  return {
    labelled(request, snapshot): AccessRequest {
      if (snapshot === undefined) return request;
      const every = allLabels(snapshot.world);
      if (every.length === 0 || !isKnown(request, snapshot)) return { ...request, labels: every };
      const has = new Set(holdersOf(request).flatMap((holder) => [...(tasks.get(holder)?.labels ?? [])]));
      return { ...request, labels: [...has].sort() };
    },
    admit(request, snapshot): boolean {
      const given = snapshot === undefined ? [] : labelsOf(snapshot.world, request);
      if (snapshot === undefined || given.length === 0) return false;
      const news = holdersOf(request).map((holder) => {
        const brought = tasks.get(holder) ?? begin(request, snapshot);
        const before = brought.labels.size;
        for (const label of given) brought.labels.add(label);
        brought.at = now();
        tasks.set(holder, brought);
        return brought.labels.size > before;
      });
      return news.includes(true);
    },
    isRelated(one, other): boolean {
      const holders = holdersOf(one);
      return holdersOf(other).some((holder) => holders.includes(holder));
    },
  };
}

const ofRun = (tasks: ReadonlyMap<string, Brought>, run: string): number => [...tasks.values()].filter((one) => one.run === run).length;

const OF_RUN = 'run ';

/** Who has what a call brings: the run, and the task that it is made in. */
const holdersOf = (request: AccessRequest): readonly string[] => [
  `${OF_RUN}${runOf(request)}`,
  ...(request.delegation === undefined ? [] : [`txn ${request.delegation.txn}`]),
];
