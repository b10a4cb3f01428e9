// What a change of policies means: every agent × action × resource whose answer is another one, and the policies that make it so.
//
//   widens    more is reached: never → may → always; or may in both, and all that changed can only allow more
//   narrows   less is reached, likewise
//   changed   may in both, under other conditions: whether that is more or less depends on arguments that are not known here
//
// Policies are compared by what they say: to rename one, to move or to reformat it changes nothing.
import type { Agent, World } from '../../domain/registry.ts';
import type { PolicyRow, PolicySet, Reach } from '../policy-set.ts';
import { Turns } from '../turns.ts';
import { askedOnce } from './alike.ts';
import { statementOf } from './policy-text.ts';
import { Touched } from './scopes.ts';
import { type Target, targetsOf, within } from './targets.ts';

export const CHANGES = ['widens', 'narrows', 'changed'] as const;
export type Change = (typeof CHANGES)[number];

export type DiffRow = {
  readonly change: Change;
  readonly agent: string;
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
export async function diffOf(comparison: Comparison, limit: number): Promise<PolicyDiff> {
  const { from, to, world } = comparison;
  const changed = changedIn(from, to);
  const tally = new Tally(limit);
  const turns = new Turns();
  const targets = targetsOf(world);
  const reachable = within(world, targets);
  const touched = new Touched([...changed.removed.values(), ...changed.added.values()], targets);
  const compare = askedOnce([from, to], world, comparing(comparison, changed));
  for (const agent of world.agents) {
    for (const target of touched.by(agent.name, reachable(agent))) {
      tally.add(agent, target, compare(agent.name, target));
      await turns.next();
    }
  }
  const [added, removed] = [[...changed.added.keys()], [...changed.removed.keys()]];
  const both = added.filter((id) => removed.includes(id));
  const alone = (ids: readonly string[]): readonly string[] => ids.filter((id) => !both.includes(id));
  return { policies: { added: alone(added), removed: alone(removed), changed: both }, ...tally.result() };
}

/** Policies of one set that say what none of the other says, by id. */
interface Changed {
  readonly removed: ReadonlyMap<string, PolicyRow>;
  readonly added: ReadonlyMap<string, PolicyRow>;
}

function changedIn(from: PolicySet, to: PolicySet): Changed {
  const without = (set: PolicySet, other: PolicySet): ReadonlyMap<string, PolicyRow> => {
    const said = new Set(other.policies.map(meaningOf));
    return new Map(set.policies.filter((policy) => !said.has(meaningOf(policy))).map((policy) => [policy.id, policy]));
  };
  return { removed: without(from, to), added: without(to, from) };
}

/** Equal only for policies that say the same: annotations, comments and layout left out. */
const meaningOf = (policy: PolicyRow): string => JSON.stringify([policy.mode, ...statementOf(policy).map(({ text }) => text)]);

/** Most answers: one value for all of them. */
const UNCHANGED = { change: undefined, before: 'never', after: 'never', policies: [], widening: [] } as const;

interface Compared {
  readonly change: Change | undefined;
  readonly before: Reach['access'];
  readonly after: Reach['access'];
  readonly policies: readonly string[];
  /** Those of them that can allow more: permits that came, forbids that went. */
  readonly widening: readonly string[];
}

const RANK: Readonly<Record<Reach['access'], number>> = { never: 0, may: 1, always: 2 };

function comparing({ from, to, world }: Comparison, changed: Changed): (agent: string, target: Target) => Compared {
  return (agent, target) => {
    const [before, after] = [from.reach({ agent, ...target }, world), to.reach({ agent, ...target }, world)];
    const [gone, come] = [taking(before, changed.removed), taking(after, changed.added)];
    const more = [...come.filter(isPermit), ...gone.filter(isForbid)];
    const less = [...come.filter(isForbid), ...gone.filter(isPermit)];
    const rose = RANK[after.access] - RANK[before.access];
    const inside = before.access === 'may' ? changeInside(more.length > 0, less.length > 0) : undefined;
    const change = rose > 0 ? 'widens' : rose < 0 ? 'narrows' : inside;
    if (change === undefined) return UNCHANGED;
    return {
      change,
      before: before.access,
      after: after.access,
      policies: idsOf([...more, ...less]),
      widening: idsOf(more),
    };
  };
}

/** Those of `changed` that take part in an answer. */
const taking = ({ permits, forbids }: Reach, changed: ReadonlyMap<string, PolicyRow>): readonly PolicyRow[] =>
  [...permits, ...forbids].flatMap((id) => changed.get(id) ?? []);

/** Of an answer that is `may` before and after. */
const changeInside = (more: boolean, less: boolean): Change | undefined =>
  more && less ? 'changed' : more ? 'widens' : less ? 'narrows' : undefined;

const isPermit = ({ effect }: PolicyRow): boolean => effect === 'permit';
const isForbid = ({ effect }: PolicyRow): boolean => effect === 'forbid';
const idsOf = (policies: readonly PolicyRow[]): readonly string[] => [...new Set(policies.map(({ id }) => id))];

class Tally {
  readonly #limit: number;
  readonly #rows: Readonly<Record<Change, DiffRow[]>> = { widens: [], narrows: [], changed: [] };
  readonly #counts = { widens: 0, narrows: 0, changed: 0 };
  readonly #widening = new Set<string>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  add({ name: agent }: Agent, { action, id: resource, segment, reads }: Target, compared: Compared): void {
    const { change, before, after, policies, widening } = compared;
    if (change === undefined) return;
    if (this.#counts[change]++ < this.#limit) {
      this.#rows[change].push({ change, agent, action, resource, segment, reads, before, after, policies });
    }
    if (change !== 'narrows') for (const policy of widening) this.#widening.add(policy);
  }

  result(): Pick<PolicyDiff, 'rows' | 'counts' | 'widening'> {
    return { rows: CHANGES.flatMap((change) => this.#rows[change]), counts: this.#counts, widening: [...this.#widening].toSorted() };
  }
}
