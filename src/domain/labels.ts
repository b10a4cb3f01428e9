// Labels of what a resource gives: `confidential: [read_customer]` in cordon.yaml. They say of an answer what policy cannot see in it.
import type { AccessRequest } from './access.ts';
import { SESSION_ACTIONS } from './mandate.ts';
import type { World } from './registry.ts';

/** Stands for every tool or route of a resource, and whatever else it gives. */
export const EVERYTHING = '*';

/** Every label that anything has, sorted. */
export function allLabels(world: World): readonly string[] {
  const known = ofWorlds.get(world) ?? [...new Set(world.resources.flatMap(({ labels = {} }) => Object.keys(labels)))].sort();
  ofWorlds.set(world, known);
  return known;
}

const ofWorlds = new WeakMap<World, readonly string[]>();

/**
 * The labels of what a call gives. Which tools a prompt or resource of a server draws on is not known, so that it has them all; a list has none,
 * and a stream for what the server says by itself, which clients open before they ask for anything, those of everything.
 */
export function labelsOf(world: World, { action, resource: { type, id } }: AccessRequest): readonly string[] {
  if (allLabels(world).length === 0 || type === 'agent') return [];
  if (type === 'mcp_server' && SESSION_ACTIONS.has(action.name)) return [];
  const isPart = type === 'tool' || type === 'route';
  const slash = id.indexOf('/');
  const [owner, part] = isPart ? [id.slice(0, slash), id.slice(slash + 1)] : [id, action.name === LISTEN ? EVERYTHING : undefined];
  const labels = world.resources.find(({ name }) => name === owner)?.labels ?? {};
  return Object.entries(labels).flatMap(([label, parts]) =>
    part === undefined || parts.includes(part) || parts.includes(EVERYTHING) ? [label] : [],
  );
}

const LISTEN = 'subscriptions/listen';
