// What one request is about, in Cedar's terms: principal, action, resource, and the few entities that a decision on it can reach.
// Built from the registry alone; unregistered = does not exist, and each kind of absence has its code.
import type { AccessRequest, ResourceType } from '../domain/access.ts';
import type { JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Agent, Resource, Segment, World } from '../domain/registry.ts';
import { argumentsOf } from './arguments.ts';
import type { Catalog, CatalogTool } from './catalog.ts';
import { type Group, METHODS, TOOL_CALL, toolGroups } from './methods.ts';
import { byName } from './names.ts';
import type { RecordShape } from './shape.ts';
import { type CedarRecord, sameUid, type Uid, uid, type Value } from './value.ts';

export interface Entity {
  readonly uid: Uid;
  readonly attrs: CedarRecord;
  readonly parents: readonly Uid[];
  readonly tags: CedarRecord;
}

/** A request by names. */
export interface Wanted {
  readonly agent: string;
  readonly action: string;
  readonly type: ResourceType;
  readonly id: string;
}

export const wantedOf = ({ subject, action, resource }: AccessRequest): Wanted => ({
  agent: subject.id,
  action: action.name,
  type: resource.type,
  id: resource.id,
});

/** Who asks for what, before the arguments are looked at. */
export interface Parties {
  readonly principal: Uid;
  readonly action: Uid;
  readonly resource: Uid;
  readonly entities: readonly Entity[];
  /** The type of `context.input`: none for an empty context, a refusal when the tool could not be typed. */
  readonly input: RecordShape | Refusal | undefined;
}

export interface Facts extends Parties {
  readonly context: CedarRecord;
}

const NONE: CedarRecord = new Map();

/** @throws Refusal CORDON-1014 unknown agent, 3003 unknown resource, 3006 unspeakable tool name, 3007 unregistered segment, 3008 unknown action */
export function partiesOf(wanted: Wanted, world: World, catalog: Catalog): Parties {
  const agent = byName(world.agents, wanted.agent);
  if (agent === undefined) throw new Refusal('CORDON-1014', 'the agent is not registered');
  return wanted.action === TOOL_CALL && wanted.type === 'tool'
    ? toolCall(agent, wanted.id, world, catalog)
    : methodCall(agent, wanted, world);
}

/** The request with its arguments. @throws Refusal CORDON-3006 */
export function factsOf(parties: Parties, input: JsonObject = {}): Facts {
  if (parties.input instanceof Refusal) throw parties.input;
  return {
    ...parties,
    context: parties.input === undefined ? NONE : new Map([['input', argumentsOf(input, parties.input)]]),
  };
}

/** The request with its arguments left unknown: only policies that read no context may be asked. */
export const withoutArguments = (parties: Parties): Facts => ({ ...parties, context: NONE });

function toolCall(agent: Agent, id: string, world: World, catalog: Catalog): Parties {
  const tool = catalog.get(id);
  const server = tool === undefined ? undefined : byName(world.resources, tool.server);
  if (tool === undefined || server === undefined) throw new Refusal('CORDON-3003', 'the tool is not registered');
  // what is not Unicode the engine would not take, so not even the guardrails can be asked about it
  if (tool.input instanceof Refusal && !id.isWellFormed()) throw tool.input;
  const groups = toolGroups(tool.reads);
  return assemble(
    agent,
    {
      id,
      groups,
      on: toolEntity(tool, server),
      above: [serverEntity(server)],
      segment: server.segment,
      input: tool.input,
    },
    world,
  );
}

function methodCall(agent: Agent, { action: id, type, id: name }: Wanted, world: World): Parties {
  const method = METHODS.get(id);
  if (method === undefined) throw new Refusal('CORDON-3008', 'the action is not known');
  if (method.on !== type)
    throw new Refusal('CORDON-3008', 'the action is not for this kind of resource', {
      observed: type,
      expected: method.on,
    });
  const { groups, input } = method;
  const callee = type === 'agent' ? byName(world.agents, name) : undefined;
  if (callee !== undefined)
    return assemble(agent, { id, groups, on: agentEntity(callee, world), above: [], segment: callee.segment, input }, world);
  const server = type === 'mcp_server' ? byName(world.resources, name) : undefined;
  if (server !== undefined)
    return assemble(agent, { id, groups, on: serverEntity(server), above: [], segment: server.segment, input }, world);
  throw new Refusal('CORDON-3003', 'the resource is not registered');
}

interface Target {
  /** Of the action. */
  readonly id: string;
  readonly groups: readonly Group[];
  readonly on: Entity;
  readonly above: readonly Entity[];
  readonly segment: string;
  readonly input: Parties['input'];
}

function assemble(agent: Agent, { id, groups, on, above, segment, input }: Target, world: World): Parties {
  const action = entity(
    uid('Action', id),
    groups.map((group) => uid('Action', group)),
  );
  const caller = agentEntity(agent, world);
  const segments = [...new Set([agent.segment, segment])].map((name) => segmentEntity(byName(world.segments, name)));
  const entities = sameUid(caller.uid, on.uid) ? [action, on, ...segments] : [action, caller, on, ...above, ...segments];
  return { principal: caller.uid, action: action.uid, resource: on.uid, entities, input };
}

const entity = (id: Uid, parents: readonly Uid[], attrs: CedarRecord = NONE, tags: CedarRecord = NONE): Entity => ({
  uid: id,
  attrs,
  parents,
  tags,
});
const segmentOf = ({ segment }: Agent | Resource): Uid => uid('Segment', segment);

const agentEntity = (agent: Agent, world: World): Entity =>
  entity(
    uid('Agent', agent.name),
    [segmentOf(agent)],
    new Map<string, Value>([
      ['segment', segmentOf(agent)],
      ['level', world.levels.get(agent.name) ?? 'normal'],
      ['owner', agent.owner],
    ]),
  );

const serverEntity = (server: Resource): Entity =>
  entity(uid('Server', server.name), [segmentOf(server)], new Map([['segment', segmentOf(server)]]), new Map(Object.entries(server.tags)));

const toolEntity = (tool: CatalogTool, server: Resource): Entity =>
  entity(
    uid('Tool', tool.id),
    [uid('Server', server.name)],
    new Map<string, Value>([
      ['server', uid('Server', server.name)],
      ['segment', segmentOf(server)],
      ['reads', tool.reads],
    ]),
  );

function segmentEntity(segment: Segment | undefined): Entity {
  if (segment === undefined) throw new Refusal('CORDON-3007', 'a segment of this call is not registered');
  return entity(uid('Segment', segment.name), [], new Map([['links', segment.links.map((link) => uid('Segment', link))]]));
}
