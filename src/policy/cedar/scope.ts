// The scope of a policy: who, what, on what. A scope never fails to evaluate, so a policy whose scope does not hold need not be looked
// at: slicing by scope changes neither the decision, nor its reasons, nor its errors.
import type { EstScope, EstTarget, EstUid } from './est.ts';
import { type EntityUid, uid } from './value.ts';

/** One of the three constraints. An entity meets it exactly if one of its scope keys (entities.ts) is in `keys`, and `also` is one of them. */
export interface Constraint {
  readonly keys: readonly string[];
  /** `is T in G`: found under G, and a T. */
  readonly also?: string;
}

export type Slots = ReadonlyMap<string, EntityUid>;
export const NO_SLOTS: Slots = new Map();

export const OPEN: Constraint = { keys: ['*'] };

/** @throws Error for a slot without a value */
export function constraintOf(scope: EstScope, slots: Slots): Constraint {
  switch (scope.op) {
    case 'All':
      return OPEN;
    case '==':
      return equals(targetIn(scope, slots));
    case 'in':
      return 'entities' in scope ? within(scope.entities.map(uidIn)) : within([targetIn(scope, slots)]);
    case 'is':
      return scope.in === undefined ? ofType(scope.entity_type) : { ...within([targetIn(scope.in, slots)]), also: `:${scope.entity_type}` };
  }
}

export const equals = ({ key }: EntityUid): Constraint => ({ keys: [`=${key}`] });
export const ofType = (type: string): Constraint => ({ keys: [`:${type}`] });
export const within = (groups: readonly EntityUid[]): Constraint => ({ keys: [...new Set(groups.map(({ key }) => `^${key}`))] });

/** Does an entity with these scope keys meet it? */
export const meets = ({ keys, also }: Constraint, scopeKeys: readonly string[]): boolean =>
  keys.some((key) => scopeKeys.includes(key)) && (also === undefined || scopeKeys.includes(also));

function targetIn(target: EstTarget, slots: Slots): EntityUid {
  if ('entity' in target) return uidIn(target.entity);
  const filled = slots.get(target.slot);
  if (filled === undefined) throw new Error(`the slot \`${target.slot}\` has no value`);
  return filled;
}

/** The engine writes an entity plainly or escaped. */
export function uidIn(one: EstUid): EntityUid {
  const { type, id } = 'id' in one ? one : one.__entity;
  return uid(type, id);
}
