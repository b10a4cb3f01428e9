// What a caller says to another agent, in that agent's ids: every task, context and message that the caller names is opened or named for that
// agent. It is done once it is known who calls for whom, and before anything is decided: what the caller was not given does not exist for it.
// INVARIANTS I4, I9. Standard: A2A 1.0 §3.4
import { randomId } from '../crypto/random.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { A2aIds } from './a2a-ids.ts';
import { pushAddress, referenceFor, type PushReference } from './a2a-push-address.ts';
import type { Call, PlanOf } from './call.ts';
import type { Pep } from './pep.ts';

/** The call as its callee gets it, where that is an agent. @throws Refusal CORDON-3003 for a task or a context that was not given to the caller */
export function withOwnIds(pep: Pep, call: Call): Call {
  const { plan, request } = call;
  if (plan.kind === 'a2a/task') {
    const ids = pep.a2aIds(request);
    return { ...call, plan: { ...plan, onward: { ...plan.params, ...task(ids, plan.params, 'id'), ...context(ids, plan.params) } } };
  }
  if (plan.kind === 'a2a/push-config') return { ...call, plan: { ...plan, onward: pushFor(pep, request, plan) } };
  if (plan.kind === 'a2a/send') {
    const { message } = plan.params;
    const names = pep.upstreams.a2a(plan.agent)?.makesContexts !== true;
    const inward = messageFor(pep.a2aIds(request), isJsonObject(message) ? message : {}, names);
    const onward = { ...plan.params, message: inward, ...configurationFor(pep, request, plan, inward) };
    return { ...call, plan: { ...plan, onward } };
  }
  return call;
}

/** Of a webhook the agent gets an address of the gateway. */
function pushFor(pep: Pep, request: Call['request'], { agent, params, webhook, secrets }: PlanOf<'a2a/push-config'>): JsonObject {
  const { url, ...rest } = params;
  const taskId = pep.a2aIds(request).given('task', params.taskId);
  if (webhook === undefined || url === undefined) return { ...rest, taskId };
  return { ...rest, taskId, url: addressFor(pep, request, { agent, about: { kind: 'task', id: taskId }, url, secrets }) };
}

/** Of the webhook in a message it gets one that is of the task or, where the message begins it, of the context. */
function configurationFor(
  pep: Pep,
  request: Call['request'],
  { agent, push, params }: PlanOf<'a2a/send'>,
  message: JsonObject,
): JsonObject {
  if (push === undefined) return {};
  const { taskId, contextId } = message;
  const bound = isNamed(taskId) ? taskId : contextId;
  if (!isNamed(bound)) {
    throw new Refusal('CORDON-3023', 'the webhook would be bound to no task and no context', {
      fix: 'begin the task, then ask with `CreateTaskPushNotificationConfig`',
    });
  }
  const about = { kind: isNamed(taskId) ? 'task' : 'context', id: bound } as const;
  const { url, id } = push.params;
  const { configuration } = params;
  const config = {
    ...(id === undefined ? {} : { id }),
    ...(isNamed(taskId) ? { taskId } : {}),
    url: addressFor(pep, request, { agent, about, url, secrets: push.secrets }),
  };
  return { configuration: { ...(isJsonObject(configuration) ? configuration : {}), taskPushNotificationConfig: config } };
}

function addressFor(pep: Pep, request: Call['request'], push: Pick<PushReference, 'agent' | 'about' | 'url' | 'secrets'>): string {
  const base = pep.upstreams.a2a(push.agent)?.pushBase;
  if (base === undefined) throw new Refusal('CORDON-3023', 'push notifications are not accepted');
  return pushAddress(pep.stateSealer, base, referenceFor(request, push, pep.now()));
}

const isNamed = (id: Json | undefined): id is string => typeof id === 'string' && id !== '';

function task(ids: A2aIds, params: JsonObject, member: 'id' | 'taskId'): JsonObject {
  const id = params[member];
  return isNamed(id) ? { [member]: ids.given('task', id) } : {};
}

const LONGEST_NAME = 256;
const EXPECTED = { expected: `at most ${LONGEST_NAME} characters` };

/** A context that the agent made, or one that the caller names. */
function context(ids: A2aIds, { contextId: id }: JsonObject): JsonObject {
  if (!isNamed(id)) return {};
  if (!ids.isTagged(id) && id.length > LONGEST_NAME) throw new Refusal('CORDON-9011', 'the name of a context is too long', EXPECTED);
  return { contextId: ids.isTagged(id) ? ids.given('context', id) : ids.named('context', id) };
}

const NAME_LENGTH = 26;

/**
 * A message that goes on with nothing begins a context, which is named here as if the caller had named it: what comes of it can then be told
 * from what is of others, in a list of everybody's tasks (§3.4.1). `names`: the agent takes contexts that it did not make.
 */
function messageFor(ids: A2aIds, message: JsonObject, names: boolean): JsonObject {
  const { messageId, taskId, contextId, referenceTaskIds: references } = message;
  const begins = names && !isNamed(taskId) && !isNamed(contextId);
  return {
    ...message,
    ...task(ids, message, 'taskId'),
    ...(begins ? { contextId: ids.named('context', randomId(NAME_LENGTH)) } : context(ids, message)),
    ...(isJsonArray(references) ? { referenceTaskIds: references.filter(isNamed).map((id) => ids.given('task', id)) } : {}),
    // an agent that knows messages again by their id (§3.3.1) must not take one caller's for another's
    ...(isNamed(messageId) ? { messageId: ids.named('message', messageId) } : {}),
  };
}

/** Does it name a task or a context? */
export function namesIds({ message }: JsonObject): boolean {
  if (!isJsonObject(message)) return false;
  const { taskId, contextId, referenceTaskIds: references } = message;
  return isNamed(taskId) || isNamed(contextId) || (isJsonArray(references) && references.length > 0);
}
