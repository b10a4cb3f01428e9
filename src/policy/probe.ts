// Which clauses of some policies hold for one request, found by asking the engine permits made of their clauses (see explain.ts).
import type { ClauseState } from '../domain/access.ts';
import { isScope, permitOf } from './clauses.ts';
import { type Answer, erroring, type PolicyTexts } from './engine.ts';
import type { Facts } from './facts.ts';
import { type Loaded, type Policy, SETS } from './loaded.ts';

/** The states of the clauses of one policy, in their order. */
export type States = readonly ClauseState[];

/** Policies whose conditions are asked for one explanation; of others only the scope is known. */
const MAX_ASKED = 50;

/** @throws Error when the engine fails */
export function statesOf(set: Loaded, policies: readonly Policy[], facts: Facts): ReadonlyMap<string, States> {
  const scope = stateIn(askScopes(set, facts));
  const inScope = policies.filter((policy) => policy.clauses.every((clause, at) => !isScope(clause) || scope(key(policy, at)) === 'held'));
  const asked = inScope.slice(0, MAX_ASKED);
  const condition = asked.length === 0 ? () => 'not_reached' as const : stateIn(askConditions(set, asked, facts));
  const askedIds = new Set(asked.map(({ id }) => id));
  return new Map(policies.map((policy) => [policy.id, states(policy, scope, askedIds.has(policy.id) ? condition : () => 'not_reached')]));
}

type StateOf = (probe: string) => ClauseState;

function states(policy: Policy, scope: StateOf, condition: StateOf): States {
  let stopped = false; // a longer prefix than one that failed says nothing about its last clause
  return policy.clauses.map((clause, at) => {
    if (isScope(clause)) return scope(key(policy, at));
    const state = stopped ? 'not_reached' : condition(key(policy, at));
    stopped ||= state !== 'held';
    return state;
  });
}

const key = ({ id }: Policy, clause: number): string => `${clause} ${id}`;

function stateIn(answer: Answer): StateOf {
  const held = new Set(answer.reasons);
  const failed = new Set(erroring(answer));
  return (probe) => (held.has(probe) ? 'held' : failed.has(probe) ? 'error' : 'failed');
}

/** Every scope constraint of the set, each by itself; parsed at the first explanation. */
function askScopes(set: Loaded, facts: Facts): Answer {
  if (!set.engine.isPrepared(SETS.scopes)) {
    const all = [...set.policies.values()].flatMap((policy) =>
      policy.clauses.flatMap((clause, at) => (isScope(clause) ? [[key(policy, at), permitOf([clause])] as const] : [])),
    );
    set.engine.prepare(SETS.scopes, Object.fromEntries(all));
  }
  return set.engine.ask(SETS.scopes, facts);
}

/** The conditions of these policies in prefixes, behind their whole scope. */
function askConditions(set: Loaded, policies: readonly Policy[], facts: Facts): Answer {
  const texts: Record<string, string> = {};
  for (const policy of policies) {
    for (const [at, clause] of policy.clauses.entries())
      if (!isScope(clause)) texts[key(policy, at)] = permitOf(policy.clauses.slice(0, at + 1));
  }
  set.engine.prepare(SETS.conditions, texts satisfies PolicyTexts);
  return set.engine.ask(SETS.conditions, facts);
}
