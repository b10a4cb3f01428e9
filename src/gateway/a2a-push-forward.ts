// Push notifications, steps 8 to 10: what a caller asks about its webhooks, answered with its own addresses; and the delivery, a request of our
// own to the webhook. Standard: A2A 1.0 §3.1.7 to §3.1.10, §4.3. INVARIANTS I4, I8. attacker-controlled: what agent and webhook answer
import { isJsonArray, isJsonObject, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { boundsOf, onwardOf, postToAgent, sendAnswer, upstreamOf } from './a2a-forward.ts';
import { isAskedBy, pushIn } from './a2a-push-address.ts';
import { checkReach } from './a2a-push-asked.ts';
import { webhookHost } from './a2a-push-decode.ts';
import { answerTo } from './a2a-upstream.ts';
import type { Call, Forwarded, PlanOf } from './call.ts';
import { askOutside } from './egress-forward.ts';
import type { Exchange } from './exchange.ts';
import { gather } from './gather.ts';
import type { Pep } from './pep.ts';
import { readJsonReply } from './reply-body.ts';

/** Asks about a webhook of a task of the caller's own. @throws Refusal CORDON-3023, CORDON-9010 */
export async function askAboutPush(pep: Pep, exchange: Exchange, plan: PlanOf<'a2a/push-config'>, call: Call): Promise<Forwarded> {
  const { id, binding, method, webhook, agent } = plan;
  if (webhook !== undefined) checkReach(pep, call, webhook);
  const response = await postToAgent(pep, exchange, call, plan, onwardOf(plan));
  const { statusCode: upstreamStatus } = response;
  if (method === 'DeleteTaskPushNotificationConfig' && upstreamOf(pep, agent).binding === 'HTTP+JSON' && upstreamStatus < 300) {
    await gather(response.body, boundsOf(pep).maxBytes); // empty, or the empty message
    sendAnswer(exchange, binding, { jsonrpc: '2.0', id, result: {} });
    return { upstreamStatus };
  }
  const reply = await readJsonReply(response.body, boundsOf(pep));
  const isEmpty = method === 'DeleteTaskPushNotificationConfig' && reply['result'] === null && reply['error'] === undefined;
  const answer = answerTo(upstreamOf(pep, agent), id, isEmpty ? { ...reply, result: {} } : reply, upstreamStatus);
  const { result } = answer;
  sendAnswer(exchange, binding, isJsonObject(result) ? { ...answer, result: shown(pep, call, plan, result) } : answer);
  return { upstreamStatus };
}

/** @throws Refusal CORDON-9010 when the agent answers with a webhook that is not of this task */
function shown(pep: Pep, { request }: Call, { method, params }: PlanOf<'a2a/push-config'>, result: JsonObject): JsonObject {
  if (method === 'DeleteTaskPushNotificationConfig') return {};
  if (method !== 'ListTaskPushNotificationConfigs') {
    const config = configShown(pep, request, params.taskId, result);
    if (config === undefined) throw new Refusal('CORDON-9010', 'the agent answers with another webhook');
    return config;
  }
  const { configs } = result;
  const own = isJsonArray(configs) ? configs.filter(isJsonObject) : [];
  return {
    configs: own.flatMap((config) => configShown(pep, request, params.taskId, config) ?? []),
    nextPageToken: '',
  };
}

/** As the caller asked for it, without the secrets; undefined: it was asked for by nobody through here, or about another task. */
function configShown(pep: Pep, request: Call['request'], task: string, { id, url }: JsonObject): JsonObject | undefined {
  const reference = pushIn(pep.stateSealer, url);
  if (reference === undefined || !isAskedBy(reference, request)) return undefined;
  const { about } = reference;
  if (about.kind === 'task' && about.id !== pep.a2aIds(request).given('task', task)) return undefined;
  return { ...(typeof id === 'string' ? { id } : {}), taskId: task, url: reference.url };
}

/**
 * Delivers to the webhook. The gateway's own credential for the host stays here: who asked for the webhook chose the path. The answer is the
 * webhook's business with its owner; the agent hears whether it was taken. A redirect is not followed. @throws Refusal CORDON-3010, CORDON-9010
 */
export async function deliverPush(pep: Pep, exchange: Exchange, plan: PlanOf<'a2a/push'>, _call: Call): Promise<Forwarded> {
  const { webhook, reference, contentType, body } = plan;
  const outside = webhookHost(pep, reference.caller.id, webhook);
  if (outside === undefined) throw new Refusal('CORDON-9010', 'the host is not registered any more');
  const { token, authorization } = reference.secrets;
  const headers = {
    'content-type': contentType,
    ...(token === undefined ? {} : { 'x-a2a-notification-token': token }),
    ...(authorization === undefined ? {} : { authorization }),
  };
  const reply = await askOutside(exchange, outside.dispatcher, { ...webhook, method: 'POST', headers, body }, 'the webhook');
  reply.body.on('error', () => undefined).destroy();
  const { statusCode: upstreamStatus } = reply;
  if (upstreamStatus < 200 || upstreamStatus > 299) {
    throw new Refusal('CORDON-9010', 'the webhook does not take it', { observed: String(upstreamStatus), expected: '2xx' });
  }
  exchange.res.writeHead(204, { 'cache-control': 'no-store' }).end();
  return { upstreamStatus };
}
