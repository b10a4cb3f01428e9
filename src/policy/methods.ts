// The actions that exist without any tool: MCP methods on a server, A2A operations on an agent and what is done with a host outside, and
// the groups that policies name.
// Names are the protocol's own (MCP 2025-11-25 and 2026-07-28, A2A 1.0 §9). A method that is not here is CORDON-3008.
import type { ResourceType } from '../domain/access.ts';
import type { Field, RecordShape } from './schema/shape.ts';

/** Groups of actions: `action in Action::"read"`. */
export const GROUPS = ['read', 'tools/call', 'mcp/session', 'a2a/message', 'a2a/task', 'mcp/client', 'http/call', 'egress'] as const;
export type Group = (typeof GROUPS)[number];

export interface Method {
  readonly on: ResourceType;
  readonly groups: readonly Group[];
  /** The type of `context.input`; absent when the context is empty. */
  readonly input?: RecordShape;
}

/** What a server asks of its caller. */
const client: Method = { on: 'mcp_server', groups: ['mcp/client'] };
const session: Method = { on: 'mcp_server', groups: ['mcp/session', 'read'] };
const record = (fields: Readonly<Record<string, Field>>): RecordShape => ({ kind: 'record', fields: new Map(Object.entries(fields)) });
const string: Field = { shape: { kind: 'string' }, required: true, nullIsAbsent: false };
const texts: Field = { shape: { kind: 'set', element: { kind: 'string' } }, required: false, nullIsAbsent: false };
const word: Field = { ...string, required: false };
const count: Field = { shape: { kind: 'long' }, required: false, nullIsAbsent: false };
/**
 * What a message says: its texts, its data as JSON, and of files how many, what they are and where from; the task that it, or a question, is
 * about; other tasks that it speaks of.
 */
const talk = record({
  text: word,
  data: word,
  files: count,
  file_bytes: count,
  file_sha256: texts,
  file_hosts: texts,
  file_names: texts,
  media_types: texts,
  task: word,
  references: texts,
});
/** The arguments of a prompt are what its server says, and no schema says what that is. */
const prompt = record({ name: string, arguments: { shape: { kind: 'opaque' }, required: false, nullIsAbsent: false } });
/** `of`: `prompt` or `resource`; `name`: which, the URI of a resource; `argument` and `value`: what is being typed. */
const completion = record({ of: string, name: string, argument: string, value: string });

const long: Field = { shape: { kind: 'long' }, required: true, nullIsAbsent: false };
const optional = (field: Field): Field => ({ ...field, required: false });
/** Where to, and through it nothing that could be read. */
const tunnel = record({ host: string, port: long });
/** `path` is decoded and has no dot segments; `query` is as it is sent on; of a body policy sees what it is, how long, and its digest. */
const outside = record({
  host: string,
  port: long,
  scheme: string,
  method: string,
  path: string,
  query: optional(string),
  content_type: optional(string),
  body_bytes: optional(long),
  body_sha256: optional(string),
});

/** A webhook of a task: its address, as `egress/request` has it; of what is asked about those that are there the task alone. */
const webhook = record({
  task: word,
  host: word,
  port: count,
  scheme: word,
  path: word,
  query: word,
});
/** Of a notification: for whom it is delivered, and where. */
const pushed = record({
  caller: string,
  host: string,
  port: long,
  scheme: string,
  path: string,
  query: optional(string),
  body_bytes: long,
});

export const METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['initialize', session],
  ['ping', session],
  ['server/discover', session],
  ['tools/list', session],
  ['prompts/list', session],
  ['resources/list', session],
  ['resources/templates/list', session],
  ['resources/read', { on: 'mcp_server', groups: ['read'], input: record({ uri: string }) }],
  ['resources/subscribe', { on: 'mcp_server', groups: ['read'], input: record({ uri: string }) }],
  ['resources/unsubscribe', { on: 'mcp_server', groups: ['read'], input: record({ uri: string }) }],
  ['subscriptions/listen', session],
  ['logging/setLevel', session],
  ['sampling/createMessage', client],
  ['elicitation/create', client],
  ['roots/list', client],
  ['prompts/get', { on: 'mcp_server', groups: ['read'], input: prompt }],
  ['completion/complete', { on: 'mcp_server', groups: ['read'], input: completion }],
  ['a2a/SendMessage', { on: 'agent', groups: ['a2a/message'], input: talk }],
  ['a2a/SendStreamingMessage', { on: 'agent', groups: ['a2a/message'], input: talk }],
  ['a2a/GetTask', { on: 'agent', groups: ['a2a/task', 'read'], input: talk }],
  ['a2a/ListTasks', { on: 'agent', groups: ['a2a/task', 'read'], input: talk }],
  ['a2a/SubscribeToTask', { on: 'agent', groups: ['a2a/task', 'read'], input: talk }],
  ['a2a/CancelTask', { on: 'agent', groups: ['a2a/message'], input: talk }],
  ['a2a/CreateTaskPushNotificationConfig', { on: 'agent', groups: [], input: webhook }],
  ['a2a/GetTaskPushNotificationConfig', { on: 'agent', groups: ['a2a/task', 'read'], input: webhook }],
  ['a2a/ListTaskPushNotificationConfigs', { on: 'agent', groups: ['a2a/task', 'read'], input: webhook }],
  ['a2a/DeleteTaskPushNotificationConfig', { on: 'agent', groups: ['a2a/message'], input: webhook }],
  // none is a read: a request that changes nothing there may still carry anything out of here
  ['egress/connect', { on: 'egress', groups: ['egress'], input: tunnel }],
  ['egress/request', { on: 'egress', groups: ['egress'], input: outside }],
  ['egress/push', { on: 'egress', groups: [], input: pushed }],
  ['a2a/GetAgentCard', { on: 'agent', groups: ['read'], input: talk }],
  ['a2a/GetExtendedAgentCard', { on: 'agent', groups: ['read'], input: talk }],
]);

/** Is it what a server asks of its caller, and nothing that the caller does? */
export const isAsked = (action: string): boolean => METHODS.get(action)?.groups.includes('mcp/client') === true;
/** What clients of MCP do whatever they are for. */
export const isOfSession = (action: string): boolean => METHODS.get(action)?.groups.includes('mcp/session') === true;

/** `AccessRequest.action.name` of a tool call; which action it is in Cedar follows from the resource. */
export const TOOL_CALL = 'tools/call';

/** Of the call of a route of an HTTP API. */
export const ROUTE_CALL = 'http/call';
/** What a catalog lists: the action of calling it. */
export const CALLS = { tool: TOOL_CALL, route: ROUTE_CALL } as const satisfies Partial<Record<ResourceType, Group>>;
/** A tool of an MCP server, or a route of an HTTP API. */
export type Callable = keyof typeof CALLS;
export const isCallable = (type: ResourceType): type is Callable => Object.hasOwn(CALLS, type);

/** The groups that the action of a tool or route is in. */
export const callGroups = (type: Callable, reads: boolean): readonly Group[] => (reads ? [CALLS[type], 'read'] : [CALLS[type]]);

/** What kind of resource somebody means who names it beside an action. */
export function targetType(action: string, resource: string): ResourceType {
  if (action.startsWith('a2a/')) return 'agent';
  if (action === ROUTE_CALL) return 'route';
  if (action.startsWith('egress/')) return 'egress';
  return resource.includes('/') ? 'tool' : 'mcp_server';
}

/** Ids that a tool cannot have: its action would be one of Cordon's own. */
export const isReserved = (actionId: string): boolean => METHODS.has(actionId) || GROUPS.some((group) => group === actionId);
