// Why a decision came out as it did (UX reference J4). Cedar names the policies that decided, and nothing on a default deny; so the
// permits are looked at again, clause by clause:
//
//   scope        each constraint by itself. It cannot fail to evaluate, so a permit that is for another agent still counts as near.
//   conditions   of permits whose scope holds, up to the one that stopped the policy.
import type { AccessRequest, Clause, DeterminingPolicy, Explanation, NearestPermit } from '../domain/access.ts';
import { Refusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import { catalogOf } from './schema/catalog.ts';
import type { CompiledPolicy } from './cedar/compiled-policy.ts';
import { statesOf, type States } from './clause-states.ts';
import { isScope } from './clauses.ts';
import { decide, readArguments } from './decide.ts';
import { type Facts, partiesFor, withoutArguments } from './facts.ts';
import { compiledFor, type Loaded, type Policy } from './loaded.ts';
import { observedIn, observedScope } from './observe.ts';
import type { PolicyTrace } from './policy-set.ts';
import type { Principal } from './principals.ts';

const NEAREST = 3;

/** @see PolicySet.explain */
export function explain(set: Loaded, request: AccessRequest, world: World, principal: Principal): Explanation {
  const { code, determining } = decide(set, request, world, principal);
  if (determining.length > 0) {
    const facts = knownFacts(request, world, principal);
    return { determining: determining.map((id) => determiningPolicy(set, id, facts)), nearest: [] };
  }
  const unmatched = code === 'CORDON-3001' || code === 'CORDON-3005';
  return { determining: [], nearest: unmatched ? nearestPermits(set, knownFacts(request, world, principal), principal) : [] };
}

function knownFacts(request: AccessRequest, world: World, principal: Principal): Facts {
  const parties = partiesFor(request, principal, world, catalogOf(world));
  const facts = readArguments(parties, request, world);
  return facts instanceof Refusal ? withoutArguments(parties) : facts;
}

/** @see PolicySet.trace */
export function trace(set: Loaded, request: AccessRequest, world: World, principal: Principal): readonly PolicyTrace[] {
  try {
    const facts = knownFacts(request, world, principal);
    return compiledFor(set, facts)
      .candidates(facts, facts.entities)
      .map(({ id, effect }) => {
        const looked = lookAt(set, id, facts);
        return { policy: id, effect, clauses: clausesOf(looked, facts) };
      });
  } catch (error) {
    if (error instanceof Refusal) return [];
    throw error;
  }
}

interface Looked {
  readonly policy: Policy;
  readonly compiled: CompiledPolicy;
  readonly states: States;
}

function lookAt(set: Loaded, id: string, facts: Facts): Looked {
  const policy = set.policies.get(id);
  const compiled = policy && set.compiled[policy.principal].get(id);
  if (policy === undefined || compiled === undefined) throw new Error(`the policy \`${id}\` is not in the set`);
  return { policy, compiled, states: statesOf(policy, compiled, facts) };
}

function determiningPolicy(set: Loaded, id: string, facts: Facts): DeterminingPolicy {
  const looked = lookAt(set, id, facts);
  const { effect, source, annotations } = looked.policy;
  return { policy: id, effect, source, annotations, clauses: clausesOf(looked, facts) };
}

/** The permits that came closest: most clauses held (an open scope holds too), then fewest missing, then the order of the set. */
function nearestPermits(set: Loaded, facts: Facts, principal: Principal): readonly NearestPermit[] {
  const near = [...set.policies.values()]
    .filter((policy) => policy.effect === 'permit' && policy.mode === 'enforce' && policy.principal === principal)
    .flatMap(({ id }) => nearness(lookAt(set, id, facts)));
  near.sort((a, b) => b.score - a.score || a.missing - b.missing);
  return near.slice(0, NEAREST).map(({ looked, failed, held }) => {
    const { id, source, annotations } = looked.policy;
    const clauses = clausesOf(looked, facts);
    const { clause: failedClause = '', observed } = clauses[failed] ?? {};
    const saw = observed === undefined ? {} : { observed };
    return { policy: id, held, total: clauses.length, failedClause, ...saw, clauses, source, annotations };
  });
}

interface Nearness {
  readonly looked: Looked;
  /** Index of the clause that stopped it. */
  readonly failed: number;
  readonly held: number;
  readonly missing: number;
  readonly score: number;
}

/** None for a permit that shares nothing with the request. */
function nearness(looked: Looked): readonly Nearness[] {
  const { policy, states } = looked;
  const failed = states.findIndex((state) => state === 'failed' || state === 'error');
  const held = states.filter((state) => state === 'held').length;
  const clause = policy.clauses[failed];
  if (clause === undefined || (held === 0 && isScope(clause))) return [];
  return [{ looked, failed, held, missing: states.length - held, score: held - policy.clauses.filter(isScope).length }];
}

function clausesOf({ policy, compiled, states }: Looked, facts: Facts): readonly Clause[] {
  const conditions = [...compiled.shape.conditions];
  return policy.clauses.map((clause, at) => {
    const state = states[at] ?? 'not_reached';
    const condition = isScope(clause) ? undefined : conditions.shift();
    const { kind, text } = clause;
    const saw = (): string => {
      if (kind !== 'when' && kind !== 'unless') return observedScope(kind, facts);
      return condition === undefined ? '' : observedIn(condition.body, compiled.constants, facts);
    };
    const observed = state === 'not_reached' ? '' : saw();
    return { policy: policy.id, clause: text, state, ...(observed === '' ? {} : { observed }) };
  });
}
