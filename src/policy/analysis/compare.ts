// One answer under two policy sets. Policies are compared by what they say: to rename one, to move or to reformat it changes nothing.
import type { World } from '../../domain/registry.ts';
import type { PolicyRow, PolicySet, Reach } from '../policy-set.ts';
import { Turns } from '../turns.ts';
import { statementOf } from './policy-text.ts';
import type { Target } from './targets.ts';

/** What became of an answer. The order is that in which people want to know. */
export const CHANGES = ['widens', 'narrows', 'changed'] as const;
export type Change = (typeof CHANGES)[number];

/** Policies of one set that say what none of the other says, by id. */
export interface Changed {
  readonly removed: ReadonlyMap<string, PolicyRow>;
  readonly added: ReadonlyMap<string, PolicyRow>;
}

export async function changedIn(from: PolicySet, to: PolicySet): Promise<Changed> {
  const turns = new Turns();
  const [before, after] = [await meaningsOf(from, turns), await meaningsOf(to, turns)];
  const without = (own: Meanings, other: Meanings): ReadonlyMap<string, PolicyRow> =>
    new Map([...own].filter(([meaning]) => !other.has(meaning)).flatMap(([, policies]) => policies.map((policy) => [policy.id, policy])));
  return { removed: without(before, after), added: without(after, before) };
}

/** What policies say → those that say it: annotations, comments and layout left out. */
type Meanings = ReadonlyMap<string, readonly PolicyRow[]>;

async function meaningsOf({ policies }: PolicySet, turns: Turns): Promise<Meanings> {
  const meanings = new Map<string, PolicyRow[]>();
  for (const policy of policies) {
    const meaning = JSON.stringify([policy.mode, ...statementOf(policy).map(({ text }) => text)]);
    const known = meanings.get(meaning);
    if (known === undefined) meanings.set(meaning, [policy]);
    else known.push(policy);
    await turns.next();
  }
  return meanings;
}

export interface Compared {
  readonly change: Change | undefined;
  readonly before: Reach['access'];
  readonly after: Reach['access'];
  /** Those that came, went or say something else, and take part in the answer. */
  readonly policies: readonly string[];
  /** Those of them that can allow more: permits that came, forbids that went. */
  readonly widening: readonly string[];
}

/** Most answers: one value for all of them. */
const UNCHANGED: Compared = { change: undefined, before: 'never', after: 'never', policies: [], widening: [] };

const RANK: Readonly<Record<Reach['access'], number>> = { never: 0, may: 1, always: 2 };

/** Compares the answers of two sets that both cover `world`. */
export const comparing =
  (from: PolicySet, to: PolicySet, changed: Changed, world: World) =>
  (agent: string, target: Target): Compared => {
    const [before, after] = [from.reach({ agent, ...target }, world), to.reach({ agent, ...target }, world)];
    const [gone, come] = [taking(before, changed.removed), taking(after, changed.added)];
    const more = [...come.filter(isPermit), ...gone.filter(isForbid)];
    const less = [...come.filter(isForbid), ...gone.filter(isPermit)];
    const rose = RANK[after.access] - RANK[before.access];
    const inside = before.access === 'may' ? changeInside(more.length > 0, less.length > 0) : undefined;
    const change = rose > 0 ? 'widens' : rose < 0 ? 'narrows' : inside;
    if (change === undefined) return UNCHANGED;
    return { change, before: before.access, after: after.access, policies: idsOf([...more, ...less]), widening: idsOf(more) };
  };

/** Those of `changed` that take part in an answer. */
const taking = ({ permits, forbids }: Reach, changed: ReadonlyMap<string, PolicyRow>): readonly PolicyRow[] =>
  [...permits, ...forbids].flatMap((id) => changed.get(id) ?? []);

/** Of an answer that is `may` before and after. */
const changeInside = (more: boolean, less: boolean): Change | undefined =>
  more && less ? 'changed' : more ? 'widens' : less ? 'narrows' : undefined;

const isPermit = ({ effect }: PolicyRow): boolean => effect === 'permit';
const isForbid = ({ effect }: PolicyRow): boolean => effect === 'forbid';
const idsOf = (policies: readonly PolicyRow[]): readonly string[] => [...new Set(policies.map(({ id }) => id))];
