// A set of policies ready to decide: each compiled, found by its scope, and evaluated alone. The answer is Cedar's: a forbid that holds
// denies, else a permit that holds allows, else it is denied; a policy that fails to evaluate is skipped and named.
import { booleanIn, compile, type Environment, type Test } from './compile.ts';
import { type EntityView, scopeKeysOf } from './entities.ts';
import type { EstPolicy } from './est.ts';
import { EvaluationError } from './evaluation-error.ts';
import { expressionOf, readsContext } from './expression.ts';
import type { CompiledPolicy, Condition, Shape } from './compiled-policy.ts';
import { narrowed } from './hoist.ts';
import { type Constraint, constraintOf, NO_SLOTS, type Slots } from './scope.ts';
import { ScopeIndex } from './scope-index.ts';
import { TripleCache } from './triple-cache.ts';
import type { CedarRecord, EntityUid, Value } from './value.ts';

export interface Request {
  readonly principal: EntityUid;
  readonly action: EntityUid;
  readonly resource: EntityUid;
  readonly context: CedarRecord;
}

export interface Answer {
  readonly allowed: boolean;
  /** Ids of the policies that decided. */
  readonly reasons: readonly string[];
  readonly errors: readonly PolicyError[];
}

export interface PolicyError {
  readonly policy: string;
  readonly error: EvaluationError;
}

type ParsedCondition = Pick<Condition, 'kind' | 'body'>;

export class CompiledSet {
  readonly #policies = new Map<string, CompiledPolicy>();
  readonly #index = new ScopeIndex<CompiledPolicy>();
  readonly #shapes = new Map<string, Shape>();
  readonly #found = new TripleCache<readonly string[], readonly CompiledPolicy[]>();

  get size(): number {
    return this.#policies.size;
  }

  get(id: string): CompiledPolicy | undefined {
    return this.#policies.get(id);
  }

  /** @throws Error when the id is taken or the policy is not Cedar 4.5 */
  add(id: string, est: EstPolicy): void {
    this.addLinked(id, est, NO_SLOTS);
  }

