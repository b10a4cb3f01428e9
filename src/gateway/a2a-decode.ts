// Step 3 for A2A 1.0: messages, tasks and the agent card, over JSON-RPC or HTTP+JSON. Standard: A2A 1.0 §5, §9, §11. attacker-controlled
// INVARIANT I2: the message is made anew of the members that are read here. What policy does not see (metadata) is left out,
// never handed on.
import type { IncomingMessage } from 'node:http';
import { isJsonArray, isJsonObject, parseJson, type Json, type JsonBounds, type JsonObject } from '../domain/json.ts';
import type { PartKind } from '../domain/registry.ts';
import { Refusal } from '../domain/refusal.ts';
import { readParts } from './a2a-parts.ts';
import { readRest } from './a2a-rest.ts';
import { isPushMethod, pushInput, readMessagePush, readPushParams, type MessagePush, type PushMethodName } from './a2a-push-params.ts';
import { isTaskMethod, readTaskParams } from './a2a-task-methods.ts';
import { a2aRpcWire } from './a2a-wire.ts';
import type { A2aBinding } from '../domain/registry.ts';
import type { Call, PlanOf, Wire } from './call.ts';
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
  /** Parts that the agent takes; absent: text. */
  readonly accepts?: ReadonlySet<PartKind> | undefined;
  /** Does it deliver push notifications, through the gateway? */
  readonly pushes?: boolean | undefined;
  /** How the caller is told no, once it is known what it asks. */
  readonly setWire?: (wire: Wire) => void;
}

/** @throws Refusal CORDON-9011 malformed, CORDON-3008 a method, CORDON-3021 a version, CORDON-3023 a push notification, CORDON-3006 a part that the agent does not take */
export function decodeA2a(req: IncomingMessage, asked: A2aMessage): Call {
  const { id, method, params } = readRpc(parseJson(asked.bytes, asked.bounds));
  if (id === undefined) throw new Refusal('CORDON-9011', 'A2A requests carry an `id`');
  asked.setWire?.(a2aRpcWire(id));
  checkVersion(req);
  return decodeOperation(asked, { binding: 'JSONRPC', id, method, params });
}

/** The same over HTTP+JSON, at `target` below the agent. @throws Refusal as `decodeA2a`; CORDON-3003 for another path */
export function decodeA2aRest(req: IncomingMessage, target: string, asked: A2aMessage): Call {
  checkVersion(req);
  return decodeOperation(asked, { binding: 'HTTP+JSON', id: 1, ...readRest(req, target, asked.bytes, asked.bounds) });
}

function checkVersion({ headers }: IncomingMessage): void {
  if (headers['a2a-version'] === A2A_VERSION) return;
  throw new Refusal('CORDON-3021', `A2A version not supported: only ${A2A_VERSION} is spoken`, { expected: `A2A-Version: ${A2A_VERSION}` });
}

interface Operation {
  readonly binding: A2aBinding;
  readonly id: RpcId;
  readonly method: string;
  readonly params: JsonObject;
}

/** A webhook in the agent's own hands would carry answers around the gateway. */
const pushRefused = (): Refusal => new Refusal('CORDON-3023', 'push notifications are not accepted');

const TEXT: ReadonlySet<PartKind> = new Set(['text']);

function decodeOperation({ peer, agent, accepts = TEXT, pushes = false }: A2aMessage, { binding, id, method, params }: Operation): Call {
  if (isTaskMethod(method)) return decodeTask(peer, agent, { binding, id, method, params: readTaskParams(method, params) });
  if (method === 'GetExtendedAgentCard') {
    const plan = { kind: 'a2a/extended-card', agent, binding, id, method, params: {}, onward: {} } as const;
    return { request: requestTo(peer, agent, method, {}), plan };
  }
  if (isPushMethod(method)) {
    if (!pushes) throw pushRefused();
    return decodePushConfig(peer, agent, { binding, id, method, params });
  }
  if (method !== 'SendMessage' && method !== 'SendStreamingMessage') {
    throw new Refusal('CORDON-3008', 'A2A method not accepted');
  }
  const { message, facts } = readMessage(params['message'], accepts);
  const { taskId: task, referenceTaskIds: references } = message;
  const { push, ...configuration } = readConfiguration(params['configuration'], task);
  if (push !== undefined && !pushes) throw pushRefused();
  const input = {
    ...facts,
    ...(typeof task === 'string' && task !== '' ? { task } : {}),
    ...(references === undefined ? {} : { references }),
  };
  return {
    request: requestTo(peer, agent, method, input),
    plan: { kind: 'a2a/send', agent, binding, id, method, params: { message, ...configuration }, ...(push === undefined ? {} : { push }) },
  };
}

function decodePushConfig(peer: Peer, agent: string, { method, params, ...rest }: Operation & { readonly method: PushMethodName }): Call {
  const read = readPushParams(method, params);
  return {
    request: requestTo(peer, agent, method, pushInput(read)),
    plan: { kind: 'a2a/push-config', agent, ...rest, method, ...read },
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
function readMessage(json: Json | undefined, accepts: ReadonlySet<PartKind>): { readonly message: JsonObject; readonly facts: JsonObject } {
  if (!isJsonObject(json)) throw new Refusal('CORDON-9011', '`params.message` is missing');
  const { parts, facts } = readParts(json['parts'], accepts);
  const named = MESSAGE_TEXTS.flatMap((member) => {
    const value = json[member];
    if (value !== undefined && typeof value !== 'string') throw new Refusal('CORDON-9011', `\`params.message.${member}\` is no text`);
    if ((value?.length ?? 0) > LONGEST[member]) throw new Refusal('CORDON-9011', `\`params.message.${member}\` is too long`);
    return value === undefined ? [] : [[member, value] as const];
  });
  return { message: { ...Object.fromEntries(named), ...readReferences(json['referenceTaskIds']), parts }, facts };
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

/** How the caller wants to be answered. */
function readConfiguration(
  json: Json | undefined,
  task: Json | undefined,
): { readonly configuration?: JsonObject; readonly push?: MessagePush } {
  if (json === undefined || json === null) return {};
  if (!isJsonObject(json)) throw new Refusal('CORDON-9011', '`params.configuration` is no object');
  // by its name before 1.0 no agent would know it
  if ((json['pushNotificationConfig'] ?? null) !== null) throw pushRefused();
  const push = json['taskPushNotificationConfig'] ?? null;
  const { acceptedOutputModes: modes, historyLength: length, returnImmediately: early } = json;
  return {
    configuration: {
      ...(isJsonArray(modes) ? { acceptedOutputModes: modes.filter((mode) => typeof mode === 'string') } : {}),
      ...(typeof length === 'number' ? { historyLength: length } : {}),
      ...(typeof early === 'boolean' ? { returnImmediately: early } : {}),
    },
    ...(push === null ? {} : { push: readMessagePush(push, task) }),
  };
}
