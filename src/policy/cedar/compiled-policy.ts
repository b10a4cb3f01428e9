// A policy ready to be evaluated.
import type { Constants, Test } from './compile.ts';
import type { Expression } from './expression.ts';
import type { Constraint } from './scope.ts';

/** What the policies with equal conditions (but for constants) share. */
export interface Shape {
  /** Each condition, in order. */
  readonly conditions: readonly Condition[];
  /** All conditions hold. */
  readonly holds: Test;
  /** All that do not read `context` hold. */
  readonly outline: Test;
  readonly readsContext: boolean;
}

export interface Condition {
  readonly kind: 'when' | 'unless';
  readonly body: Expression;
  /** Does it hold? For `unless`, if the body is false. */
  readonly holds: Test;
  /** May its value depend on `context`? */
  readonly readsContext: boolean;
}

export interface CompiledPolicy {
  readonly id: string;
  readonly effect: 'permit' | 'forbid';
  readonly principal: Constraint;
  readonly action: Constraint;
  readonly resource: Constraint;
  readonly shape: Shape;
  readonly constants: Constants;
}
