// What an agent may do whatever, or depending on, what it sends: the question of every analysis. Unknown context counts as `may`.
//
//   never    a forbid that reads no context holds, or no permit can hold
//   always   a permit that reads no context holds, and no forbid can
//   may      it depends on the arguments, or a person is asked
import { Refusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import { catalogOf, isCovered } from './schema/catalog.ts';
import { type Facts, partiesOf, type Wanted, withoutArguments } from './facts.ts';
import { compiledFor, failedForbids, heldInOutline, isFinal, type Loaded, type Policy } from './loaded.ts';
import type { Reach } from './policy-set.ts';

const NEVER: Reach = { access: 'never', permits: [], forbids: [] };

/** @see PolicySet.reach */
export function reach(set: Loaded, wanted: Wanted, world: World): Reach {
  const facts = knownFacts(set, wanted, world);
  if (facts === undefined) return NEVER;
  const certain = heldInOutline(set, facts);
  const permits = certain.permits.filter(isEnforced);
  const forbids = [...certain.forbids.filter(isFinal), ...failedForbids(certain)].filter(isEnforced);
  if (forbids.length > 0 || permits.length === 0) return { access: 'never', permits: idsOf(permits), forbids: idsOf(forbids) };
  const possible = [...certain.forbids.filter((policy) => isEnforced(policy) && !isFinal(policy)), ...possibleForbids(set, facts)];
  const always =
    possible.length === 0 && permits.some((policy) => isFinal(policy) && set.compiled.agent.get(policy.id)?.shape.readsContext === false);
  return { access: always ? 'always' : 'may', permits: idsOf(permits), forbids: idsOf(possible) };
}

function knownFacts(set: Loaded, wanted: Wanted, world: World): Facts | undefined {
  try {
    const catalog = catalogOf(world);
    const parties = partiesOf(wanted, world, catalog);
    return parties.input instanceof Refusal || !isCovered(set.catalog, catalog, wanted.id) ? undefined : withoutArguments(parties);
  } catch (error) {
    if (error instanceof Refusal) return undefined; // what is not registered is not reached
    throw error;
  }
}

/** The forbids that hold for some arguments, as far as can be told without any. */
function possibleForbids(set: Loaded, facts: Facts): readonly Policy[] {
  const candidates = compiledFor(set, facts)
    .candidates(facts, facts.entities)
    .filter(({ effect, shape }) => effect === 'forbid' && shape.readsContext);
  return candidates.flatMap(({ id, shape, constants }) => {
    const policy = set.policies.get(id);
    return policy === undefined || !isEnforced(policy) || !mayHold(() => shape.outline(facts, constants)) ? [] : [policy];
  });
}

/** One that fails to evaluate denies, so it may. */
function mayHold(outline: () => boolean): boolean {
  try {
    return outline();
  } catch {
    return true;
  }
}

const isEnforced = ({ mode }: Policy): boolean => mode === 'enforce';
const idsOf = (policies: readonly Policy[]): readonly string[] => policies.map(({ id }) => id);
