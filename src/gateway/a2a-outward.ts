// What another agent answers, in the ids of the caller: wherever A2A 1.0 has an id of a task, a context or a message (§4.1), and nowhere else.
// What stands in parts and metadata is the agent's own business. attacker-controlled: an agent is not trusted either. INVARIANTS I4, I9
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { A2aIds } from './a2a-ids.ts';

type Rewrite = (ids: A2aIds, json: JsonObject) => JsonObject;

/** @throws Refusal CORDON-9010 */
export const taskShown: Rewrite = (ids, task) => ({
  ...task,
  ...each(ids, task, { id: taskId, contextId, status, history }),
});

/** Of `SendMessage`, and each event of a stream. @throws Refusal CORDON-9010 */
export const responseShown: Rewrite = (ids, response) => ({
  ...response,
  ...each(ids, response, {
    task: object(taskShown),
    message: object(messageShown),
    statusUpdate: object(update),
    artifactUpdate: object(update),
  }),
});

/**
 * Of a list of an agent the tasks that are provably the caller's, in the agent's ids: those in a context that the caller named, or in the one
 * that is asked for.
 */
export function ownTasks(ids: A2aIds, { tasks }: JsonObject, asked: string | undefined): readonly JsonObject[] {
  const isOwn = ({ contextId: id }: JsonObject): boolean =>
    typeof id === 'string' && id !== '' && (asked === undefined ? ids.nameIn('context', id) !== undefined : id === asked);
  return isJsonArray(tasks) ? tasks.filter(isJsonObject).filter(isOwn) : [];
}

type Member = (ids: A2aIds, json: Json) => Json;

/** The members of `json` that are there, rewritten. */
function each(ids: A2aIds, json: JsonObject, members: Readonly<Record<string, Member>>): JsonObject {
  return Object.fromEntries(
    Object.entries(members).flatMap(([name, member]) => {
      const value = json[name];
      return value === undefined || value === null || value === '' ? [] : [[name, member(ids, value)]];
    }),
  );
}

const text = (json: Json): string => {
  if (typeof json !== 'string') throw new Refusal('CORDON-9010', 'the agent answers with an id that is no text');
  return json;
};

const taskId: Member = (ids, json) => ids.shown('task', text(json));
const contextId: Member = (ids, json) => ids.nameIn('context', text(json)) ?? ids.shown('context', text(json));
const messageId: Member = (ids, json) => ids.nameIn('message', text(json)) ?? json;

const object =
  (rewrite: Rewrite): Member =>
  (ids, json) =>
    isJsonObject(json) ? rewrite(ids, json) : json;
const list =
  (member: Member): Member =>
  (ids, json) =>
    isJsonArray(json) ? json.map((one) => member(ids, one)) : json;

const messageShown: Rewrite = (ids, message) => ({
  ...message,
  ...each(ids, message, { messageId, taskId, contextId, referenceTaskIds: list(taskId) }),
});
const status: Member = object((ids, json) => ({ ...json, ...each(ids, json, { message: object(messageShown) }) }));
const history: Member = list(object(messageShown));
const update: Rewrite = (ids, json) => ({ ...json, ...each(ids, json, { taskId, contextId, status }) });
