// A2A towards the callee: the message or question that was decided on, in a request of our own, and its answer, whole or streamed.
import type { Dispatcher } from 'undici';
import { isJsonObject, writeJson, type JsonBounds, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { A2A_VERSION } from './a2a-decode.ts';
import type { A2aIds } from './a2a-ids.ts';
import { responseShown, taskShown } from './a2a-outward.ts';
import { permitPush } from './a2a-push-asked.ts';
import { answerTo, sendOperation } from './a2a-upstream.ts';
import { TASK_METHODS } from './a2a-task-methods.ts';
import { restAnswer, restErrorText } from './a2a-wire.ts';
import type { A2aBinding } from '../domain/registry.ts';
import type { Call, Forwarded, PlanOf } from './call.ts';
import { sendEvent, sendReply, type Exchange } from './exchange.ts';
import { jsonReply } from './mcp-wire.ts';
import type { Pep } from './pep.ts';
import { mediaTypeOf, readJsonReply, readSse } from './reply-body.ts';
import { txnTokenFor } from './txn-token.ts';
import type { A2aUpstream } from './upstreams.ts';

/** @throws Refusal CORDON-9010 */
export function upstreamOf(pep: Pep, agent: string): A2aUpstream {
  const upstream = pep.upstreams.a2a(agent);
  if (upstream === undefined) throw new Refusal('CORDON-9010', 'the agent has no A2A address');
  return upstream;
}

export const boundsOf = ({ settings }: Pep): JsonBounds => ({ maxBytes: settings.maxReplyBytes, maxDepth: settings.maxDepth });

/** Sends the message and hands its answer on. @throws Refusal CORDON-9010; of the webhook in it as `permitPush` */
export async function sendMessage(pep: Pep, exchange: Exchange, plan: PlanOf<'a2a/send'>, call: Call): Promise<Forwarded> {
  if (plan.push !== undefined) await permitPush(pep, call, plan.push);
  return askAgent(pep, exchange, call, { plan, streams: plan.method === 'SendStreamingMessage', shown: responseShown });
}

/** Asks about a task of the caller's own. @throws Refusal CORDON-9010 */
export function askAboutTask(pep: Pep, exchange: Exchange, plan: PlanOf<'a2a/task'>, call: Call): Promise<Forwarded> {
  const { streams } = TASK_METHODS[plan.method];
  return askAgent(pep, exchange, call, { plan, streams, shown: streams ? responseShown : taskShown });
}

type AgentPlan = PlanOf<'a2a/send'> | PlanOf<'a2a/task'> | PlanOf<'a2a/push-config'> | PlanOf<'a2a/extended-card'>;

interface Asking {
  readonly plan: AgentPlan;
  readonly streams: boolean;
  /** What the caller gets of a result, in its own ids. */
  readonly shown: (ids: A2aIds, result: JsonObject) => JsonObject;
  /** Of an answer. */
  readonly maxBytes?: number;
}

/** One operation of an agent, and its answer in the ids and the binding of the caller. @throws Refusal CORDON-9010 */
export async function askAgent(pep: Pep, exchange: Exchange, call: Call, { plan, streams, shown, maxBytes }: Asking): Promise<Forwarded> {
  const { id } = plan;
  const onward = onwardOf(plan);
  const ids = pep.a2aIds(call.request);
  const response = await postToAgent(pep, exchange, call, plan, onward, streams);
  const upstream = upstreamOf(pep, plan.agent);
  const handOn = (message: JsonObject): JsonObject => {
    const answer = answerTo(upstream, id, message, response.statusCode);
    return isJsonObject(answer['result']) ? { ...answer, result: shown(ids, answer['result']) } : answer;
  };
  if (mediaTypeOf(response) === 'text/event-stream' && streams) {
    for await (const message of readSse(response.body, boundsOf(pep))) await sendTo(exchange, plan.binding, handOn(message));
    exchange.res.end();
  } else {
    const bounds = boundsOf(pep);
    const answer = handOn(await readJsonReply(response.body, { ...bounds, maxBytes: maxBytes ?? bounds.maxBytes }));
    sendAnswer(exchange, plan.binding, answer);
  }
  return { upstreamStatus: response.statusCode };
}

/** @throws Refusal CORDON-9001 when the ids of the caller were not opened */
export function onwardOf({ onward }: AgentPlan): JsonObject {
  if (onward === undefined) throw new Refusal('CORDON-9001', 'what goes on is not in the ids of the agent');
  return onward;
}

/** The request to the agent, made of what was decided on: `params` in its own ids. @throws Refusal CORDON-9010 */
export function postToAgent(
  pep: Pep,
  exchange: Exchange,
  call: Call,
  { agent, id, method }: AgentPlan,
  params: JsonObject,
  streams = false,
): Promise<Dispatcher.ResponseData> {
  return sendOperation(upstreamOf(pep, agent), {
    id,
    method,
    params,
    streams,
    headers: {
      'a2a-version': A2A_VERSION,
      'cordon-caller': call.request.subject.spiffeId,
      'txn-token': txnTokenFor(pep, call),
    },
    signal: exchange.abort.signal,
  });
}

/** An answer that is sent whole. */
export const sendAnswer = (exchange: Exchange, binding: A2aBinding, answer: JsonObject): void =>
  sendReply(exchange, binding === 'JSONRPC' ? jsonReply(200, answer) : restAnswer(answer));

/** One message of a stream. Over HTTP+JSON an event is what JSON-RPC calls a result (§11.7). */
async function sendTo(exchange: Exchange, binding: A2aBinding, answer: JsonObject): Promise<void> {
  const { result, error } = answer;
  if (binding === 'JSONRPC') return sendEvent(exchange, writeJson(answer));
  if (isJsonObject(error)) return sendEvent(exchange, restErrorText(error), undefined, 'error');
  return sendEvent(exchange, writeJson(result ?? {}));
}
