// Which clauses of a policy hold for one request, in the order of evaluation: what follows the clause that stopped it was not reached.
import type { ClauseState } from '../domain/access.ts';
import type { CompiledPolicy } from './cedar/compiled-policy.ts';
import { evaluationError, scopeKeysIn } from './cedar/compiled-set.ts';
import { meets } from './cedar/scope.ts';
import { isScope } from './clauses.ts';
import type { Facts } from './facts.ts';
import type { Policy } from './loaded.ts';

/** The states of the clauses of one policy, in their order. */
export type States = readonly ClauseState[];

/** The conditions are looked at only if the whole scope holds. */
export function statesOf(policy: Policy, compiled: CompiledPolicy, facts: Facts): States {
  const scope = policy.clauses
    .filter(isScope)
    .map(({ kind }): ClauseState => (meets(compiled[kind], scopeKeysIn(facts.entities, facts[kind])) ? 'held' : 'failed'));
  const conditions: ClauseState[] = [];
  let stopped = scope.includes('failed');
  for (const condition of compiled.shape.conditions) {
    const state = stopped ? 'not_reached' : stateOf(() => condition.holds(facts, compiled.constants));
    stopped ||= state !== 'held';
    conditions.push(state);
  }
  return [...scope, ...conditions];
}

function stateOf(holds: () => boolean): ClauseState {
  try {
    return holds() ? 'held' : 'failed';
  } catch (error) {
    evaluationError(error); // anything else is no answer
    return 'error';
  }
}
