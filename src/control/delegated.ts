// What hangs on an agent besides its own calls: task tokens that live and came through it, in whose hands they are now.
import { parseWorkload, trustDomainOf } from '../domain/spiffe-id.ts';
import type { Control } from './control.ts';
import { deathOf } from './oauth/engine.ts';
import type { Remembered } from './oauth/issued.ts';

/** Agents by name; those of other domains by SPIFFE ID. */
export type DelegatedView = {
  readonly tokens: number;
  readonly tasks: number;
  readonly agents: readonly string[];
  readonly complete: boolean;
};

export function delegatedThrough(control: Control, agent: string): DelegatedView {
  const found = control.tokens.issued.through(control.agentId(agent), (token) => lives(control, token), control.now());
  const nameOf = (id: (typeof found.agents)[number]): string =>
    trustDomainOf(id) === control.config.trustDomain ? parseWorkload(id).name : id;
  return { ...found, agents: found.agents.map(nameOf) };
}

/** Can its holder do anything with it? */
function lives(control: Control, { token, parents, txn, chain }: Remembered): boolean {
  if (deathOf(control, { tokens: [token, ...parents], txn, chain }) !== undefined) return false;
  const holder = chain.at(-1);
  if (holder === undefined || trustDomainOf(holder) !== control.config.trustDomain) return holder !== undefined;
  const { name, run = '' } = parseWorkload(holder);
  const { runs, world } = control.publisher.current();
  return runs.get(run)?.agent === name && world.levels.get(name) !== 'off';
}
