// What expressions come to for one request, by Cordon's evaluator.
import { isJsonArray, isJsonObject, type Json, writeJson } from '../src/domain/json.ts';
import type { Environment, Evaluate } from '../src/policy/cedar/compile.ts';
import type { EstExpr } from '../src/policy/cedar/est.ts';
import type { Expression } from '../src/policy/cedar/expression.ts';
import type { Value } from '../src/policy/cedar/value.ts';
import { type Request, requestOf, storeOf } from './decisions.ts';
import type { Engine } from './engine.ts';

/** A value in Cedar's JSON form; an error of Cedar; a record that JSON would take for something else; an error that is none of Cedar's. */
export type Outcome = { readonly value: Json } | 'fails' | 'unwritable' | 'crashes';
/** The outcome with the value as the evaluator holds it. */
export type FoundOutcome = Exclude<Outcome, object> | { readonly value: Json; readonly found: Value };

export interface Prepared {
  readonly expression: Expression;
  readonly constants: readonly Value[];
  readonly evaluate: Evaluate;
}

/** @throws Error for what is not Cedar */
export function preparedOf(engine: Engine, est: EstExpr): Prepared {
  const constants: Value[] = [];
  const expression = engine.expressionOf(est, constants);
  return { expression, constants, evaluate: engine.compile(expression) };
}

/** Requests as environments over these entities. */
export function environmentsOf(engine: Engine, entities: Json): (request: Request) => Environment {
  const store = storeOf(engine, engine.entitiesFromJson(entities));
  return (request) => ({ ...requestOf(engine, request), entities: store });
}

export function outcomeOf(engine: Engine, { evaluate, constants }: Prepared, env: Environment): FoundOutcome {
  let value: Value;
  try {
    value = evaluate(env, constants);
  } catch (error) {
    return error instanceof Error && error.name === 'EvaluationError' ? 'fails' : 'crashes';
  }
  try {
    return { value: engine.valueToJson(value), found: value };
  } catch (error) {
    return error instanceof Error && error.name === 'CedarInputError' ? 'unwritable' : 'crashes';
  }
}

/** The same text for equal outcomes: sets have no order, nor have the members of records. */
export const outcomeText = (outcome: Outcome): string => (typeof outcome === 'string' ? outcome : canonical(outcome.value));

function canonical(value: Json): string {
  if (isJsonArray(value)) return `[${value.map(canonical).toSorted().join(',')}]`;
  if (!isJsonObject(value)) return writeJson(value);
  const members = Object.entries(value).map(([name, member]) => `${writeJson(name)}:${canonical(member)}`);
  return `{${members.toSorted().join(',')}}`;
}
