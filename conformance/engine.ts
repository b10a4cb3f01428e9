// Cordon's evaluator as the suites see it: the modules of one folder, so that a copy with a bug in it can be put in the place of the real one.
import * as compile from '../src/policy/cedar/compile.ts';
import * as compiledSet from '../src/policy/cedar/compiled-set.ts';
import * as entities from '../src/policy/cedar/entities.ts';
import * as expression from '../src/policy/cedar/expression.ts';
import * as json from '../src/policy/cedar/json.ts';
import * as jsonWrite from '../src/policy/cedar/json-write.ts';
import * as schemaTypes from '../src/policy/cedar/schema-types.ts';
import * as value from '../src/policy/cedar/value.ts';

export type Engine = typeof compile &
  typeof compiledSet &
  typeof entities &
  typeof expression &
  typeof json &
  typeof jsonWrite &
  typeof schemaTypes &
  typeof value;

/** The evaluator that ships. */
export const ENGINE: Engine = { ...compile, ...compiledSet, ...entities, ...expression, ...json, ...jsonWrite, ...schemaTypes, ...value };

const FILES = ['compile', 'compiled-set', 'entities', 'expression', 'json', 'json-write', 'schema-types', 'value'];

/** The evaluator in a copy of `src/policy/cedar`. @throws Error when it does not load */
export async function loadEngine(folder: URL): Promise<Engine> {
  const modules = await Promise.all(FILES.map((name): Promise<object> => import(new URL(`${name}.ts`, folder).href)));
  return Object.assign({}, ...modules) as Engine;
}
