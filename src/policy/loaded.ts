// A policy set after admission, as the questions of this folder share it.
import type { Code } from '../domain/codes.ts';
import type { Catalog } from './catalog.ts';
import type { PolicyClause } from './clauses.ts';
import type { Engine } from './engine.ts';
import type { PolicyRow } from './policy-set.ts';

export interface Policy extends PolicyRow {
  /** Exactly this policy, as written. */
  readonly text: string;
  readonly clauses: readonly PolicyClause[];
  /** What a denial by this policy is called. */
  readonly code: Code;
}

export interface Loaded {
  readonly engine: Engine;
  readonly version: number;
  /** The tools against whose types the policies were validated. */
  readonly catalog: Catalog;
  /** By id, guardrails first: the order in which several forbids are named. */
  readonly policies: ReadonlyMap<string, Policy>;
}

/** The sets that the engine keeps for one policy set. */
export const SETS = { policies: 'policies', outline: 'outline', scopes: 'scopes', conditions: 'conditions' } as const;

/** Of these ids, the policies with this effect, in the order of the set. */
export function withEffect(set: Loaded, ids: readonly string[], effect: Policy['effect']): readonly Policy[] {
  const wanted = new Set(ids);
  return [...set.policies.values()].filter((policy) => policy.effect === effect && wanted.has(policy.id));
}
