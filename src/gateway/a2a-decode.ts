// Step 3 for A2A 1.0: messages, tasks and the agent card, over JSON-RPC or HTTP+JSON. Standard: A2A 1.0 §5, §9, §11. attacker-controlled
// INVARIANT I2: the message is made anew of the members that are read here. What policy does not see (files, data, metadata, webhooks)
// is refused or left out, never handed on.
import type { IncomingMessage } from 'node:http';
import { isJsonArray, isJsonObject, parseJson, type Json, type JsonBounds, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { readRest } from './a2a-rest.ts';
import { isTaskMethod, readTaskParams } from './a2a-task-methods.ts';
import { a2aRpcWire } from './a2a-wire.ts';
import type { A2aBinding, Call, PlanOf, Wire } from './call.ts';
import type { Peer } from './connections.ts';
import { readRpc } from './json-rpc.ts';
import type { RpcId } from './mcp-words.ts';

export const A2A_VERSION = '1.0';

const requestTo = (peer: Peer, agent: string, action: string, input: JsonObject): Call['request'] => ({
  subject: { type: 'agent', id: peer.agent, spiffeId: peer.svid.workload.id, run: peer.run },
  action: { name: `a2a/${action}` },
  resource: { type: 'agent', id: agent },
  context: { input },
});

/** The call that reads an agent's card. */
export const decodeCard = (peer: Peer, agent: string): Call => ({
  request: requestTo(peer, agent, 'GetAgentCard', {}),
  plan: { kind: 'a2a/card', agent },
});

export interface A2aMessage {
  readonly peer: Peer;
  /** The agent that is called. */
  readonly agent: string;
  readonly bytes: Uint8Array;
  readonly bounds: JsonBounds;
  /** How the caller is told no, once it is known what it asks. */
  readonly setWire?: (wire: Wire) => void;
}

/** @throws Refusal CORDON-9011 malformed, CORDON-3008 a method or a push notification, CORDON-3006 a part that is no text */
export function decodeA2a(req: IncomingMessage, { peer, agent, bytes, bounds, setWire }: A2aMessage): Call {
  checkVersion(req);
  const { id, method, params } = readRpc(parseJson(bytes, bounds));
  if (id === undefined) throw new Refusal('CORDON-9011', 'A2A requests carry an `id`');
  setWire?.(a2aRpcWire(id));
  return decodeOperation(peer, agent, { binding: 'JSONRPC', id, method, params });
}

/** The same over HTTP+JSON, at `target` below the agent. @throws Refusal as `decodeA2a`; CORDON-3003 for another path */
export function decodeA2aRest(req: IncomingMessage, target: string, { peer, agent, bytes, bounds }: A2aMessage): Call {
  checkVersion(req);
  return decodeOperation(peer, agent, { binding: 'HTTP+JSON', id: 1, ...readRest(req, target, bytes, bounds) });
}

function checkVersion({ headers }: IncomingMessage): void {
  if (headers['a2a-version'] === A2A_VERSION) return;
  throw new Refusal('CORDON-3008', 'A2A version not supported', { expected: `A2A-Version: ${A2A_VERSION}` });
}

interface Operation {
  readonly binding: A2aBinding;
  readonly id: RpcId;
  readonly method: string;
  readonly params: JsonObject;
}

function decodeOperation(peer: Peer, agent: string, { binding, id, method, params }: Operation): Call {
  if (isTaskMethod(method)) return decodeTask(peer, agent, { binding, id, method, params: readTaskParams(method, params) });
  if (method === 'GetExtendedAgentCard') {
    const plan = { kind: 'a2a/extended-card', agent, binding, id, method, params: {}, onward: {} } as const;
    return { request: requestTo(peer, agent, method, {}), plan };
  }
  if (method !== 'SendMessage' && method !== 'SendStreamingMessage') {
    throw new Refusal('CORDON-3008', 'A2A method not accepted');
  }
  const { message, texts } = readMessage(params['message']);
  const { taskId: task, referenceTaskIds: references } = message;
  const input = {
    ...(texts.length === 0 ? {} : { text: texts.join('\n') }),
    ...(typeof task === 'string' && task !== '' ? { task } : {}),
    ...(references === undefined ? {} : { references }),
  };
  return {
    request: requestTo(peer, agent, method, input),
    plan: { kind: 'a2a/send', agent, binding, id, method, params: { message, ...readConfiguration(params['configuration']) } },
  };
}

type TaskCall = Pick<PlanOf<'a2a/task'>, 'binding' | 'id' | 'method' | 'params'>;

function decodeTask(peer: Peer, agent: string, asked: TaskCall): Call {
  const { id: task } = asked.params;
  return {
    request: requestTo(peer, agent, asked.method, typeof task === 'string' ? { task } : {}),
    plan: { kind: 'a2a/task', agent, ...asked },
  };
}

const MESSAGE_TEXTS = ['messageId', 'contextId', 'taskId', 'role'] as const;

/** An id that we have handed out is longer than the agent's own, and than any name that a caller gives. */
const LONGEST = { messageId: 256, contextId: 1_024, taskId: 1_024, role: 64 };
const MOST_REFERENCES = 32;

/** The message as the callee gets it, and what it says. */
function readMessage(json: Json | undefined): { readonly message: JsonObject; readonly texts: readonly string[] } {
  if (!isJsonObject(json) || !isJsonArray(json['parts'])) throw new Refusal('CORDON-9011', '`params.message.parts` is missing');
  const texts = json['parts'].map((part) => textOf(part));
  const named = MESSAGE_TEXTS.flatMap((member) => {
    const value = json[member];
    if (value !== undefined && typeof value !== 'string') throw new Refusal('CORDON-9011', `\`params.message.${member}\` is no text`);
    if ((value?.length ?? 0) > LONGEST[member]) throw new Refusal('CORDON-9011', `\`params.message.${member}\` is too long`);
    return value === undefined ? [] : [[member, value] as const];
  });
  const message = { ...Object.fromEntries(named), ...readReferences(json['referenceTaskIds']), parts: texts.map((text) => ({ text })) };
  return { message, texts };
}

/** Tasks that the message speaks of (§4.1.4). */
function readReferences(json: Json | undefined): { readonly referenceTaskIds?: readonly string[] } {
  if (json === undefined || json === null) return {};
  const ids = isJsonArray(json) ? json.filter((id) => typeof id === 'string' && id !== '' && id.length <= LONGEST.taskId) : [];
  if (!isJsonArray(json) || ids.length < json.length || ids.length > MOST_REFERENCES) {
    throw new Refusal('CORDON-9011', '`params.message.referenceTaskIds` are no ids', {
      expected: `at most ${MOST_REFERENCES} ids of tasks`,
    });
  }
  return ids.length === 0 ? {} : { referenceTaskIds: ids.filter((id) => typeof id === 'string') };
}

/** Policy sees text alone, so nothing else may pass beside it. */
function textOf(part: Json): string {
  if (isJsonObject(part) && typeof part['text'] === 'string' && !CONTENTS.some((content) => Object.hasOwn(part, content))) {
    return part['text'];
  }
  throw new Refusal('CORDON-3006', 'only text parts are accepted', { expected: '`parts: [{"text": …}]`' });
}

const CONTENTS = ['raw', 'url', 'data', 'file'];

/** How the caller wants to be answered. A webhook would carry answers around the gateway. */
function readConfiguration(json: Json | undefined): { readonly configuration?: JsonObject } {
  if (json === undefined || json === null) return {};
  if (!isJsonObject(json)) throw new Refusal('CORDON-9011', '`params.configuration` is no object');
  const push = json['taskPushNotificationConfig'] ?? json['pushNotificationConfig'] ?? null;
  if (push !== null) throw new Refusal('CORDON-3008', 'push notifications are not accepted');
  const { acceptedOutputModes: modes, historyLength: length, returnImmediately: early } = json;
  return {
    configuration: {
      ...(isJsonArray(modes) ? { acceptedOutputModes: modes.filter((mode) => typeof mode === 'string') } : {}),
      ...(typeof length === 'number' ? { historyLength: length } : {}),
      ...(typeof early === 'boolean' ? { returnImmediately: early } : {}),
    },
  };
}
