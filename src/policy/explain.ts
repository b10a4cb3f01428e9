// Why a decision came out as it did (UX reference J4). Cedar names the policies that decided, but nothing on a default deny; there
// each permit is asked again in prefixes (c1, c1 && c2, …), for a clause alone may fail only because the one before it guards it with
// `has`. Scope constraints cannot fail to evaluate, so each is asked by itself and a permit for another agent still counts as near.
//
// All prefixes of all policies are one pre-parsed set of permits: one question to the engine returns every prefix that holds.
import type { AccessRequest, Clause, ClauseState, Decision, DeterminingPolicy, Explanation, NearestPermit } from '../domain/access.ts';
import type { World } from '../domain/registry.ts';
import { catalogOf } from './catalog.ts';
import { isScope, permitOf, type PolicyClause } from './clauses.ts';
import { decide } from './decide.ts';
import { erroring, type PolicyTexts } from './engine.ts';
import { type Facts, factsOf, partiesOf, wantedOf } from './facts.ts';
import { type Loaded, type Policy, SETS, withEffect } from './loaded.ts';
import { observed, observedScope } from './observe.ts';

const NEAREST = 3;
/** Clauses of one policy told apart; those beyond are never reached. */
const MAX_CLAUSES = 48;

/** @see PolicySet.explain */
export function explain(set: Loaded, request: AccessRequest, world: World): Explanation {
  const decision = decide(set, request, world);
  if (decision.determining.length > 0) return { determining: determiningOf(set, decision, factsOf(set, request, world)), nearest: [] };
}
