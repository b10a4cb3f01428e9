// EST JSON → the expressions that compile.ts makes closures of: every operator known, every constant taken out into a vector. Two
// policies that differ in constants alone have equal expressions, so they share one set of closures.
import type { Json } from '../../domain/json.ts';
import type { EstExpr } from './est.ts';
import { EvaluationError } from './evaluation-error.ts';
import { EXTENSIONS } from './extensions.ts';
import { valueFromJson } from './json.ts';
import { CedarSet, type Value } from './value.ts';

export const VARIABLES = ['principal', 'action', 'resource', 'context'] as const;
export type Variable = (typeof VARIABLES)[number];

export const UNARY = { '!': 'not', neg: 'negate', isEmpty: 'isEmpty' } as const;
export const BINARY = [
  '&&',
  '||',
  '==',
  '!=',
  '<',
  '<=',
  '>',
  '>=',
  '+',
  '-',
  '*',
  'in',
  'contains',
  'containsAll',
  'containsAny',
  'hasTag',
  'getTag',
] as const;
export type BinaryOperator = (typeof BINARY)[number];
export type UnaryOperator = (typeof UNARY)[keyof typeof UNARY];

export type Expression =
  /** Index in the vector of constants. */
  | { readonly op: 'constant'; readonly at: number }
  | { readonly op: 'variable'; readonly name: Variable }
  | { readonly op: 'attribute'; readonly of: Expression; readonly name: string }
  /** `has a.b.c` is one operator. */
  | { readonly op: 'has'; readonly of: Expression; readonly path: readonly string[] }
  | { readonly op: UnaryOperator; readonly of: Expression }
  | { readonly op: BinaryOperator; readonly left: Expression; readonly right: Expression }
  /** The literal pieces between wildcards. */
  | { readonly op: 'like'; readonly of: Expression; readonly pieces: readonly string[] }
  | { readonly op: 'is'; readonly of: Expression; readonly type: string; readonly within?: Expression }
  | { readonly op: 'if'; readonly test: Expression; readonly consequent: Expression; readonly otherwise: Expression }
  | { readonly op: 'set'; readonly elements: readonly Expression[] }
  | { readonly op: 'record'; readonly members: readonly (readonly [string, Expression])[] }
  | { readonly op: 'call'; readonly name: string; readonly args: readonly Expression[] };

/** The expression of `est`; its constants are appended to `constants`. @throws Error for anything that is not Cedar 4.5 */
export function expressionOf(est: EstExpr, constants: Value[]): Expression {
  const constant = constantOf(est);
  if (constant !== undefined) return { op: 'constant', at: constants.push(constant) - 1 };
  const [operator, operand] = memberOf(est);
  const make = MAKERS.get(operator) ?? (EXTENSIONS.has(operator) ? callMaker(operator) : undefined);
  if (make === undefined) throw new Error(`\`${operator}\` is no operator of Cedar 4.5`);
  return make(operand, (inner) => expressionOf(exprIn(inner), constants));
}

/** The operands of an expression, in the order of evaluation. */
export function operandsOf(expression: Expression): readonly Expression[] {
  switch (expression.op) {
    case 'constant':
    case 'variable':
      return [];
    case 'is':
      return expression.within === undefined ? [expression.of] : [expression.of, expression.within];
    case 'if':
      return [expression.test, expression.consequent, expression.otherwise];
    case 'set':
      return expression.elements;
    case 'record':
      return expression.members.map(([, member]) => member);
    case 'call':
      return expression.args;
    default:
      return 'of' in expression ? [expression.of] : [expression.left, expression.right];
  }
}

export const readsContext = (expression: Expression): boolean =>
  (expression.op === 'variable' && expression.name === 'context') || operandsOf(expression).some(readsContext);

type Maker = (operand: unknown, sub: (inner: unknown) => Expression) => Expression;

