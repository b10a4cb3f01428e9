// Ways from agent to agent.
import type { Reach } from '../policy-set.ts';

export type Access = Exclude<Reach['access'], 'never'>;

/** For each agent those that it may ask, or that may ask it. */
export type Edges = ReadonlyMap<string, readonly (readonly [agent: string, access: Access])[]>;

export interface Path {
  /** From the agent that the walk began with. */
  readonly agents: readonly string[];
  /** `always` when every step is. */
  readonly access: Access;
}

/** The best path to every agent that is found from `starts`: one that always holds before one that may, then the shortest. Nearest first. */
export function walk(starts: readonly (readonly [agent: string, access: Access])[], edges: Edges): readonly Path[] {
  const found = new Map<string, Path>();
  for (const worst of ['always', 'may'] as const) {
    const allowed = ([, access]: readonly [string, Access]): boolean => access === 'always' || access === worst;
    for (const [agent] of starts.filter(allowed)) if (!found.has(agent)) found.set(agent, { agents: [agent], access: worst });
    for (let length = 1, ends = endsOf(found, length); length <= found.size; ends = endsOf(found, ++length)) {
      for (const [agent, { agents }] of ends) {
        for (const [next] of (edges.get(agent) ?? []).filter(allowed)) {
          if (!found.has(next)) found.set(next, { agents: [...agents, next], access: worst });
        }
      }
    }
  }
  return [...found.values()].toSorted((a, b) => a.agents.length - b.agents.length);
}

const endsOf = (found: ReadonlyMap<string, Path>, length: number): readonly (readonly [string, Path])[] =>
  [...found].filter(([, { agents }]) => agents.length === length);

export function reversed(edges: Edges): Edges {
  const back = new Map<string, (readonly [string, Access])[]>();
  for (const [from, list] of edges) for (const [to, access] of list) back.set(to, [...(back.get(to) ?? []), [from, access]]);
  return back;
}

/** The same without some agents. */
export const without = (edges: Edges, agents: ReadonlySet<string>): Edges =>
  new Map([...edges].filter(([from]) => !agents.has(from)).map(([from, list]) => [from, list.filter(([to]) => !agents.has(to))]));

/** `always` when every step of the way is. */
export function accessOf(path: readonly string[], edges: Edges): Access {
  const isAlways = (from: string, to: string): boolean =>
    edges.get(from)?.some(([next, access]) => next === to && access === 'always') ?? false;
  return path.every((from, at) => at === path.length - 1 || isAlways(from, path[at + 1] ?? '')) ? 'always' : 'may';
}
