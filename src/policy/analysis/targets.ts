// What can be asked of a world: every action on every resource. With the agents that ask, this is the finite world of all analyses.
import type { ResourceType } from '../../domain/access.ts';
import { type Agent, kindOf, type World } from '../../domain/registry.ts';
import { catalogOf } from '../schema/catalog.ts';
import { CALLS, METHODS } from '../methods.ts';
import { byName } from '../names.ts';

export interface Target {
  /** `tools/call`, `tools/list`, `a2a/SendMessage`, … */
  readonly action: string;
  readonly type: ResourceType;
  /** `ledger/pay_invoice`, `ledger` or `clerk`, as the type says. */
  readonly id: string;
  /** Of the resource. */
  readonly segment: string;
  /** Does it change nothing, as the operator or the protocol says? */
  readonly reads: boolean;
}

/** Servers with their tools, APIs with their routes and hosts outside, in the order of the world, then agents. */
export function targetsOf(world: World): readonly Target[] {
  const tools = Map.groupBy(catalogOf(world).values(), ({ server }) => server);
  return [
    ...world.resources.flatMap((resource) => {
      const { name, segment } = resource;
      const kind = kindOf(resource);
      return [
        ...(kind === 'http' ? [] : methodsOn(kind === 'mcp' ? 'mcp_server' : kind, name, segment)),
        ...(tools.get(name) ?? []).map(({ id, type, reads }): Target => ({ action: CALLS[type], type, id, segment, reads })),
      ];
    }),
    ...world.agents.flatMap(({ name, segment }) => methodsOn('agent', name, segment)),
  ];
}

const methodsOn = (type: ResourceType, id: string, segment: string): readonly Target[] =>
  [...METHODS]
    .filter(([, { on }]) => on === type)
    .map(([action, { groups }]) => ({ action, type, id, segment, reads: groups.includes('read') }));

/** Those of `things` in a segment that `agent` may call into at all: every other call is denied by a guardrail of every set. INVARIANT I9 */
export function within<T extends { readonly segment: string }>(world: World, things: readonly T[]): (agent: Agent) => readonly T[] {
  const known = new Map<string, readonly T[]>();
  return ({ segment }) => {
    const links = byName(world.segments, segment)?.links ?? [];
    const met = known.get(segment) ?? things.filter((one) => one.segment === segment || links.includes(one.segment));
    known.set(segment, met);
    return met;
  };
}
