// A2A towards the callee: the message that was decided on, in a request of our own, and its answer, whole or streamed.
import { isJsonObject, writeJson, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { A2A_VERSION } from './a2a-decode.ts';
import type { Call, Forwarded, Plan } from './call.ts';
import { sendEvent, sendReply, type Exchange } from './exchange.ts';
import { jsonReply } from './mcp-wire.ts';
import type { Pep } from './pep.ts';
import { readJsonReply, readSse } from './reply-body.ts';
import type { A2aUpstream } from './upstreams.ts';

function upstreamOf(pep: Pep, agent: string): A2aUpstream {
  const upstream = pep.upstreams.a2a(agent);
  if (upstream === undefined) throw new Refusal('CORDON-9010', 'the agent has no A2A address');
  return upstream;
}

export async function sendMessage(pep: Pep, exchange: Exchange, plan: Extract<Plan, { kind: 'a2a/send' }>, call: Call): Promise<Forwarded> {
  const { channel, path } = upstreamOf(pep, plan.agent);
  const bounds = { maxBytes: pep.settings.maxReplyBytes, maxDepth: pep.settings.maxDepth };
  const response = await channel.request({
    method: 'POST',
    path,
    headers: {
      'content-type': 'application/json',
      accept: plan.method === 'SendMessage' ? 'application/json' : 'text/event-stream',
      'a2a-version': A2A_VERSION,
      'cordon-caller': call.request.subject.spiffeId,
    },
    body: writeJson({ jsonrpc: '2.0', id: plan.id, method: plan.method, params: plan.params }),
    signal: exchange.abort.signal,
  });
  const type = String(response.headers['content-type'] ?? '').split(';', 1)[0];
  if (type === 'text/event-stream' && plan.method === 'SendStreamingMessage') {
    for await (const message of readSse(response.body, bounds)) await sendEvent(exchange, writeJson(answerTo(plan.id, message)));
    exchange.res.end();
  } else {
    const message = answerTo(plan.id, await readJsonReply(response.body, bounds));
    sendReply(exchange, jsonReply(200, message));
  }
  return { upstreamStatus: response.statusCode };
}

/** Only a JSON-RPC answer to this request is handed on. */
function answerTo(id: string | number, message: JsonObject): JsonObject {
  const { result, error } = message;
  if (message['id'] !== id || (!isJsonObject(result) && !isJsonObject(error))) {
    throw new Refusal('CORDON-9010', 'the agent does not answer this request');
  }
  return isJsonObject(error) ? { jsonrpc: '2.0', id, error } : { jsonrpc: '2.0', id, result: result ?? null };
}

/** The callee's card, naming the gateway as the only way in. Signatures cover the addresses that change, so they are left out. */
export async function sendCard(pep: Pep, exchange: Exchange, plan: Extract<Plan, { kind: 'a2a/card' }>): Promise<Forwarded> {
  const { channel } = upstreamOf(pep, plan.agent);
  const response = await channel.request({
    method: 'GET',
    path: '/.well-known/agent-card.json',
    headers: { accept: 'application/json', 'a2a-version': A2A_VERSION },
    signal: exchange.abort.signal,
  });
  const card = await readJsonReply(response.body, { maxBytes: 262_144, maxDepth: pep.settings.maxDepth });
  if (response.statusCode !== 200 || typeof card['name'] !== 'string') {
    throw new Refusal('CORDON-9010', 'the agent has no card');
  }
  const { signatures: _stale, additionalInterfaces: _old, ...rest } = card;
  const url = `${pep.publicUrl}/a2a/${plan.agent}`;
  const supportedInterfaces = [{ url, protocolBinding: 'JSONRPC', protocolVersion: A2A_VERSION }];
  sendReply(exchange, jsonReply(200, { ...rest, supportedInterfaces }));
  return { upstreamStatus: 200 };
}
