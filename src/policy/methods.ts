// The actions that exist without any tool: MCP methods on a server and A2A operations on an agent, and the groups that policies name.
// Names are the protocol's own (MCP 2025-11-25 and 2026-07-28, A2A 1.0 §9). A method that is not here is CORDON-3008.
import type { ResourceType } from '../domain/access.ts';
import type { Field, RecordShape } from './schema/shape.ts';

/** Groups of actions: `action in Action::"read"`. */
export const GROUPS = ['read', 'tools/call', 'mcp/session', 'a2a/message'] as const;
export type Group = (typeof GROUPS)[number];

export interface Method {
  readonly on: ResourceType;
  readonly groups: readonly Group[];
  /** The type of `context.input`; absent when the context is empty. */
  readonly input?: RecordShape;
}

const session: Method = { on: 'mcp_server', groups: ['mcp/session', 'read'] };
const record = (fields: Readonly<Record<string, Field>>): RecordShape => ({ kind: 'record', fields: new Map(Object.entries(fields)) });
const string: Field = { shape: { kind: 'string' }, required: true, nullIsAbsent: false };
const text = record({ text: { ...string, required: false } });
/** The arguments of a prompt are what its server says, and no schema says what that is. */
const prompt = record({ name: string, arguments: { shape: { kind: 'opaque' }, required: false, nullIsAbsent: false } });
/** `of`: `prompt` or `resource`; `name`: which, the URI of a resource; `argument` and `value`: what is being typed. */
const completion = record({ of: string, name: string, argument: string, value: string });

export const METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['initialize', session],
  ['ping', session],
  ['server/discover', session],
  ['tools/list', session],
  ['prompts/list', session],
  ['resources/list', session],
  ['resources/templates/list', session],
  ['resources/read', { on: 'mcp_server', groups: ['read'], input: record({ uri: string }) }],
  ['prompts/get', { on: 'mcp_server', groups: ['read'], input: prompt }],
  ['completion/complete', { on: 'mcp_server', groups: ['read'], input: completion }],
  ['a2a/SendMessage', { on: 'agent', groups: ['a2a/message'], input: text }],
  ['a2a/SendStreamingMessage', { on: 'agent', groups: ['a2a/message'], input: text }],
  ['a2a/GetAgentCard', { on: 'agent', groups: ['read'], input: text }],
]);

/** `AccessRequest.action.name` of a tool call; which action it is in Cedar follows from the resource. */
export const TOOL_CALL = 'tools/call';

/** The groups that a tool's action is in. */
export const toolGroups = (reads: boolean): readonly Group[] => (reads ? ['tools/call', 'read'] : ['tools/call']);

/** Ids that a tool cannot have: its action would be one of Cordon's own. */
export const isReserved = (actionId: string): boolean => METHODS.has(actionId) || GROUPS.some((group) => group === actionId);