const MAKERS: ReadonlyMap<string, Maker> = new Map<string, Maker>([
  ['Var', (name) => ({ op: 'variable', name: oneOf(VARIABLES, name) })],
  ['.', (operand, sub) => ({ op: 'attribute', of: sub(part(operand, 'left')), name: text(part(operand, 'attr')) })],
  ['has', (operand, sub) => ({ op: 'has', of: sub(part(operand, 'left')), path: pathOf(part(operand, 'attr')) })],
  ...Object.entries(UNARY).map(([name, op]): [string, Maker] => [name, (operand, sub) => ({ op, of: sub(part(operand, 'arg')) })]),
  ...BINARY.map((op): [string, Maker] => [
    op,
    (operand, sub) => ({ op, left: sub(part(operand, 'left')), right: sub(part(operand, 'right')) }),
  ]),
  ['like', (operand, sub) => ({ op: 'like', of: sub(part(operand, 'left')), pieces: piecesOf(part(operand, 'pattern')) })],
  ['is', isExpression],
  [
    'if-then-else',
    (operand, sub) => ({
      op: 'if',
      test: sub(part(operand, 'if')),
      consequent: sub(part(operand, 'then')),
      otherwise: sub(part(operand, 'else')),
    }),
  ],
  ['Set', (operand, sub) => ({ op: 'set', elements: list(operand).map(sub) })],
  ['Record', (operand, sub) => ({ op: 'record', members: Object.entries(objectIn(operand)).map(([name, value]) => [name, sub(value)]) })],
]);

const callMaker =
  (name: string): Maker =>
  (operand, sub) => ({ op: 'call', name, args: list(operand).map(sub) });

function isExpression(operand: unknown, sub: (inner: unknown) => Expression): Expression {
  const within = objectIn(operand)['in'];
  const plain = { op: 'is', of: sub(part(operand, 'left')), type: text(part(operand, 'entity_type')) } as const;
  return within === undefined ? plain : { ...plain, within: sub(within) };
}

/** The value of an expression that has the same one for every request, and no error. */
function constantOf(est: EstExpr): Value | undefined {
  const [operator, operand] = memberOf(est);
  if (operator === 'Value') return valueFromJson(jsonIn(operand));
  if (operator === 'Set') return folded(list(operand), (elements) => new CedarSet(elements));
  if (operator === 'Record') {
    const members = Object.entries(objectIn(operand));
    return folded(
      members.map(([, value]) => value),
      (values) => new Map(members.map(([name], at) => [name, values[at] ?? false])),
    );
  }
  return CONSTRUCTORS.has(operator) ? folded(list(operand), (args) => constructed(operator, args)) : undefined;
}

const CONSTRUCTORS = new Set(['ip', 'decimal', 'datetime', 'duration']);

/** A text that the extension does not accept is an error of each evaluation, not of the policy. */
function constructed(name: string, args: readonly Value[]): Value | undefined {
  try {
    return EXTENSIONS.get(name)?.apply(args);
  } catch (error) {
    if (error instanceof EvaluationError) return undefined;
    throw error;
  }
}

function folded(parts: readonly unknown[], make: (values: readonly Value[]) => Value | undefined): Value | undefined {
  const values: Value[] = [];
  for (const one of parts) {
    const value = constantOf(exprIn(one));
    if (value === undefined) return undefined;
    values.push(value);
  }
  return make(values);
}

/** `["a", *, "b"]` → `["a", "b"]`: n wildcards stand between n + 1 pieces. */
function piecesOf(pattern: unknown): readonly string[] {
  const pieces = [''];
  for (const element of list(pattern)) {
    if (element === 'Wildcard') pieces.push('');
    else pieces[pieces.length - 1] += text(part(element, 'Literal'));
  }
  return pieces;
}

const pathOf = (attr: unknown): readonly string[] => (typeof attr === 'string' ? [attr] : list(attr).map(text));

const malformed = (expected: string): Error => new Error(`the parsed policy is malformed: expected ${expected}`);

function objectIn(value: unknown): Readonly<Record<string, unknown>> {
  if (!isObject(value)) throw malformed('an object');
  return value;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const exprIn = (value: unknown): EstExpr => objectIn(value);

function memberOf(est: EstExpr): readonly [string, unknown] {
  const [member, ...more] = Object.entries(est);
  if (member === undefined || more.length > 0) throw malformed('one operator');
  return member;
}

function part(operand: unknown, name: string): unknown {
  const object = objectIn(operand);
  if (!Object.hasOwn(object, name)) throw malformed(`\`${name}\``);
  return object[name];
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed('a list');
  return value;
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw malformed('a string');
  return value;
}

function oneOf<T extends string>(names: readonly T[], value: unknown): T {
  const found = names.find((name) => name === value);
  if (found === undefined) throw malformed(names.join(', '));
  return found;
}

/** What the engine's JSON holds is JSON. */
function jsonIn(value: unknown): Json {
  if (!isJson(value)) throw malformed('a JSON value');
  return value;
}

function isJson(value: unknown): value is Json {
  if (Array.isArray(value)) return value.every(isJson);
  if (isObject(value)) return Object.values(value).every(isJson);
  return value === null || ['string', 'number', 'bigint', 'boolean'].includes(typeof value);
}
