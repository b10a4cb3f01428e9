// Why a decision came out as it did (UX reference J4). Cedar names the policies that decided, and nothing on a default deny; so the
// permits are asked again, in permits of our own making:
//
//   scope        each constraint by itself. It cannot fail to evaluate, so a permit that is for another agent still counts as near.
//   conditions   of permits whose scope holds, in prefixes (c1, c1 && c2, …): a clause alone would fail where the one before it
//                guards it with `has`. The longest prefix that holds ends before the clause that stopped the policy.
import type { AccessRequest, Clause, ClauseState, DeterminingPolicy, Explanation, NearestPermit } from '../domain/access.ts';
import { Refusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import { catalogOf } from './catalog.ts';
import { isScope, type PolicyClause } from './clauses.ts';
import { decide, readArguments } from './decide.ts';
import { type Facts, partiesOf, wantedOf, withoutArguments } from './facts.ts';
import type { Loaded, Policy } from './loaded.ts';
import { observedIn, observedScope } from './observe.ts';
import { type States, statesOf } from './probe.ts';

const NEAREST = 3;

/** @see PolicySet.explain */
export function explain(set: Loaded, request: AccessRequest, world: World): Explanation {
  const { code, verdict, determining } = decide(set, request, world);
  const ids = new Set(determining);
  const deciding = [...set.policies.values()].filter(({ id }) => ids.has(id));
  if (deciding.length > 0) {
    const facts = knownFacts(request, world);
    // a policy that holds holds in every clause; where one failed to evaluate has to be asked
    const states = verdict === 'error' ? statesOf(set, deciding, facts) : undefined;
    return {
      determining: deciding.map((policy) => determiningPolicy(set, policy, facts, states?.get(policy.id))),
      nearest: [],
    };
  }
  const unmatched = code === 'CORDON-3001' || code === 'CORDON-3005';
  return { determining: [], nearest: unmatched ? nearestPermits(set, knownFacts(request, world)) : [] };
}

function knownFacts(request: AccessRequest, world: World): Facts {
  const parties = partiesOf(wantedOf(request), world, catalogOf(world));
  const facts = readArguments(parties, request);
  return facts instanceof Refusal ? withoutArguments(parties) : facts;
}

function determiningPolicy(set: Loaded, policy: Policy, facts: Facts, states: States | undefined): DeterminingPolicy {
  const { id, effect, source, annotations } = policy;
  return {
    policy: id,
    effect,
    source,
    annotations,
    clauses: clausesOf(set, policy, states ?? policy.clauses.map(() => 'held' as const), facts),
  };
}

/** The permits that came closest: most clauses held (an open scope holds too), then fewest missing, then the order of the set. */
function nearestPermits(set: Loaded, facts: Facts): readonly NearestPermit[] {
  const permits = [...set.policies.values()].filter(({ effect }) => effect === 'permit');
  const states = statesOf(set, permits, facts);
  const near = permits.flatMap((policy) => nearness(policy, states.get(policy.id) ?? []));
  near.sort((a, b) => b.score - a.score || a.missing - b.missing);
  return near.slice(0, NEAREST).map(({ policy, states: its, failed, held }) => {
    const { id, source, annotations } = policy;
    const clauses = clausesOf(set, policy, its, facts);
    const { clause: failedClause = '', observed } = clauses[failed] ?? {};
    const saw = observed === undefined ? {} : { observed };
    return { policy: id, held, total: clauses.length, failedClause, ...saw, clauses, source, annotations };
  });
}

interface Nearness {
  readonly policy: Policy;
  readonly states: States;
  /** Index of the clause that stopped it. */
  readonly failed: number;
  readonly held: number;
  readonly missing: number;
  readonly score: number;
}

/** None for a permit that shares nothing with the request, or whose conditions were not asked. */
function nearness(policy: Policy, states: States): readonly Nearness[] {
  const failed = states.findIndex((state) => state === 'failed' || state === 'error');
  const held = states.filter((state) => state === 'held').length;
  const clause = policy.clauses[failed];
  if (clause === undefined || (held === 0 && isScope(clause))) return [];
  return [{ policy, states, failed, held, missing: states.length - held, score: held - policy.clauses.filter(isScope).length }];
}

const clausesOf = (set: Loaded, { id, clauses }: Policy, states: readonly ClauseState[], facts: Facts): readonly Clause[] =>
  clauses.map((clause, at) => {
    const state = states[at] ?? 'not_reached';
    const saw = state === 'not_reached' ? '' : observedBy(set, clause, facts);
    return { policy: id, clause: clause.text, state, ...(saw === '' ? {} : { observed: saw }) };
  });

function observedBy(set: Loaded, clause: PolicyClause, facts: Facts): string {
  const { kind } = clause;
  return kind === 'when' || kind === 'unless' ? observedIn(set.engine, clause, facts) : observedScope(kind, facts);
}
