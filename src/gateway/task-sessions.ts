// Step 5: the session of a run on a task. It remembers where every value came from that went by, so that policy can tell an argument that the
// task or a record explains from one that only a stranger's text does (`trust/`). What the task is, people said before the run began: no
// agent can word it, and whatever a session no longer holds it does not explain, so that forgetting only denies more. INVARIANTS I1, I10
import { randomKey } from '../crypto/random.ts';
import type { AccessRequest } from '../domain/access.ts';
import type { JsonObject } from '../domain/json.ts';
import { UNCOUNTED } from '../domain/provenance.ts';
import type { Snapshot } from '../pdp/snapshot.ts';
import { MOST_TASK_LIFE } from '../sts/task-token.ts';
import { type Call, type Counts, Session } from '../trust/session.ts';
import type { Facts } from '../trust/facts.ts';
import { wholesIn } from '../trust/tallies.ts';
import { createDroppedSessions } from './dropped-sessions.ts';
import { firstRunOf, runOf, taskNameOf } from './runs-of.ts';
import type { Before, Made } from './shared-sessions.ts';
import { createManifests } from './tool-manifests.ts';
import { dropOldest, used } from './used.ts';

export interface TaskSessions {
  /**
   * The request with what its session knows of it; as it is when its run, or the run that its task began with, was given no task.
   * `before`: what was counted for all gateways.
   */
  known(request: AccessRequest, snapshot: Snapshot | undefined, before?: Before): AccessRequest;
  /** The call as the one that counts for all gateways counts it; undefined when it has no session. */
  made(request: AccessRequest, snapshot: Snapshot | undefined): Made | undefined;
  /** It was allowed: what is in flight has been spent. */
  admit(request: AccessRequest): void;
  /** What was answered to an allowed call. */
  observe(request: AccessRequest, answer: JsonObject): void;
  /** How many there are, and the memory that they hold in bytes. */
  size(): { readonly sessions: number; readonly bytes: number };
}

/** A session that was dropped begins anew, knowing its task and what it had counted. A run has few, so that none can push out those of others. */
const MOST = { runs: 1_024, tasksOfRun: 16, bytes: 512 * 1_048_576 };
/** Memory is added up once in so many answers. */
const WEIGHED_EVERY = 64;

/** Of one run, by task. */
type Tasks = Map<string, Session>;

/** What was counted elsewhere, or before a restart, nobody knows. */
const UNKNOWN: Counts = { calls: UNCOUNTED, writes: UNCOUNTED };

/** `alone`: no other gateway of this Cordon forwards calls of the same runs. `now`: Unix milliseconds. */
export function createTaskSessions({ now, alone }: { readonly now: () => number; readonly alone: boolean }): TaskSessions {
  /** A run, or a task, that began since then has been counted here alone. */
  const countedSince = alone ? now() : Infinity;
  /** By run. Here and within: least recently used first. */
  const runs = new Map<string, Tasks>();
  const manifests = createManifests();
  const dropped = createDroppedSessions();
  let seen: Snapshot | undefined;
  let answers = 0;

  const drop = (run: string, task: string, { counts }: Session): void => {
    // a run that acts for itself does so until it ends
    dropped.keep(run, task, counts, task === '' ? Infinity : now() + MOST_TASK_LIFE * 1000, now());
  };
  const dropRun = (run: string, tasks: Tasks): void => {
    for (const [task, session] of tasks) drop(run, task, session);
  };

  const opened = (request: AccessRequest, task: string, snapshot: Snapshot): Session => {
    const [run, name] = [runOf(request), taskNameOf(request)];
    const isCounted = [run, firstRunOf(request)].some((one) => (snapshot.runs.get(one ?? '')?.since ?? -Infinity) >= countedSince);
    const tasks = used(runs, run, { most: MOST.runs, make: (): Tasks => new Map(), drop: dropRun });
    return used(tasks, name, {
      most: MOST.tasksOfRun,
      make: () => new Session({ manifests, trusted: [task], salt: randomKey(), counts: isCounted ? dropped.take(run, name) : UNKNOWN }),
      drop: (dropping, session) => drop(run, dropping, session),
    });
  };
  const found = (request: AccessRequest): Session | undefined =>
    request.session === undefined ? undefined : runs.get(runOf(request))?.get(taskNameOf(request));
  const see = (snapshot: Snapshot): void => {
    if (snapshot === seen) return;
    seen = snapshot;
    manifests.see(snapshot.world);
    for (const run of runs.keys()) if (!snapshot.runs.has(run)) runs.delete(run);
    dropped.forgetBut((run) => snapshot.runs.has(run));
  };
  /** What is seen nowhere here another gateway may have seen strangers write. INVARIANT I1 */
  const factsOf = (facts: Facts): Facts => (alone ? facts : { ...facts, untrusted: [...new Set([...facts.untrusted, ...facts.unseen])] });
  const size = (): ReturnType<TaskSessions['size']> => {
    const sessions = [...runs.values()].flatMap((tasks) => [...tasks.values()]);
    return { sessions: sessions.length, bytes: sessions.reduce((sum, { bytes }) => sum + bytes, 0) };
  };

  return {
    known(request, snapshot, before): AccessRequest {
      const call = callOf(request);
      const task = call && taskOf(request, snapshot);
      if (call === undefined || task === undefined || snapshot === undefined) return request;
      see(snapshot);
      return { ...request, session: { ...factsOf(opened(request, task, snapshot).facts(call, now())), ...before } };
    },
    made(request, snapshot): Made | undefined {
      const call = callOf(request);
      if (call === undefined || snapshot === undefined || taskOf(request, snapshot) === undefined) return undefined;
      see(snapshot);
      const [run, first, task] = [runOf(request), firstRunOf(request), taskNameOf(request)];
      const isWrite = manifests.get(call.tool)?.effect !== 'read';
      return { run, first, task, tool: call.tool, isWrite, wholes: wholesIn(call.arguments), at: now() };
    },
    admit(request): void {
      const call = callOf(request);
      if (call !== undefined) found(request)?.admit(call, now());
    },
    observe(request, answer): void {
      const call = callOf(request);
      const session = found(request);
      if (call === undefined || session === undefined) return;
      session.observe(call, outputOf(answer));
      setImmediate(() => {
        session.settle(); // after the answer went out
        if (++answers % WEIGHED_EVERY === 0) while (size().bytes > MOST.bytes && runs.size > 1) dropOldest(runs, dropRun);
      });
    },
    size,
  };
}

/** Of the run that the task began with: what a token says besides was worded by an agent. */
function taskOf(request: AccessRequest, snapshot: Snapshot | undefined): string | undefined {
  const run = firstRunOf(request);
  return run === undefined ? undefined : snapshot?.runs.get(run)?.task;
}

function callOf({ action, resource, context: { input } }: AccessRequest): Call | undefined {
  const isCall = (resource.type === 'tool' && action.name === 'tools/call') || (resource.type === 'route' && action.name === 'http/call');
  return isCall && input !== undefined ? { tool: resource.id, arguments: input } : undefined;
}

/** Of a tool's result: its structure where it has one, else its texts. */
function outputOf({ structuredContent: json, content }: JsonObject): { readonly text: string; readonly json?: unknown } {
  const blocks: readonly unknown[] = Array.isArray(content) ? content : [];
  const text = blocks.map((block) => (typeof block === 'object' && block !== null && 'text' in block ? String(block.text) : '')).join('\n');
  return json === undefined ? { text } : { text, json };
}
