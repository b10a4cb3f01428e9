// How often a task has made each of its calls, for mandates that say how often it may, or what comes before what. Counted per gateway, and in
// memory: a task lives for an hour at most. What cannot be counted is refused, and of a task that began before the counting did, every budget is
// spent: nobody gets one back by a restart. INVARIANTS I4, I10
import { dateIn } from '../crypto/random.ts';
import type { AccessRequest, Delegation } from '../domain/access.ts';
import { afterIn } from '../domain/mandate.ts';
import { UNCOUNTED } from '../domain/provenance.ts';
import { Refusal } from '../domain/refusal.ts';
import { MOST_TASK_LIFE } from '../sts/task-token.ts';

export interface Budgets {
  /** Has everything that this task did been counted? */
  knows(txn: string): boolean;
  /** The request with how often its task has made it before; as it is when nobody counts, or when it is known already. */
  counted(request: AccessRequest): AccessRequest;
  /** It is made once more. `now`: Unix milliseconds. @throws Refusal CORDON-4003 when there are more tasks than can be counted */
  spend(request: AccessRequest, now: number): void;
}

interface Spent {
  readonly calls: Map<string, number>;
  until: number;
}

const MOST_TASKS = 16_384;
const MOST_CALLS = 1_024;

/** `since`: when the counting began, Unix milliseconds. */
export function createBudgets(since: number): Budgets {
  const tasks = new Map<string, Spent>();
  const room = (now: number): void => {
    if (tasks.size < MOST_TASKS) return;
    for (const [txn, { until }] of tasks) if (until <= now) tasks.delete(txn);
    if (tasks.size >= MOST_TASKS) throw new Refusal('CORDON-4003', 'more tasks with a budget than can be counted');
  };
  const knows = (txn: string): boolean => dateIn(txn) >= since;
  return {
    knows,
    counted(request): AccessRequest {
      const { delegation } = request;
      if (delegation === undefined || delegation.made !== undefined || !isCounted(delegation)) return request;
      if (!knows(delegation.txn)) return { ...request, delegation: { ...delegation, made: UNCOUNTED } };
      const calls = tasks.get(delegation.txn)?.calls;
      const done = afterIn(delegation.mandate).filter((place) => (calls?.get(callOf(place)) ?? 0) > 0);
      return { ...request, delegation: { ...delegation, made: calls?.get(nameOf(request)) ?? 0, ...(done.length === 0 ? {} : { done }) } };
    },
    spend(request, now): void {
      const { delegation } = request;
      if (delegation === undefined || !isCounted(delegation)) return;
      let spent = tasks.get(delegation.txn);
      if (spent === undefined) {
        room(now);
        spent = { calls: new Map(), until: 0 };
        tasks.set(delegation.txn, spent);
      }
      const name = nameOf(request);
      if (spent.calls.size >= MOST_CALLS && !spent.calls.has(name))
        throw new Refusal('CORDON-4003', 'more calls of one task than can be counted');
      spent.calls.set(name, (spent.calls.get(name) ?? 0) + 1);
      spent.until = now + MOST_TASK_LIFE * 1000; // no token of the task outlives the first, which did not live longer
    },
  };
}

/** Does its mandate say how often, or after what? */
export const isCounted = ({ mandate }: Delegation): boolean =>
  mandate.some(({ budget, after }) => budget !== undefined || after !== undefined);

/** What calls the place, as a mandate counts it. */
export const callOf = (place: string): string => `${place.startsWith('tool:') ? 'tools/call' : 'http/call'} ${place}`;

/** As a mandate counts it. */
export const nameOf = ({ action, resource }: AccessRequest): string => `${action.name} ${resource.type}:${resource.id}`;
