// Expressions → closures. `evaluate(env, constants)` gives the value of the expression for one request, or throws EvaluationError.
// Semantics: Cedar 4.5. Operands are evaluated from left to right and both before their types are looked at; `&&`, `||` and `if` evaluate
// what they need; a missing entity has no attributes and no tags, so `has` is false of it and `.` an error.
import { type EntityView, isIn } from './entities.ts';
import { EvaluationError } from './evaluation-error.ts';
import type { BinaryOperator, Expression, UnaryOperator, Variable } from './expression.ts';
import { compareExtensions, EXTENSIONS } from './extensions.ts';
import { add, isLong, type Long, multiply, negate, subtract } from './long.ts';
import { type CedarRecord, CedarSet, EntityUid, equal, Extension, isRecord, type Value } from './value.ts';

/** One request, and what it is decided with. */
export interface Environment {
  readonly principal: EntityUid;
  readonly action: EntityUid;
  readonly resource: EntityUid;
  readonly context: CedarRecord;
  readonly entities: EntityView;
}

export type Constants = readonly Value[];
export type Evaluate = (env: Environment, constants: Constants) => Value;
export type Test = (env: Environment, constants: Constants) => boolean;

/** @throws nothing for an expression of expression.ts */
export function compile(expression: Expression): Evaluate {
  switch (expression.op) {
    case 'constant': {
      const { at } = expression;
      return (_, constants) => constants[at] ?? unbound();
    }
    case 'variable':
      return VARIABLE[expression.name];
    case 'attribute':
      return attribute(compile(expression.of), expression.name);
    case 'has':
      return has(compile(expression.of), expression.path);
    case 'like': {
      const [of, matches] = [compile(expression.of), likeOf(expression.pieces)];
      return (env, constants) => matches(stringIn(of(env, constants)));
    }
    case 'is':
      return is(expression);
    case 'if': {
      const [test, then, otherwise] = [compile(expression.test), compile(expression.consequent), compile(expression.otherwise)];
      return (env, constants) => (booleanIn(test(env, constants)) ? then(env, constants) : otherwise(env, constants));
    }
    case 'set': {
      const elements = expression.elements.map(compile);
      return (env, constants) => new CedarSet(elements.map((element) => element(env, constants)));
    }
    case 'record': {
      const members = expression.members.map(([name, member]) => [name, compile(member)] as const);
      return (env, constants) => new Map(members.map(([name, member]) => [name, member(env, constants)]));
    }
    case 'call':
      return call(expression.name, expression.args.map(compile));
    case 'not':
    case 'negate':
    case 'isEmpty':
      return UNARY[expression.op](compile(expression.of));
    default:
      return BINARY[expression.op](compile(expression.left), compile(expression.right));
  }
}

const unbound = (): never => {
  throw new Error('a constant is missing'); // never the policy's fault: the vector belongs to the expression
};

const VARIABLE: Readonly<Record<Variable, Evaluate>> = {
  principal: (env) => env.principal,
  action: (env) => env.action,
  resource: (env) => env.resource,
  context: (env) => env.context,
};

const UNARY: Readonly<Record<UnaryOperator, (of: Evaluate) => Evaluate>> = {
  not: (of) => (env, constants) => !booleanIn(of(env, constants)),
  negate: (of) => (env, constants) => negate(longIn(of(env, constants))),
  isEmpty: (of) => (env, constants) => setIn(of(env, constants)).size === 0,
};

/** Both operands, then the operation: an operand's own error comes first. */
const strict =
  (operation: (left: Value, right: Value, env: Environment) => Value) =>
  (left: Evaluate, right: Evaluate): Evaluate =>
  (env, constants) => {
    const a = left(env, constants);
    return operation(a, right(env, constants), env);
  };

type Binary = (left: Evaluate, right: Evaluate) => Evaluate;

const arithmetic = (operation: (a: Long, b: Long) => Long): Binary => strict((a, b) => operation(longIn(a), longIn(b)));
const comparison = (holds: (sign: number) => boolean): Binary => strict((a, b) => holds(compare(a, b)));

const BINARY: Readonly<Record<BinaryOperator, Binary>> = {
  '&&': (left, right) => (env, constants) => booleanIn(left(env, constants)) && booleanIn(right(env, constants)),
  '||': (left, right) => (env, constants) => booleanIn(left(env, constants)) || booleanIn(right(env, constants)),
  '==': strict(equal),
  '!=': strict((a, b) => !equal(a, b)),
  '<': comparison((sign) => sign < 0),
  '<=': comparison((sign) => sign <= 0),
  '>': comparison((sign) => sign > 0),
  '>=': comparison((sign) => sign >= 0),
  '+': arithmetic(add),
  '-': arithmetic(subtract),
  '*': arithmetic(multiply),
  in: strict((a, b, { entities }) => isWithin(entityIn(a), b, entities)),
  contains: strict((a, b) => setIn(a).has(b)),
  containsAll: strict((a, b) => setIn(a).includes(setIn(b))),
  containsAny: strict((a, b) => setIn(a).meets(setIn(b))),
  hasTag: strict((a, b, { entities }) => {
    const [of, name] = [entityIn(a), stringIn(b)];
    return entities.get(of)?.record.tags.has(name) ?? false;
  }),
  getTag: strict((a, b, { entities }) => {
    const [of, name] = [entityIn(a), stringIn(b)];
    const { record } = entities.get(of) ?? noEntity(of.type);
    return record.tags.get(name) ?? missing('tag', of.type);
  }),
};

