// Step 3 for what a caller asks about tasks of another agent (A2A 1.0 §3.1.3 to §3.1.6, JSON-RPC §9.4). INVARIANT I2: the request is made anew
// of the members below, and of no others. attacker-controlled
import type { Json, JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';

type Kind = 'text' | 'count' | 'flag' | 'token';

interface TaskMethod {
  /** What must be there. */
  readonly required: readonly string[];
  readonly members: Readonly<Record<string, Kind>>;
  /** Answered with an event stream. */
  readonly streams: boolean;
}

const LISTED = {
  contextId: 'text',
  status: 'text',
  pageSize: 'count',
  pageToken: 'token',
  historyLength: 'count',
  statusTimestampAfter: 'text',
  includeArtifacts: 'flag',
} as const;

export const TASK_METHODS = {
  GetTask: { required: ['id'], members: { id: 'text', historyLength: 'count' }, streams: false },
  CancelTask: { required: ['id'], members: { id: 'text' }, streams: false },
  SubscribeToTask: { required: ['id'], members: { id: 'text' }, streams: true },
  ListTasks: { required: [], members: LISTED, streams: false },
} as const satisfies Record<string, TaskMethod>;

export type TaskMethodName = keyof typeof TASK_METHODS;

export const isTaskMethod = (method: string): method is TaskMethodName => Object.hasOwn(TASK_METHODS, method);

const LONGEST = 1_024;

const IS: Readonly<Record<Kind, (value: Json) => boolean>> = {
  text: (value) => typeof value === 'string' && value.length <= LONGEST,
  count: (value) => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0,
  // ours: how many tasks of the caller came before (a2a-list.ts)
  token: (value) => typeof value === 'string' && /^(?:0|[1-9]\d{0,3})?$/.test(value),
  flag: (value) => typeof value === 'boolean',
};

/** The members that the callee gets. @throws Refusal CORDON-9011 */
export function readTaskParams(method: TaskMethodName, params: JsonObject): JsonObject {
  const { members, required }: TaskMethod = TASK_METHODS[method];
  const read = Object.entries(members).flatMap(([name, kind]) => {
    const value = params[name];
    if (value === undefined || value === null) return [];
    if (!IS[kind](value)) throw new Refusal('CORDON-9011', `\`params.${name}\` is no ${kind}`);
    return [[name, value] as const];
  });
  const made: JsonObject = Object.fromEntries(read);
  const missing = required.find((name) => made[name] === undefined || made[name] === '');
  if (missing !== undefined) throw new Refusal('CORDON-9011', `\`params.${missing}\` is missing`);
  return made;
}
