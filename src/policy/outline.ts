// The outline of a policy set: what can be said about a request before its arguments are known.
//
//   forbid   is in it exactly as written if no clause reads `context`, and not at all otherwise
//   permit   is in it without the clauses that read `context`
//
// What a person may approve (`@approval`) keeps nothing out of sight.
//
// Why what the outline denies is denied for all arguments. The value of an expression without `context` does not depend on the
// arguments. (1) A forbid of the outline that holds, holds whatever they are; one that errors, errors whatever they are, and `decide`
// then denies too. (2) If a permit holds for some arguments, all its clauses are true, so the kept ones are: it holds in the outline.
// The other direction is not claimed: forbids that read arguments are left out, so a visible tool may still be denied every time.
import type { Delegation } from '../domain/access.ts';
import { Refusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import { catalogOf, isCovered } from './schema/catalog.ts';
import { asUser, type Parties, partiesOf, type Wanted, withoutArguments } from './facts.ts';
import { enforced, failedForbids, type Held, heldInOutline, isFinal, type Loaded } from './loaded.ts';
import { CALLS } from './methods.ts';
import { byName } from './names.ts';

/** Of the policies that are enforced. */
export const outlineIn = (set: Loaded, parties: Parties): Held => enforced(heldInOutline(set, withoutArguments(parties)));

/** @see PolicySet.visibleTools */
export function visibleTools(
  set: Loaded,
  agent: string,
  resource: string,
  world: World,
  delegation: Delegation | undefined,
): readonly string[] {
  try {
    const tools = (world.tools.get(resource) ?? []).map(({ name }) => name);
    const type = byName(world.resources, resource)?.kind === 'http' ? 'route' : 'tool';
    const of = { agent, action: CALLS[type], type } as const;
    return tools.filter((name) => isVisible(set, { ...of, id: `${resource}/${name}` }, world, delegation));
  } catch {
    return []; // INVARIANT I1: an unknown agent or resource, or an engine that failed, shows nothing
  }
}

function isVisible(set: Loaded, wanted: Wanted, world: World, delegation: Delegation | undefined): boolean {
  const catalog = catalogOf(world);
  const input = catalog.get(wanted.id)?.input;
  if (input === undefined || input instanceof Refusal || !isCovered(set.catalog, catalog, wanted.id)) return false;
  const parties = partiesOf(wanted, world, catalog);
  return isOpen(set, parties) && (delegation?.user === undefined || isOpen(set, asUser(parties, delegation)));
}

function isOpen(set: Loaded, parties: Parties): boolean {
  const held = outlineIn(set, parties);
  return held.permits.length > 0 && !held.forbids.some(isFinal) && failedForbids(held).length === 0;
}