function compare(a: Value, b: Value): number {
  if (isLong(a) && isLong(b)) return a < b ? -1 : a > b ? 1 : 0;
  const sign = a instanceof Extension && b instanceof Extension ? compareExtensions(a, b) : undefined;
  return sign ?? mistyped('two values that can be compared', a);
}

/** Every element of a set is looked at, also after a hit: one that is no entity is an error. */
function isWithin(one: EntityUid, right: Value, entities: EntityView): boolean {
  if (right instanceof EntityUid) return isIn(entities, one, right);
  if (!(right instanceof CedarSet)) return mistyped('an entity or a set of entities', right);
  const above = right.elements.map(entityIn);
  return above.some((group) => isIn(entities, one, group));
}

function attribute(of: Evaluate, name: string): Evaluate {
  return (env, constants) => {
    const value = of(env, constants);
    if (isRecord(value)) return value.get(name) ?? missing('attribute', name);
    if (!(value instanceof EntityUid)) return mistyped('an entity or a record', value);
    const { record } = env.entities.get(value) ?? noEntity(value.type);
    return record.attrs.get(name) ?? missing('attribute', name);
  };
}

function has(of: Evaluate, path: readonly string[]): Evaluate {
  return (env, constants) => {
    let value: Value | undefined = of(env, constants);
    for (const name of path) {
      if (value instanceof EntityUid) value = env.entities.get(value)?.record.attrs.get(name);
      else if (isRecord(value)) value = value.get(name);
      else return mistyped('an entity or a record', value);
      if (value === undefined) return false;
    }
    return true;
  };
}

function is({ of, type, within }: Extract<Expression, { op: 'is' }>): Evaluate {
  const left = compile(of);
  const isType: Test = (env, constants) => entityIn(left(env, constants)).type === type;
  if (within === undefined) return isType;
  const inside = BINARY.in(left, compile(within));
  return (env, constants) => isType(env, constants) && inside(env, constants);
}

function call(name: string, args: readonly Evaluate[]): Evaluate {
  const extension = EXTENSIONS.get(name);
  if (extension === undefined) throw new Error(`\`${name}\` is no extension function`);
  return (env, constants) => extension.apply(args.map((arg) => arg(env, constants)));
}

/** Between the first piece at the start and the last at the end, each piece at its first place: no wildcard takes more than it must. */
function likeOf(pieces: readonly string[]): (text: string) => boolean {
  const [first = '', ...rest] = pieces;
  const last = rest.pop();
  if (last === undefined) return (text) => text === first;
  return (text) => {
    const end = text.length - last.length;
    let at = first.length;
    if (at > end || !text.startsWith(first) || !text.endsWith(last)) return false;
    for (const piece of rest) {
      const found = text.indexOf(piece, at);
      if (found < 0 || found + piece.length > end) return false;
      at = found + piece.length;
    }
    return true;
  };
}

export function booleanIn(value: Value): boolean {
  return typeof value === 'boolean' ? value : mistyped('a boolean', value);
}

const longIn = (value: Value): Long => (isLong(value) ? value : mistyped('an integer', value));
const stringIn = (value: Value): string => (typeof value === 'string' ? value : mistyped('a string', value));
const setIn = (value: Value): CedarSet => (value instanceof CedarSet ? value : mistyped('a set', value));
const entityIn = (value: Value): EntityUid => (value instanceof EntityUid ? value : mistyped('an entity', value));

function mistyped(expected: string, value: Value | undefined): never {
  throw new EvaluationError('type', `expected ${expected}, got ${typeOf(value)}`);
}

const noEntity = (type: string): never => {
  throw new EvaluationError('entity', `the entity of type \`${type}\` is not stored`);
};

const missing = (kind: 'attribute' | 'tag', name: string): never => {
  throw new EvaluationError(kind, kind === 'tag' ? `an entity of type \`${name}\` has no such tag` : `there is no attribute \`${name}\``);
};

function typeOf(value: Value | undefined): string {
  if (value instanceof EntityUid) return `an entity of type \`${value.type}\``;
  if (value instanceof CedarSet) return 'a set';
  if (value instanceof Extension) return value.name;
  if (typeof value === 'object') return 'a record';
  return isLong(value) ? 'an integer' : typeof value;
}
