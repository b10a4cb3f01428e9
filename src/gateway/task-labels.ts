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
  /** The request with the labels that its run or its task has, sorted; without those that this very call brought (`own`). */
  labelled(request: AccessRequest, snapshot: Snapshot | undefined, own?: readonly string[]): AccessRequest;
  /** What the call brings that is not known yet, or not to all gateways; undefined: nothing. */
  bringing(request: AccessRequest, snapshot: Snapshot | undefined): Bringing | undefined;
  /** @returns which of the labels run and task did not have, and whether either lacked one @throws Refusal CORDON-4003 */
  bring(bringing: Bringing, snapshot: Snapshot | undefined): Brought;
  /** Another keeps the bounds: it is held whatever else is. */
  learn(bringing: Bringing, snapshot: Snapshot | undefined): Brought;
  /** Every gateway knows it. */
  settle(bringing: Bringing): void;
  /**
   * It was allowed, and is forwarded now. @returns what run and task have by it
   * @throws Refusal CORDON-4003; CORDON-9012 when other gateways forward calls too and do not all know it
   */
  admit(request: AccessRequest, snapshot: Snapshot | undefined): Admitted;
  /** Does the request belong to a run or a task of these? */
  isOf(request: AccessRequest, holders: readonly string[]): boolean;
  /** All that is held. */
  list(): readonly Bringing[];
}

/** What a call brings in, and to whom. */
export interface Bringing {
  /** The run, and the task. */
  readonly holders: readonly string[];
  readonly labels: readonly string[];
  /** That calls. */
  readonly run: string;
}

export interface Brought {
  /** Labels that none of the holders had. */
  readonly own: readonly string[];
  readonly isNews: boolean;
}

/** `labels`: all that the call gives. */
export type Admitted = Brought & Pick<Bringing, 'labels'>;

const NOTHING: Admitted = { labels: [], own: [], isNews: false };

/** All of them, and those that the calls of one run began: no run can take the room of the others. */
const MOST = { tasks: 16_384, ofRun: 1_024 };

interface Held {
  readonly labels: Set<string>;
  /** Of those, what every gateway knows. */
  readonly settled: Set<string>;
  /** Of the call that brought the first of them. */
  readonly run: string;
  /** Of the newest call that brought any, Unix milliseconds. */
  at: number;
}

interface LabelsOptions {
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Of a run that began before, something may have been forgotten; default: now. Unix milliseconds. */
  readonly since?: number;
  /** Do other gateways of this Cordon forward calls of the same runs? Then a label counts as known when it is settled. */
  readonly isShared?: boolean;
}

export function createTaskLabels({ now, since = now(), isShared = false }: LabelsOptions): TaskLabels {
  const tasks = new Map<string, Held>();
  const isKnown = (request: AccessRequest, { runs }: Snapshot): boolean =>
    [request.subject.run, firstRunOf(request)].every((run) => (runs.get(run ?? '')?.since ?? -Infinity) >= since);
  /** No token of a task outlives the first by more than a task lives. */
  const isOver = (task: string, { at }: Held, { runs }: Snapshot): boolean =>
    task.startsWith(OF_RUN) ? !runs.has(task.slice(OF_RUN.length)) : at + MOST_TASK_LIFE * 1000 <= now();
  const tidy = (snapshot: Snapshot | undefined): void => {
    if (snapshot === undefined || tasks.size < MOST.ofRun) return;
    for (const [task, held] of tasks) if (isOver(task, held, snapshot)) tasks.delete(task);
  };
  const labelsIn = (holders: readonly string[]): Set<string> => new Set(holders.flatMap((one) => [...(tasks.get(one)?.labels ?? [])]));
  const hold = ({ holders, labels, run }: Bringing): Brought => {
    const had = labelsIn(holders);
    const news = holders.map((holder) => {
      const held = tasks.get(holder) ?? { labels: new Set(), settled: new Set(), run, at: 0 };
      const before = held.labels.size;
      for (const label of labels) held.labels.add(label);
      held.at = now();
      tasks.set(holder, held);
      return held.labels.size > before;
    });
    return { own: labels.filter((label) => !had.has(label)), isNews: news.includes(true) };
  };
  const checkRoom = ({ holders, run }: Bringing): void => {
    const more = holders.filter((holder) => !tasks.has(holder)).length;
    if (more === 0) return;
    const isFull = tasks.size + more > MOST.tasks || (tasks.size + more > MOST.ofRun && ofRun(tasks, run) + more > MOST.ofRun);
    if (isFull) throw new Refusal('CORDON-4003', 'more tasks have labels than can be kept');
  };
  const given = (request: AccessRequest, snapshot: Snapshot | undefined): Bringing | undefined => {
    const labels = snapshot === undefined ? [] : labelsOf(snapshot.world, request);
    return labels.length === 0 ? undefined : { holders: holdersOf(request), labels, run: runOf(request) };
  };
  const bring = (bringing: Bringing, snapshot: Snapshot | undefined): Brought => {
    if (bringing.holders.some((holder) => !tasks.has(holder))) tidy(snapshot);
    checkRoom(bringing);
    return hold(bringing);
  };
  const isSettled = ({ holders, labels }: Bringing): boolean =>
    holders.every((holder) => labels.every((label) => tasks.get(holder)?.settled.has(label) === true));
  return {
    labelled(request, snapshot, own = []): AccessRequest {
      if (snapshot === undefined) return request;
      const every = allLabels(snapshot.world);
      if (every.length === 0 || !isKnown(request, snapshot)) return { ...request, labels: every };
      const has = [...labelsIn(holdersOf(request))].filter((label) => !own.includes(label));
      return { ...request, labels: has.sort() };
    },
    bringing(request, snapshot): Bringing | undefined {
      const bringing = given(request, snapshot);
      return bringing === undefined || isSettled(bringing) ? undefined : bringing;
    },
    bring,
    learn(bringing, snapshot): Brought {
      tidy(snapshot);
      return hold(bringing);
    },
    settle({ holders, labels }): void {
      for (const holder of holders) for (const label of labels) tasks.get(holder)?.settled.add(label);
    },
    admit(request, snapshot): Admitted {
      const bringing = given(request, snapshot);
      if (bringing === undefined) return NOTHING;
      if (!isShared) return { ...bring(bringing, snapshot), labels: bringing.labels };
      if (!isSettled(bringing)) throw new Refusal('CORDON-9012', 'not every worker knows yet what the call brings in');
      return { ...NOTHING, labels: bringing.labels };
    },
    isOf: (request, holders) => holdersOf(request).some((holder) => holders.includes(holder)),
    list: () => [...tasks].map(([holder, { labels, run }]) => ({ holders: [holder], labels: [...labels], run })),
  };
}

const ofRun = (tasks: ReadonlyMap<string, Held>, run: string): number => [...tasks.values()].filter((one) => one.run === run).length;

const OF_RUN = 'run ';

/** Who has what a call brings: the run, and the task that it is made in. */
export const holdersOf = (request: AccessRequest): readonly string[] => [
  `${OF_RUN}${runOf(request)}`,
  ...(request.delegation === undefined ? [] : [`txn ${request.delegation.txn}`]),
];
