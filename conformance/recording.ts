// Cases with the answers of the official engine, made once: copies of the evaluator with a bug in them are held against them at full speed.
import { isJsonArray, isJsonObject, type Json } from '../src/domain/json.ts';
import type { EstExpr } from '../src/policy/cedar/est.ts';
import { JsonText, writeExact } from '../src/policy/cedar/official-json.ts';
import { corpusTests } from '../test/support/corpus.ts';
import { CorpusReader } from './cedar.ts';
import { type DecisionCase, problemsOf, type Request } from './decisions.ts';
import { ENGINE, type Engine } from './engine.ts';
import { Expressions } from './expressions.ts';
import { jsonOf, Oracle } from './oracle.ts';
import { environmentsOf, type FoundOutcome, type Outcome, outcomeOf, outcomeText, preparedOf } from './outcomes.ts';
import { randomPolicies } from './policies.ts';
import { AT_ONCE, firstWrong, holderOf, policyOf, probedIn, randomProbe } from './probes.ts';
import { Random } from './random.ts';
import { randomEntities, randomRequest } from './world.ts';

/** Expressions and what each comes to, request by request. */
export interface ValueCase {
  readonly expressions: readonly EstExpr[];
  readonly entities: Json;
  readonly requests: readonly (Request & { readonly outcomes: readonly Outcome[] })[];
}

export interface Recording {
  readonly values: readonly ValueCase[];
  readonly sets: readonly DecisionCase[];
  readonly corpus: readonly DecisionCase[];
}

/** How much of each kind. */
export interface Extent {
  /** Calls of many expressions each. */
  readonly values: number;
  readonly sets: number;
  /** Every so many-th test of the corpus; 0: none. */
  readonly corpusEvery: number;
}

const REQUESTS = 12;

/** @throws Error when the evaluator itself is wrong about a value */
export async function record(seed: number, { values, sets, corpusEvery }: Extent): Promise<Recording> {
  const oracle = new Oracle();
  return {
    values: Array.from({ length: values }, (_, at) => recordedValues(oracle, new Random(seed + at))),
    sets: Array.from({ length: sets }, (_, at) => recordedSet(oracle, new Random(seed + at))),
    corpus: corpusEvery === 0 ? [] : await recordedCorpus(corpusEvery),
  };
}

function recordedValues(oracle: Oracle, random: Random): ValueCase {
  const made = new Expressions(random);
  const parsed = oracle.prepare(random.list(AT_ONCE, () => randomProbe(random, made)).map(policyOf));
  const expressions = parsed.map(({ est }) => probedIn(est));
  const prepared = expressions.map((est) => preparedOf(ENGINE, est));
  const entities = randomEntities(random, made.values);
  const environment = environmentsOf(ENGINE, jsonOf(entities));
  const requests = random.list(REQUESTS, () => {
    const request = randomRequest(random, made.values, entities);
    const env = environment(request);
    const outcomes = prepared.map((one) => outcomeOf(ENGINE, one, env));
    const answer = oracle.decide(request, JsonText.of([...entities, holderOf(outcomes)]));
    if (firstWrong(outcomes, answer) >= 0) throw new Error('the evaluator is wrong about a value: see `npm run conformance -- probes`');
    return { ...request, outcomes: outcomes.map((outcome) => (typeof outcome === 'string' ? outcome : { value: outcome.value })) };
  });
  return { expressions, entities: jsonOf(entities), requests };
}

function recordedSet(oracle: Oracle, random: Random): DecisionCase {
  const made = new Expressions(random);
  const policies = oracle.prepare(randomPolicies(random, made));
  const entities = randomEntities(random, made.values);
  const text = JsonText.of(entities);
  const requests = random.list(REQUESTS, () => {
    const request = randomRequest(random, made.values, entities);
    return { ...request, expected: oracle.decide(request, text) };
  });
  return { name: 'random set', policies, entities: jsonOf(entities), requests };
}

async function recordedCorpus(every: number): Promise<readonly DecisionCase[]> {
  const reader = new CorpusReader();
  const cases: DecisionCase[] = [];
  for await (const test of corpusTests('handwritten-tests.tar.gz')) cases.push(reader.caseOf(test));
  for await (const test of corpusTests('corpus-tests.tar.gz', every)) cases.push(withoutActions(reader.caseOf(test)));
  return cases;
}

/** The schema declares them, so they need not be told. */
const withoutActions = (one: DecisionCase): DecisionCase => ({
  ...one,
  entities: isJsonArray(one.entities) ? one.entities.filter((entity) => !isAction(entity)) : one.entities,
});

function isAction(entity: Json): boolean {
  const uid = isJsonObject(entity) ? entity['uid'] : undefined;
  const escaped = isJsonObject(uid) ? (uid['__entity'] ?? uid) : undefined;
  const type = isJsonObject(escaped) ? escaped['type'] : undefined;
  return typeof type === 'string' && /(?:^|::)Action$/.test(type);
}

/** By what a recording can show that an evaluator is wrong. */
export const KINDS = ['values', 'sets', 'corpus'] as const satisfies readonly (keyof Recording)[];
export type Kind = (typeof KINDS)[number];

/** The first problem that the cases of one kind find. */
export function firstProblem(engine: Engine, recording: Recording, kind: Kind): string | undefined {
  if (kind === 'values') return firstOf(recording.values, (one) => problemOfValues(engine, one));
  return firstOf(recording[kind], (one) => problemsOf(engine, one).find((problem) => problem !== undefined));
}

function firstOf<T>(cases: readonly T[], problemOf: (one: T) => string | undefined): string | undefined {
  for (const one of cases) {
    const problem = problemOf(one);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function problemOfValues(engine: Engine, { expressions, entities, requests }: ValueCase): string | undefined {
  try {
    const prepared = expressions.map((est) => preparedOf(engine, est));
    const environment = environmentsOf(engine, entities);
    return firstOf(requests, (request) => {
      const env = environment(request);
      return firstOf([...prepared.entries()], ([at, one]) => {
        const [expected, got] = [request.outcomes[at] ?? 'crashes', outcomeOf(engine, one, env)];
        return isSame(engine, expected, got)
          ? undefined
          : `${writeExact(expressions[at])}: expected ${outcomeText(expected)}, got ${outcomeText(got)}`;
      });
    });
  } catch (error) {
    return `not evaluated: ${String(error)}`;
  }
}

/** In text, and by the engine's own `==` when it reads the value that it should have. */
function isSame(engine: Engine, expected: Outcome, got: FoundOutcome): boolean {
  if (outcomeText(expected) !== outcomeText(got)) return false;
  return typeof expected === 'string' || typeof got === 'string' || engine.equal(engine.valueFromJson(expected.value), got.found);
}
