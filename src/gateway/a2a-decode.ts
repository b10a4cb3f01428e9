// Step 3 for A2A 1.0: the JSON-RPC binding (message send) and the agent card. Standard: A2A 1.0 §5, §9. attacker-controlled
import type { IncomingMessage } from 'node:http';
import { isJsonObject, parseJson, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Call } from './call.ts';
import type { Peer } from './connections.ts';
import { readRpc } from './mcp-decode.ts';

export const A2A_VERSION = '1.0';

const requestTo = (peer: Peer, agent: string, action: string, input: JsonObject): Call['request'] => ({
  subject: { type: 'agent', id: peer.agent, spiffeId: peer.svid.workload.id, run: peer.run },
  action: { name: `a2a/${action}` },
  resource: { type: 'agent', id: agent },
  context: { input },
});

export const decodeCard = (peer: Peer, agent: string): Call => ({
  request: requestTo(peer, agent, 'GetAgentCard', {}),
  plan: { kind: 'a2a/card', agent },
});

/** @throws Refusal CORDON-9011, CORDON-3008 */
export function decodeA2a(
  req: IncomingMessage,
  message: { peer: Peer; agent: string; bytes: Uint8Array; bounds: { maxBytes: number; maxDepth: number } },
): Call {
  const version = req.headers['a2a-version'];
  if (version !== A2A_VERSION) {
    throw new Refusal('CORDON-3008', 'A2A version not supported', { expected: `A2A-Version: ${A2A_VERSION}` });
  }
  const { id, method, params } = readRpc(parseJson(message.bytes, message.bounds));
  if (id === undefined) throw new Refusal('CORDON-9011', 'A2A requests carry an `id`');
  if (method !== 'SendMessage' && method !== 'SendStreamingMessage') {
    throw new Refusal('CORDON-3008', 'A2A method not accepted');
  }
  const text = textOf(params['message']);
  const input = text === undefined ? {} : { text };
  return {
    request: requestTo(message.peer, message.agent, method, input),
    plan: { kind: 'a2a/send', agent: message.agent, id, method, params },
  };
}

/** All text parts of a message, joined by line feeds; undefined when there is none. @throws Refusal CORDON-9011 no message */
function textOf(message: Json | undefined): string | undefined {
  if (!isJsonObject(message) || !Array.isArray(message['parts'])) {
    throw new Refusal('CORDON-9011', '`params.message.parts` is missing');
  }
  const texts = (message['parts'] as readonly Json[]).flatMap((part) =>
    isJsonObject(part) && typeof part['text'] === 'string' ? [part['text']] : [],
  );
  return texts.length === 0 ? undefined : texts.join('\n');
}
