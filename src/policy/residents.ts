// The entities of a world, resident: what exists is made an entity once, and a world that differs in a level or a tool shares the rest.
import { type Agent, kindOf, type Resource, type Segment, type World } from '../domain/registry.ts';
import type { Catalog, CatalogTool } from './schema/catalog.ts';
import { Entities } from './cedar/entities.ts';
import type { EntityRecord } from './cedar/entity.ts';
import { CedarSet, type CedarRecord, EMPTY_RECORD, type EntityUid, uid, type Value } from './cedar/value.ts';
import { callGroups, type Group, GROUPS, METHODS } from './methods.ts';
import { KIND_TYPES, TARGET_TYPES } from './targets.ts';

const residents = new WeakMap<World, Entities>();
/** The last one of a registry: the next differs from it in little. */
const latest = new WeakMap<World['agents'], Entities>();

/** Every agent, server, tool, segment and action of `world`. @throws Error when two entities of one name differ */
export function residentsOf(world: World, catalog: Catalog): Entities {
  const known = residents.get(world);
  if (known !== undefined) return known;
  const records = new Map<string, EntityRecord>();
  for (const record of recordsOf(world, catalog)) records.set(record.uid.key, record);
  const entities = changed(latest.get(world.agents) ?? Entities.of([]), records);
  residents.set(world, entities);
  latest.set(world.agents, entities);
  return entities;
}

function changed(before: Entities, records: ReadonlyMap<string, EntityRecord>): Entities {
  const stored = [...records.values()].filter((record) => before.get(record.uid)?.record !== record);
  const removed = [...before.all()].filter(({ uid: { key } }) => !records.has(key)).map((record) => record.uid);
  return stored.length + removed.length === 0 ? before : before.with(stored, removed);
}

function* recordsOf(world: World, catalog: Catalog): Iterable<EntityRecord> {
  for (const segment of world.segments) yield* segmentRecords(segment, '');
  for (const agent of world.agents) yield* agentRecords(agent, world.levels.get(agent.name) ?? 'normal');
  const servers = new Map(world.resources.map((resource) => [resource.name, resource]));
  for (const resource of servers.values()) yield* serverRecords(resource, '');
  for (const tool of catalog.values()) {
    const server = servers.get(tool.server);
    if (server !== undefined) yield* toolRecords(tool, server);
  }
  yield* METHOD_RECORDS;
}

const record = (id: EntityUid, parents: readonly EntityUid[], attrs: CedarRecord = EMPTY_RECORD, tags = EMPTY_RECORD): EntityRecord => ({
  uid: id,
  attrs,
  tags,
  parents,
});

const action = (id: string, groups: readonly Group[]): EntityRecord =>
  record(
    uid('Action', id),
    groups.map((group) => uid('Action', group)),
  );

const METHOD_RECORDS = [...GROUPS.map((group) => action(group, [])), ...[...METHODS].map(([name, { groups }]) => action(name, groups))];

export const segmentUid = ({ segment }: Agent | Resource): EntityUid => uid('Segment', segment);

/** One record for one thing: `make` runs again only when `about` changes. */
function memo<K extends object, A>(make: (of: K, about: A) => readonly EntityRecord[]): (of: K, about: A) => readonly EntityRecord[] {
  const made = new WeakMap<K, { readonly about: A; readonly records: readonly EntityRecord[] }>();
  return (of, about) => {
    const known = made.get(of);
    if (known !== undefined && known.about === about) return known.records;
    const records = make(of, about);
    made.set(of, { about, records });
    return records;
  };
}

const segmentRecords = memo((segment: Segment) => [
  record(uid('Segment', segment.name), [], new Map([['links', new CedarSet(segment.links.map((link) => uid('Segment', link)))]])),
]);

const agentRecords = memo((agent: Agent, level: string) => [
  record(
    uid('Agent', agent.name),
    [segmentUid(agent)],
    new Map<string, Value>([
      ['segment', segmentUid(agent)],
      ['level', level],
      ['owner', agent.owner],
    ]),
  ),
]);

export const resourceUid = (resource: Resource): EntityUid => uid(KIND_TYPES[kindOf(resource)], resource.name);

const serverRecords = memo((server: Resource) => [
  record(resourceUid(server), [segmentUid(server)], new Map([['segment', segmentUid(server)]]), new Map(Object.entries(server.tags))),
]);

/** The tool or route, and the action of calling it. */
const toolRecords = memo((tool: CatalogTool, server: Resource) => [
  record(uid(TARGET_TYPES[tool.type], tool.id), [resourceUid(server)], new Map(attributesOf(tool, server))),
  action(tool.id, callGroups(tool.type, tool.reads)),
]);

function attributesOf({ type, reads, route }: CatalogTool, server: Resource): readonly (readonly [string, Value])[] {
  const { method = '', path = '' } = route ?? {};
  return [
    [type === 'tool' ? 'server' : 'api', resourceUid(server)],
    ['segment', segmentUid(server)],
    ['reads', reads],
    ...(type === 'tool'
      ? []
      : ([
          ['method', method],
          ['path', path],
        ] as const)),
  ];
}
