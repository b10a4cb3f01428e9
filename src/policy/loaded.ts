// A policy set after admission, as the questions of this folder share it.
import type { ApproverRole, Mode } from '../domain/access.ts';
import type { Code } from '../domain/codes.ts';
import type { Catalog } from './schema/catalog.ts';
import type { CompiledPolicy } from './cedar/compiled-policy.ts';
import { type CompiledSet, evaluate, type Outcome } from './cedar/compiled-set.ts';
import type { PolicyClause } from './clauses.ts';
import type { Facts, Parties } from './facts.ts';
import type { Oversight } from './oversight.ts';
import type { PolicyRow } from './policy-set.ts';
import { type Principal, PRINCIPAL_TYPES } from './principals.ts';

export interface Policy extends PolicyRow {
  /** Its place in the set: guardrails first. */
  readonly order: number;
  /** Scope constraints, then one for each condition of `compiled`. */
  readonly clauses: readonly PolicyClause[];
  /** What a denial by this policy is called. */
  readonly code: Code;
  readonly mode: Mode;
  readonly principal: Principal;
  /** `@approval`: what it permits or forbids waits for a person with this role. */
  readonly approval: ApproverRole | undefined;
}

export interface Loaded {
  readonly version: number;
  /** The tools against whose types the policies were validated. */
  readonly catalog: Catalog;
  /** By id, in order. */
  readonly policies: ReadonlyMap<string, Policy>;
  readonly compiled: Readonly<Record<Principal, CompiledSet>>;
  /** Is any policy in shadow? */
  readonly shadows: boolean;
  readonly oversight: Oversight;
}

/** The policies that are asked about this principal. */
export const compiledFor = ({ compiled }: Loaded, { principal }: Pick<Parties, 'principal'>): CompiledSet =>
  principal.type === PRINCIPAL_TYPES.user ? compiled.user : compiled.agent;

/** The policies that hold for a request and those that fail to evaluate, each in the order of the set. */
export interface Held {
  readonly permits: readonly Policy[];
  readonly forbids: readonly Policy[];
  readonly errors: readonly { readonly policy: Policy; readonly message: string }[];
}

/** By the compiled policies, a sample of it checked; by the official engine once that took over. */
export function heldFor(set: Loaded, facts: Facts): Held {
  if (set.oversight.failedOver) return officialHeld(set, set.oversight.official(facts));
  const outcome = evaluate(compiledFor(set, facts), facts, facts.entities);
  set.oversight.offer(facts, outcome);
  return heldOf(set, outcome);
}

/** Without the clauses that read `context` (outline.ts). */
export const heldInOutline = (set: Loaded, facts: Facts): Held =>
  heldOf(set, evaluate(compiledFor(set, facts), facts, facts.entities, 'outline'));

/** While the arguments are not known: the permits that hold whatever they are, and the forbids that may. */
export const heldUnseen = (set: Loaded, facts: Facts): Held =>
  heldOf(set, evaluate(compiledFor(set, facts), facts, facts.entities, 'unseen'));

/** Policies in shadow are not among what it was asked. */
function officialHeld(set: Loaded, { allowed, reasons, errors }: ReturnType<Oversight['official']>): Held {
  const policies = reasons.map((id) => policyIn(set, id)).toSorted((a, b) => a.order - b.order);
  return {
    permits: allowed ? policies : [],
    forbids: allowed ? [] : policies,
    errors: errors.map(({ policy, message }) => ({ policy: policyIn(set, policy), message })).toSorted(inTheirOrder),
  };
}

function heldOf(set: Loaded, { permits, forbids, errors }: Outcome): Held {
  const named = errors.map(({ policy, error }) => ({ policy: policyIn(set, policy), message: error.message }));
  return {
    permits: inOrder(set, permits),
    forbids: inOrder(set, forbids),
    errors: named.length < 2 ? named : named.toSorted(inTheirOrder),
  };
}

const inTheirOrder = (a: { readonly policy: Policy }, b: { readonly policy: Policy }): number => a.policy.order - b.policy.order;

function inOrder(set: Loaded, compiled: readonly CompiledPolicy[]): readonly Policy[] {
  const policies = compiled.map(({ id }) => policyIn(set, id));
  return policies.length < 2 ? policies : policies.toSorted((a, b) => a.order - b.order);
}

function policyIn(set: Loaded, id: string): Policy {
  const policy = set.policies.get(id);
  if (policy === undefined) throw new Error(`the policy \`${id}\` is not in the set`);
  return policy;
}

/** Without the policies that are only watched. */
export function enforced({ permits, forbids, errors }: Held): Held {
  const isEnforced = ({ mode }: Policy): boolean => mode === 'enforce';
  return {
    permits: permits.filter(isEnforced),
    forbids: forbids.filter(isEnforced),
    errors: errors.filter(({ policy }) => isEnforced(policy)),
  };
}

/** A forbid that fails to evaluate denies, where Cedar would skip it. */
export const failedForbids = ({ errors }: Held): readonly Policy[] =>
  errors.map(({ policy }) => policy).filter(({ effect }) => effect === 'forbid');

/** It decides by itself: no approval changes what it says. */
export const isFinal = ({ approval }: Policy): boolean => approval === undefined;
