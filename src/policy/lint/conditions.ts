// The conditions of a policy as facts that must all hold: comparisons of something with a constant in one form, everything else as it
// is written. From the parsed form, so that spelling, brackets and `when` against `unless` make no difference.
import type { EstPolicy } from '../cedar/est.ts';
import { type BinaryOperator, type Expression, expressionOf } from '../cedar/expression.ts';
import { keyOf, type Value } from '../cedar/value.ts';

/** One fact. Equal keys, equal facts. */
export interface Atom {
  readonly key: string;
  /** Index among the conditions of the policy. */
  readonly condition: number;
  readonly expression: Expression;
  readonly negated: boolean;
  readonly comparison?: Comparison;
}

export type Comparator = '==' | '!=' | '<' | '<=' | '>' | '>=';

/** `subject operator value`, the constant on the right. */
export interface Comparison {
  /** Equal subjects, equal texts. */
  readonly subject: string;
  /** `["context", "input", "memo"]`, when it is a path from a variable. */
  readonly path: readonly string[] | undefined;
  readonly operator: Comparator;
  readonly value: Value;
}

export interface Conditions {
  readonly atoms: readonly Atom[];
  /** What the constants in the atoms' expressions stand for. */
  readonly constants: readonly Value[];
}

/** `true` is no fact and left out. @throws Error for what is not Cedar 4.5 */
export function conditionsOf({ conditions }: EstPolicy): Conditions {
  const constants: Value[] = [];
  const atoms: Atom[] = [];
  for (const [condition, { kind, body }] of conditions.entries()) {
    for (const { expression, negated } of factsIn(expressionOf(body, constants), kind === 'unless')) {
      if (constantOf(expression, constants) !== !negated) atoms.push(atomOf(expression, negated, condition, constants));
    }
  }
  return { atoms, constants };
}

interface Signed {
  readonly expression: Expression;
  readonly negated: boolean;
}

/** A conjunction taken apart; by De Morgan also the denial of a disjunction. */
function factsIn(expression: Expression, negated: boolean): readonly Signed[] {
  if (expression.op === 'not') return factsIn(expression.of, !negated);
  if (expression.op === (negated ? '||' : '&&')) return [...factsIn(expression.left, negated), ...factsIn(expression.right, negated)];
  return [{ expression, negated }];
}

/** What an expression is for every request, if that can be seen. */
export function constantOf(expression: Expression, constants: readonly Value[]): Value | undefined {
  return expression.op === 'constant' ? constants[expression.at] : undefined;
}

/** `like "*"`: true of every string. */
export const isAnything = (expression: Expression): boolean =>
  expression.op === 'like' && expression.pieces.length > 1 && expression.pieces.every((piece) => piece === '');

function atomOf(expression: Expression, negated: boolean, condition: number, constants: readonly Value[]): Atom {
  const comparison = comparisonOf(expression, negated, constants);
  if (comparison === undefined) return { key: `${negated ? '!' : ''}${textOf(expression, constants)}`, condition, expression, negated };
  const { subject, operator, value } = comparison;
  return { key: `${subject} ${operator} ${keyOf(value)}`, condition, expression, negated, comparison };
}

const MIRRORED: Readonly<Record<Comparator, Comparator>> = { '==': '==', '!=': '!=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' };
const DENIED: Readonly<Record<Comparator, Comparator>> = { '==': '!=', '!=': '==', '<': '>=', '<=': '>', '>': '<=', '>=': '<' };

const isComparator = (op: Expression['op']): op is Comparator & BinaryOperator => Object.hasOwn(MIRRORED, op);

function comparisonOf(expression: Expression, negated: boolean, constants: readonly Value[]): Comparison | undefined {
  if (!('left' in expression) || !isComparator(expression.op)) return undefined;
  const { left, right } = expression;
  const [leftValue, rightValue] = [constantOf(left, constants), constantOf(right, constants)];
  if ((leftValue === undefined) === (rightValue === undefined)) return undefined;
  const as = (of: Expression, operator: Comparator, value: Value): Comparison => ({
    subject: textOf(of, constants),
    path: pathOf(of),
    operator: negated ? DENIED[operator] : operator,
    value,
  });
  if (rightValue !== undefined) return as(left, expression.op, rightValue);
  return leftValue === undefined ? undefined : as(right, MIRRORED[expression.op], leftValue);
}

/** One text for equal expressions; constants stand in it by value. */
const textOf = (expression: Expression, constants: readonly Value[]): string =>
  JSON.stringify(expression, (_name, node: unknown) => (isConstant(node) ? keyOf(constants[node.at] ?? false) : node));

const isConstant = (node: unknown): node is Extract<Expression, { readonly op: 'constant' }> =>
  typeof node === 'object' && node !== null && 'op' in node && node.op === 'constant';

function pathOf(expression: Expression): readonly string[] | undefined {
  if (expression.op === 'variable') return [expression.name];
  if (expression.op !== 'attribute') return undefined;
  const above = pathOf(expression.of);
  return above && [...above, expression.name];
}

/** Every expression inside one, itself included. */
export function* within(expression: Expression): Iterable<Expression> {
  yield expression;
  for (const part of partsOf(expression)) yield* within(part);
}

function partsOf(expression: Expression): readonly Expression[] {
  switch (expression.op) {
    case 'constant':
    case 'variable':
      return [];
    case 'set':
      return expression.elements;
    case 'record':
      return expression.members.map(([, value]) => value);
    case 'call':
      return expression.args;
    case 'if':
      return [expression.test, expression.consequent, expression.otherwise];
    case 'is':
      return expression.within === undefined ? [expression.of] : [expression.of, expression.within];
    default:
      return 'of' in expression ? [expression.of] : [expression.left, expression.right];
  }
}
