// Step 5: the session of a run on a task. It remembers where every value came from that went by, so that policy can tell an argument that the
// task or a record explains from one that only a stranger's text does (`trust/`). What the task is, people said before the run began: no
// agent can word it, and whatever a session no longer holds it does not explain, so that forgetting only denies more. INVARIANTS I1, I10
import { randomKey } from '../crypto/random.ts';
import type { AccessRequest } from '../domain/access.ts';
import type { JsonObject } from '../domain/json.ts';
import { parseWorkload } from '../domain/spiffe-id.ts';
import type { Snapshot } from '../pdp/snapshot.ts';
import { type Call, Session } from '../trust/session.ts';
import { createManifests } from './tool-manifests.ts';

export interface TaskSessions {
  /** The request with what its session knows of it; as it is when its run, or the run that its task began with, was given no task. */
  known(request: AccessRequest, snapshot: Snapshot | undefined): AccessRequest;
  /** It was allowed: what is in flight has been spent. */
  admit(request: AccessRequest): void;
  /** What was answered to an allowed call. */
  observe(request: AccessRequest, answer: JsonObject): void;
  /** How many there are, and the memory that they hold in bytes. */
  size(): { readonly sessions: number; readonly bytes: number };
}

/** A session that was dropped begins anew, knowing its task alone. */
const MOST_SESSIONS = 1_024;
const MOST_BYTES = 512 * 1_048_576;

export function createTaskSessions(): TaskSessions {
  /** Least recently used first. */
  const sessions = new Map<string, Session>();
  const manifests = createManifests();

  const opened = (request: AccessRequest, task: string): Session => {
    const key = keyOf(request);
    const session = sessions.get(key) ?? new Session({ manifests, trusted: [task], salt: randomKey() });
    sessions.delete(key);
    if (sessions.size >= MOST_SESSIONS) dropOldest(sessions);
    sessions.set(key, session);
    return session;
  };

  return {
    known(request, snapshot): AccessRequest {
      const call = callOf(request);
      const task = call && taskOf(request, snapshot);
      if (call === undefined || task === undefined || snapshot === undefined) return request;
      manifests.see(snapshot.world);
      return { ...request, session: opened(request, task).facts(call) };
    },
    admit(request): void {
      const call = callOf(request);
      if (request.session !== undefined && call !== undefined) sessions.get(keyOf(request))?.admit(call);
    },
    observe(request, answer): void {
      const call = callOf(request);
      const session = request.session === undefined ? undefined : sessions.get(keyOf(request));
      if (call === undefined || session === undefined) return;
      session.observe(call, outputOf(answer));
      setImmediate(() => {
        session.settle(); // after the answer went out
        for (let bytes = bytesOf(sessions); bytes > MOST_BYTES && sessions.size > 1; bytes = bytesOf(sessions)) dropOldest(sessions);
      });
    },
    size: () => ({ sessions: sessions.size, bytes: bytesOf(sessions) }),
  };
}

const bytesOf = (sessions: ReadonlyMap<string, Session>): number => {
  let sum = 0;
  for (const { bytes } of sessions.values()) sum += bytes;
  return sum;
};

function dropOldest(sessions: Map<string, Session>): void {
  const [oldest] = sessions.keys();
  if (oldest !== undefined) sessions.delete(oldest);
}

/** One run on one task; a run that acts for itself has one task. */
const keyOf = ({ subject, delegation }: AccessRequest): string => `${subject.run ?? subject.spiffeId} ${delegation?.txn ?? ''}`;

/** Of the run that the task began with: what a token says besides was worded by an agent. */
function taskOf({ subject, delegation }: AccessRequest, snapshot: Snapshot | undefined): string | undefined {
  const [first] = delegation?.chain ?? [];
  const run = first === undefined ? subject.run : parseWorkload(first).run;
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
