// What a change of policies means: every agent × action × resource whose answer is another one, and the policies that make it so.
//
//   widens    more is reached: never → may → always; or may in both, and all that changed can only allow more
//   narrows   less is reached, likewise
//   changed   may in both, under other conditions: whether that is more or less depends on arguments that are not known here
//
// Levels are of the moment, so the comparison does not go by those of now: everybody is at `normal`, and where policies read levels
// everybody is at each of the others too.
import type { Level } from '../../domain/access.ts';
import type { Agent, World } from '../../domain/registry.ts';
import { RESERVED_PREFIX } from '../guardrails.ts';
import type { PolicySet, Reach } from '../policy-set.ts';
import { Turns } from '../turns.ts';
import { askedOnce } from './alike.ts';
import { type Change, type Changed, changedIn, CHANGES, type Compared, comparing } from './compare.ts';
import { statementOf } from './policy-text.ts';
import { Touched } from './scopes.ts';
import { type Target, targetsOf, within } from './targets.ts';

export type DiffRow = {
  readonly change: Change;
  readonly agent: string;
  /** Of all agents; another one than `normal` where the change is not the same as there. */
  readonly level: Level;
  readonly action: string;
  readonly resource: string;
  /** Of the resource. */
  readonly segment: string;
  /** Does the action change nothing? */
  readonly reads: boolean;
  readonly before: Reach['access'];
  readonly after: Reach['access'];
  /** Those that came, went or say something else, and take part in the answer. */
  readonly policies: readonly string[];
};

export type PolicyDiff = {
  /** By id: policies of one set alone, and those that say something else in each. */
  readonly policies: { readonly added: readonly string[]; readonly removed: readonly string[]; readonly changed: readonly string[] };
  /** In the order of `CHANGES`, at most `limit` of each. */
  readonly rows: readonly DiffRow[];
  readonly counts: Readonly<Record<Change, number>>;
  /** By which something is allowed that was not, or may be: of all rows, also those beyond the limit. */
  readonly widening: readonly string[];
};

interface Comparison {
  readonly from: PolicySet;
  readonly to: PolicySet;
  /** What both were admitted for, `PolicySet.covers`. */
  readonly world: World;
}

/** At most `limit` rows of each change. Gives the thread back now and then. */
export async function diffOf({ from, to, world }: Comparison, limit: number): Promise<PolicyDiff> {
  const changed = await changedIn(from, to);
  const targets = targetsOf(world);
  const reachable = within(world, targets);
  const touched = new Touched([...changed.removed.values(), ...changed.added.values()], targets);
  const compare = await compareAt(readLevels([from, to]) ? LEVELS : ['normal'], { from, to, world }, changed);
  const tally = new Tally(limit);
  const turns = new Turns();
  for (const agent of world.agents) {
    for (const target of touched.by(agent.name, reachable(agent))) {
      for (const [level, compared] of compare(agent.name, target)) tally.add(agent, level, target, compared);
      await turns.next();
    }
  }
  return { policies: listed(changed), ...tally.result() };
}

/** Not `off`: there everything is denied, whatever policies say. */
const LEVELS: readonly Level[] = ['normal', 'watched', 'restricted'];

const readLevels = (sets: readonly PolicySet[]): boolean =>
  sets
    .flatMap(({ policies }) => policies)
    .some(
      (policy) => !policy.id.startsWith(RESERVED_PREFIX) && statementOf(policy).some(({ text }) => text === 'level' || text === '"level"'),
    );

/** The answer at each level; those that are as at the first one left out. */
async function compareAt(
  levels: readonly Level[],
  { from, to, world }: Comparison,
  changed: Changed,
): Promise<(agent: string, target: Target) => readonly (readonly [Level, Compared])[]> {
  const asked = levels.map(async (level) => {
    const there = { ...world, levels: new Map(world.agents.map(({ name }) => [name, level])) };
    return [level, await askedOnce([from, to], there, comparing(from, to, changed, there))] as const;
  });
  const [first, ...others] = await Promise.all(asked);
  return (agent, target) => {
    if (first === undefined) return [];
    const usual = first[1](agent, target);
    const special = others.map(([level, ask]) => [level, ask(agent, target)] as const).filter(([, compared]) => !same(compared, usual));
    return [[first[0], usual], ...special];
  };
}

const same = (one: Compared, other: Compared): boolean =>
  one === other || (one.before === other.before && one.after === other.after && one.policies.join() === other.policies.join());

function listed({ added: come, removed: gone }: Changed): PolicyDiff['policies'] {
  const [added, removed] = [[...come.keys()], [...gone.keys()]];
  return {
    added: added.filter((id) => !gone.has(id)),
    removed: removed.filter((id) => !come.has(id)),
    changed: added.filter((id) => gone.has(id)),
  };
}

class Tally {
  readonly #limit: number;
  readonly #rows: Readonly<Record<Change, DiffRow[]>> = { widens: [], narrows: [], changed: [] };
  readonly #counts = { widens: 0, narrows: 0, changed: 0 };
  readonly #widening = new Set<string>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  add({ name: agent }: Agent, level: Level, { action, id: resource, segment, reads }: Target, compared: Compared): void {
    const { change, before, after, policies, widening } = compared;
    if (change === undefined) return;
    if (this.#counts[change]++ < this.#limit) {
      this.#rows[change].push({ change, agent, level, action, resource, segment, reads, before, after, policies });
    }
    if (change !== 'narrows') for (const policy of widening) this.#widening.add(policy);
  }

  result(): Pick<PolicyDiff, 'rows' | 'counts' | 'widening'> {
    return { rows: CHANGES.flatMap((change) => this.#rows[change]), counts: this.#counts, widening: [...this.#widening].toSorted() };
  }
}
