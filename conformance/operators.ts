// What the random expressions reach: every operator and extension function, with a value and with each error that it can make itself.
import type { Environment, Evaluate } from '../src/policy/cedar/compile.ts';
import { EvaluationError, type EvaluationKind } from '../src/policy/cedar/evaluation-error.ts';
import { type Expression, operandsOf } from '../src/policy/cedar/expression.ts';
import type { Value } from '../src/policy/cedar/value.ts';
import { ENGINE } from './engine.ts';
import type { Prepared } from './outcomes.ts';

type Kinds = readonly EvaluationKind[];
const TYPE: Kinds = ['type'];
const CALL: Kinds = ['type', 'arity'];

/** Operator → the errors that it makes itself; those of its operands are theirs. */
const OPERATORS: Readonly<Record<string, Kinds>> = {
  attribute: ['type', 'attribute', 'entity'],
  has: TYPE,
  'has a.b': TYPE,
  like: TYPE,
  is: TYPE,
  'is in': TYPE,
  if: TYPE,
  set: [],
  record: [],
  not: TYPE,
  negate: ['type', 'overflow'],
  isEmpty: TYPE,
  '&&': TYPE,
  '||': TYPE,
  '==': [],
  '!=': [],
  '<': TYPE,
  '<=': TYPE,
  '>': TYPE,
  '>=': TYPE,
  '+': ['type', 'overflow'],
  '-': ['type', 'overflow'],
  '*': ['type', 'overflow'],
  in: TYPE,
  contains: TYPE,
  containsAll: TYPE,
  containsAny: TYPE,
  hasTag: TYPE,
  getTag: ['type', 'tag', 'entity'],
  decimal: ['type', 'arity', 'extension', 'overflow'],
  lessThan: CALL,
  lessThanOrEqual: CALL,
  greaterThan: CALL,
  greaterThanOrEqual: CALL,
  ip: ['type', 'arity', 'extension'],
  isIpv4: CALL,
  isIpv6: CALL,
  isLoopback: CALL,
  isMulticast: CALL,
  isInRange: CALL,
  datetime: ['type', 'arity', 'extension'],
  offset: [...CALL, 'overflow'],
  durationSince: [...CALL, 'overflow'],
  toDate: [...CALL, 'overflow'],
  toTime: CALL,
  duration: ['type', 'arity', 'extension', 'overflow'],
  toMilliseconds: CALL,
  toSeconds: CALL,
  toMinutes: CALL,
  toHours: CALL,
  toDays: CALL,
};

type Column = 'value' | EvaluationKind;
const COLUMNS: readonly Column[] = ['value', 'type', 'arity', 'overflow', 'extension', 'attribute', 'tag', 'entity'];

export class OperatorTable {
  readonly #counts = new Map<string, number>();
  readonly #compiled = new WeakMap<Expression, Evaluate>();

  /** Evaluates every part of the expression by itself. */
  note({ expression, constants }: Prepared, env: Environment): void {
    this.#visit(expression, constants, env);
  }

  /** @returns whether the expression has a value */
  #visit(expression: Expression, constants: readonly Value[], env: Environment): boolean {
    const operands = operandsOf(expression).map((operand) => this.#visit(operand, constants, env));
    const operator = operatorOf(expression);
    try {
      this.#evaluate(expression)(env, constants);
      if (operator !== undefined) this.#count(operator, 'value');
      return true;
    } catch (error) {
      if (operator !== undefined && error instanceof EvaluationError && operands.every(Boolean)) this.#count(operator, error.kind);
      return false;
    }
  }

  #evaluate(expression: Expression): Evaluate {
    const known = this.#compiled.get(expression);
    if (known !== undefined) return known;
    const compiled = ENGINE.compile(expression);
    this.#compiled.set(expression, compiled);
    return compiled;
  }

  #count(operator: string, column: Column): void {
    this.#counts.set(`${operator} ${column}`, this.#at(operator, column) + 1);
  }

  #at(operator: string, column: Column): number {
    return this.#counts.get(`${operator} ${column}`) ?? 0;
  }

  /** What should have been reached, as `operator: value`. */
  get cells(): readonly { readonly name: string; readonly count: number }[] {
    return Object.entries(OPERATORS).flatMap(([operator, kinds]) =>
      (['value', ...kinds] as const).map((column) => ({ name: `${operator}: ${column}`, count: this.#at(operator, column) })),
    );
  }

  /** Errors that an operator was not thought to make, and operators that are not in the table. */
  get surprises(): readonly string[] {
    return [...this.#counts.keys()].filter((cell) => {
      const operator = Object.keys(OPERATORS).find((name) => COLUMNS.some((column) => `${name} ${column}` === cell));
      if (operator === undefined) return true;
      const kinds: readonly Column[] = ['value', ...(OPERATORS[operator] ?? [])];
      return !kinds.some((column) => `${operator} ${column}` === cell);
    });
  }

  lines(): readonly string[] {
    const row = (name: string, cells: readonly string[]): string => `${name.padEnd(20)}${cells.map((cell) => cell.padStart(10)).join('')}`;
    return [
      row('operator', COLUMNS),
      ...Object.entries(OPERATORS).map(([operator, kinds]) =>
        row(
          operator,
          COLUMNS.map((column) => (column === 'value' || kinds.includes(column) ? String(this.#at(operator, column)) : '')),
        ),
      ),
    ];
  }
}

/** Undefined for what cannot go wrong. */
function operatorOf(expression: Expression): string | undefined {
  switch (expression.op) {
    case 'constant':
    case 'variable':
      return undefined;
    case 'call':
      return expression.name;
    case 'is':
      return expression.within === undefined ? 'is' : 'is in';
    case 'has':
      return expression.path.length > 1 ? 'has a.b' : 'has';
    default:
      return expression.op;
  }
}
