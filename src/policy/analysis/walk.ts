// Ways from agent to agent.
import type { Reach } from '../policy-set.ts';

export type Access = Exclude<Reach['access'], 'never'>;
export type Step = readonly [agent: string, access: Access];

export interface Path {
  /** From the agent that the walk began with. */
  readonly agents: readonly string[];
  /** `always` when the start and every step is. */
  readonly access: Access;
}

/**
 * The best path to every agent that is found from `starts` along `next`: one that always holds before one that may, then the shortest.
 * Nearest first.
 */
export async function walk(starts: readonly Step[], next: (agent: string) => Promise<readonly Step[]>): Promise<readonly Path[]> {
  const found = new Map<string, Path>();
  for (const worst of ['always', 'may'] as const) {
    const fits = ([agent, access]: Step): boolean => !found.has(agent) && (access === 'always' || access === worst);
    for (const [agent] of starts.filter(fits)) found.set(agent, { agents: [agent], access: worst });
    for (let length = 1; length <= found.size; length++) {
      for (const { agents } of [...found.values()].filter((path) => path.agents.length === length)) {
        for (const [agent] of (await next(agents.at(-1) ?? '')).filter(fits))
          found.set(agent, { agents: [...agents, agent], access: worst });
      }
    }
  }
  return [...found.values()].toSorted((a, b) => a.agents.length - b.agents.length);
}
