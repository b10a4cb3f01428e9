// Scopes as sets. Two questions: which kinds of call of the registered world can a scope meet, and does one scope lie inside another? The
// second is asked of constraints and hierarchy alone: that a world is small, and two scopes happen to meet the same calls, says nothing.
import { kindOf, type World } from '../../domain/registry.ts';
import type { Catalog } from '../schema/catalog.ts';
import { type Entities, scopeKeysOf } from '../cedar/entities.ts';
import type { EstPolicy } from '../cedar/est.ts';
import type { Place } from '../cedar/scope-index.ts';
import { type Constraint, constraintOf, meets, NO_SLOTS, OPEN } from '../cedar/scope.ts';
import { type EntityUid, uid } from '../cedar/value.ts';
import { callGroups, GROUPS, type Group, METHODS } from '../methods.ts';
import { PRINCIPAL_TYPES } from '../principals.ts';
import { residentsOf } from '../residents.ts';
import { KIND_TYPES, TARGET_TYPES } from '../targets.ts';

/** Something that exists, and the scope keys that it meets (cedar/entities.ts). */
export interface Known {
  readonly uid: EntityUid;
  readonly keys: readonly string[];
  /** An action is in none. */
  readonly segment: string;
}

/** A kind of call: an action, and what it is on. */
export interface Call {
  readonly action: Known;
  readonly resource: Known;
}

/** Who and what a world has. */
export interface Extent {
  readonly entities: Entities;
  readonly agents: readonly Known[];
  readonly calls: readonly Call[];
  /** The kinds of call that a scope meets. */
  callsIn(place: Place): readonly Call[];
}

export function extentOf(world: World, catalog: Catalog): Extent {
  const entities = residentsOf(world, catalog);
  const known = (type: string, id: string, segment = ''): Known => {
    const of = uid(type, id);
    return { uid: of, keys: entities.get(of)?.scopeKeys ?? scopeKeysOf(of), segment };
  };
  const agents = world.agents.map(({ name, segment }) => known('Agent', name, segment));
  const servers = world.resources.map((resource) => known(KIND_TYPES[kindOf(resource)], resource.name, resource.segment));
  const segments = new Map(servers.map((server) => [server.uid.id, server.segment]));
  const calls = [
    ...[...catalog.values()].map(({ id, type, server }) => ({
      action: known('Action', id),
      resource: known(TARGET_TYPES[type], id, segments.get(server)),
    })),
    ...[...METHODS].flatMap(([name, { on }]) => {
      const action = known('Action', name);
      return [...agents, ...servers].filter(({ uid: { type } }) => type === TARGET_TYPES[on]).map((resource) => ({ action, resource }));
    }),
  ];
  return { entities, agents, calls, callsIn: callsOf(calls) };
}

/** Many policies share what they are for. */
function callsOf(calls: readonly Call[]): Extent['callsIn'] {
  const known = new Map<string, readonly Call[]>();
  return ({ action, resource }) => {
    const key = JSON.stringify([action, resource]);
    const met = known.get(key) ?? calls.filter((call) => meets(action, call.action.keys) && meets(resource, call.resource.keys));
    known.set(key, met);
    return met;
  };
}

/** The three constraints in one form for one meaning: a policy is about agents or users alone, and what has nothing below it is only itself. */
export function placeOf({ principal, action, resource }: EstPolicy): Place {
  const who = leavesAsThemselves(constraintOf(principal, NO_SLOTS), isLeaf);
  return {
    principal: EVERYONE.some((key) => who.keys.includes(key)) ? OPEN : { keys: who.keys },
    action: actionsAsThemselves(constraintOf(action, NO_SLOTS)),
    resource: leavesAsThemselves(constraintOf(resource, NO_SLOTS), isLeaf),
  };
}

const EVERYONE = Object.values(PRINCIPAL_TYPES).map((type) => `:${type}`);
const LEAVES = [...Object.values(PRINCIPAL_TYPES), 'Tool', 'Route'].map((type) => `^${type}::"`);
const isLeaf = (key: string): boolean => LEAVES.some((type) => key.startsWith(type));

const leavesAsThemselves = (constraint: Constraint, leaf: (key: string) => boolean): Constraint => ({
  ...constraint,
  keys: constraint.keys.map((key) => (leaf(key) ? `=${key.slice(1)}` : key)),
});

const OF_CALLS: ReadonlySet<Group> = new Set([...callGroups('tool', true), ...callGroups('route', true)]);

/** Groups that no tool or route is ever in → their members. */
const CLOSED = new Map(
  GROUPS.filter((group) => !OF_CALLS.has(group)).map((group) => [
    `^${uid('Action', group).key}`,
    [...METHODS].filter(([, { groups }]) => groups.includes(group)).map(([name]) => `=${uid('Action', name).key}`),
  ]),
);
const OPEN_GROUPS = new Set(GROUPS.map((group) => `^${uid('Action', group).key}`).filter((key) => !CLOSED.has(key)));

function actionsAsThemselves(constraint: Constraint): Constraint {
  const { keys } = leavesAsThemselves(constraint, (key) => key.startsWith('^') && !OPEN_GROUPS.has(key) && !CLOSED.has(key));
  return { keys: keys.flatMap((key) => CLOSED.get(key) ?? [key]) };
}

/** The keys under which constraints stand that hold wherever one with `key` does; `also` as in the constraint. */
export function widerKeys(key: string, also: string | undefined, entities: Entities): readonly string[] {
  const of = namedBy(key);
  if (of === undefined) return ['*', key];
  const resident = entities.get(of);
  if (key.startsWith('=')) return resident?.scopeKeys ?? scopeKeysOf(of);
  const above = [...(resident?.ancestors ?? [])].map((one) => `^${one}`);
  return ['*', key, ...above, ...(also === undefined ? [] : [also])];
}

/** Does whatever meets `narrow` meet `wide`? Never a wrong yes. */
export const isWithin = (narrow: Constraint, wide: Constraint, entities: Entities): boolean =>
  narrow.keys.every((key) => meets(wide, widerKeys(key, narrow.also, entities)));

/** The entity that a scope key names. */
export function namedBy(key: string): EntityUid | undefined {
  const [, type, id] = /^[=^]([^"]*)::"(.*)$/s.exec(key) ?? [];
  return type === undefined || id === undefined ? undefined : uid(type, id);
}