  /** A template with its slots filled. @throws Error as `add`, and for a slot without a value */
  addLinked(id: string, est: EstPolicy, slots: Slots): void {
    if (this.#policies.has(id)) throw new Error(`two policies are called \`${id}\``);
    const constants: Value[] = [];
    const parsed = est.conditions.map(({ kind, body }) => ({ kind, body: expressionOf(body, constants) }));
    const [principal, action, resource] = [est.principal, est.action, est.resource].map((scope) => constraintOf(scope, slots));
    if (principal === undefined || action === undefined || resource === undefined) throw new Error('a policy has three constraints');
    const policy = { id, effect: est.effect, principal, action, resource, shape: this.#shapeOf(parsed), constants };
    this.#policies.set(id, policy);
    this.#index.add(policy, narrowed(policy));
    this.#found.clear();
  }

  remove(id: string): void {
    const policy = this.#policies.get(id);
    if (policy === undefined) return;
    this.#policies.delete(id);
    this.#index.remove(policy, narrowed(policy));
    this.#found.clear();
  }

  /** The policies whose scope holds for the request, each once. What was found for stored entities is remembered. */
  candidates({ principal, action, resource }: Omit<Request, 'context'>, entities: EntityView): readonly CompiledPolicy[] {
    const [one, two, three] = [scopeKeysIn(entities, principal), scopeKeysIn(entities, action), scopeKeysIn(entities, resource)];
    const known = this.#found.get(one, two, three);
    if (known !== undefined) return known;
    const found = this.#index.find(one, two, three).filter((policy) => fits(policy.principal, one) && fits(policy.resource, three));
    this.#found.set(one, two, three, found);
    return found;
  }

  #shapeOf(parsed: readonly ParsedCondition[]): Shape {
    const key = JSON.stringify(parsed); // constants are not in it, so equal texts are equal expressions
    const known = this.#shapes.get(key);
    if (known !== undefined) return known;
    const conditions = parsed.map((one) => ({ ...one, holds: testOf(one), readsContext: readsContext(one.body) }));
    const shape = {
      conditions,
      holds: conjunction(conditions),
      outline: conjunction(conditions.filter((condition) => !condition.readsContext)),
      readsContext: conditions.some((condition) => condition.readsContext),
    };
    this.#shapes.set(key, shape);
    return shape;
  }
}

/** What the policies of a set say of one request, before Cedar's rule makes an answer of it. */
export interface Outcome {
  readonly permits: readonly CompiledPolicy[];
  readonly forbids: readonly CompiledPolicy[];
  readonly errors: readonly PolicyError[];
}

/**
 * `whole`: the policies as they are. `outline`: permits without the conditions that read `context`, and of the forbids only those that
 * never do: what can be said while the context is not known. `unseen`: permits that never read `context`, and forbids without the
 * conditions that do: what holds whatever it is, and what may hold.
 */
export type Part = 'whole' | 'outline' | 'unseen';

/** The policies that hold, and those that fail to evaluate. */
export function evaluate(set: CompiledSet, request: Request, entities: EntityView, part: Part = 'whole'): Outcome {
  const { principal, action, resource, context } = request;
  const env: Environment = { principal, action, resource, context, entities };
  const held = { permit: [] as CompiledPolicy[], forbid: [] as CompiledPolicy[] };
  const errors: PolicyError[] = [];
  for (const policy of set.candidates(env, entities)) {
    try {
      if (holds(policy, env, part)) held[policy.effect].push(policy);
    } catch (error) {
      errors.push({ policy: policy.id, error: evaluationError(error) });
    }
  }
  return { permits: held.permit, forbids: held.forbid, errors };
}

function holds({ effect, shape, constants }: CompiledPolicy, env: Environment, part: Part): boolean {
  if (part === 'whole') return shape.holds(env, constants);
  const whole = part === 'outline' ? 'forbid' : 'permit';
  return (effect !== whole || !shape.readsContext) && shape.outline(env, constants);
}

/** Cedar's answer: a forbid that holds denies, else a permit that holds allows, else it is denied. */
export const authorize = (set: CompiledSet, request: Request, entities: EntityView): Answer =>
  authorizeBy(evaluate(set, request, entities));

export function authorizeBy({ permits, forbids, errors }: Outcome): Answer {
  const deciding = forbids.length > 0 ? forbids : permits;
  return { allowed: deciding === permits && permits.length > 0, reasons: deciding.map(({ id }) => id), errors };
}

/** Deep expressions can exhaust the stack: an error of that policy, like any other. INVARIANT I1 */
export function evaluationError(error: unknown): EvaluationError {
  if (error instanceof EvaluationError) return error;
  if (error instanceof RangeError) return new EvaluationError('overflow', 'the expression is nested too deep');
  throw error;
}

function testOf({ kind, body }: ParsedCondition): Test {
  const value = compile(body);
  return kind === 'when' ? (env, constants) => booleanIn(value(env, constants)) : (env, constants) => !booleanIn(value(env, constants));
}

function conjunction(conditions: readonly Condition[]): Test {
  const [first, second, ...more] = conditions.map((condition) => condition.holds);
  if (first === undefined) return () => true;
  if (second === undefined) return first;
  if (more.length === 0) return (env, constants) => first(env, constants) && second(env, constants);
  const tests = [first, second, ...more];
  return (env, constants) => {
    for (const test of tests) if (!test(env, constants)) return false;
    return true;
  };
}

/** Of an entity that is not stored they are made each time, so nothing found for it is found again. */
export const scopeKeysIn = (entities: EntityView, one: EntityUid): readonly string[] => entities.get(one)?.scopeKeys ?? scopeKeysOf(one);

/** What the index could not tell. */
const fits = ({ also }: Constraint, scopeKeys: readonly string[]): boolean => also === undefined || scopeKeys.includes(also);
