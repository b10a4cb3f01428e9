// A policy written without a scope can still be found by one: while the first things that its conditions ask are of the form
// `principal == X`, `action in [X, Y]`, `resource is T`, they cannot fail to evaluate, and if one is false the policy does not hold.
// So it may be filed as if they stood in the scope. They are still evaluated with the rest: only candidates become fewer.
import type { CompiledPolicy } from './compiled-policy.ts';
import type { Expression } from './expression.ts';
import { type Constraint, equals, ofType, OPEN, within } from './scope.ts';
import type { Place } from './scope-index.ts';
import { CedarSet, EntityUid, type Value } from './value.ts';

/** Where a policy is filed: its scope, narrowed by what its conditions begin with. */
export function narrowed({ principal, action, resource, shape, constants }: CompiledPolicy): Place {
  const place = { principal, action, resource };
  for (const { kind, body } of shape.conditions) {
    for (const conjunct of conjunctsOf(body)) {
      const found = kind === 'when' ? constraintIn(conjunct, constants) : undefined;
      if (found === undefined) return place;
      if (place[found.of] === OPEN) place[found.of] = found.constraint;
    }
  }
  return place;
}

/** The operands of a chain of `&&`, in the order in which they are evaluated. */
export function conjunctsOf(expression: Expression): readonly Expression[] {
  const conjuncts: Expression[] = [];
  const rest = [expression];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    if (next.op === '&&') rest.push(next.right, next.left);
    else conjuncts.push(next);
  }
  return conjuncts;
}

interface Found {
  readonly of: keyof Place;
  readonly constraint: Constraint;
}

function constraintIn(expression: Expression, constants: readonly Value[]): Found | undefined {
  if (expression.op === 'is' && expression.within === undefined) return found(expression.of, ofType(expression.type));
  if (expression.op !== '==' && expression.op !== 'in') return undefined;
  const { op, left, right } = expression;
  const value = right.op === 'constant' ? constants[right.at] : undefined;
  if (value instanceof EntityUid) return found(left, op === '==' ? equals(value) : within([value]));
  return op === 'in' && value instanceof CedarSet ? found(left, groupsIn(value)) : undefined;
}

/** A set with anything but entities in it fails to evaluate. */
function groupsIn({ elements }: CedarSet): Constraint | undefined {
  const groups = elements.filter((element) => element instanceof EntityUid);
  return groups.length === elements.length && groups.length > 0 ? within(groups) : undefined;
}

const found = (left: Expression, constraint: Constraint | undefined): Found | undefined =>
  left.op === 'variable' && left.name !== 'context' && constraint !== undefined ? { of: left.name, constraint } : undefined;
