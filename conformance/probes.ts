// Value probes. For random expressions Cordon's evaluator says what their values are; the official engine is then asked, many in one call,
// whether each is equal to that value, or whether it fails. A wrong value inside a condition seldom changes a decision; here it cannot hide.
import type { Json } from '../src/domain/json.ts';
import type { Environment } from '../src/policy/cedar/compile.ts';
import type { EstExpr, EstPolicy } from '../src/policy/cedar/est.ts';
import { JsonText, writeExact } from '../src/policy/cedar/official-json.ts';
import { type Answer, deciderOf, differenceOf, type Request } from './decisions.ts';
import { type Engine, ENGINE } from './engine.ts';
import { Expressions } from './expressions.ts';
import { leaf, type Node, node, textOf } from './node.ts';
import { jsonOf, Oracle } from './oracle.ts';
import { environmentsOf, type Outcome, outcomeOf, outcomeText, type Prepared, preparedOf } from './outcomes.ts';
import type { Policy } from './policies.ts';
import { Random } from './random.ts';
import type { Score, SuiteOptions } from './score.ts';
import { shrunk, smallerEntities, smallerLists, smallerNodes, smallerRecords } from './shrink.ts';
import { inThreads, type Part } from './threads.ts';
import { TYPES } from './vocabulary.ts';
import { type Entity, randomEntities, randomRequest } from './world.ts';

const PROBES = 200_000;
/** Expressions that are asked about in one call. */
export const AT_ONCE = 60;
const WORLDS = 2;
const REQUESTS_PER_WORLD = 8;
const MAX_FAILURES = 3;

export async function run(options: SuiteOptions): Promise<Score> {
  const seed = options.seed ?? Date.now() % 2 ** 31;
  options.onProgress(`seed ${seed}`);
  const score = await inThreads(import.meta.url, 'probes', { ...options, seed });
  const { expressions = 0, values = 0, failing = 0 } = score.figures ?? {};
  const summary = `seed ${seed}: ${expressions} expressions, ${values} values and ${failing} failures of evaluation`;
  return { ...score, notes: [...score.notes, summary], figures: { ...score.figures, seed } };
}

export async function runPart(part: Part, { seed = 0, requests = PROBES }: SuiteOptions, onDone: (cases: number) => void): Promise<Score> {
  const wanted = Math.ceil(requests / part.of);
  const probes = new Probes(new Oracle());
  for (let at = part.at; probes.asked < wanted && probes.notes.length < MAX_FAILURES; at += part.of) {
    probes.tryExpressions(new Random(seed + at));
    onDone(probes.asked);
  }
  return probes.score();
}

/** One expression for one request, as it was generated. */
interface Trial {
  readonly expression: Node;
  readonly entities: readonly Entity[];
  readonly request: Request;
}

/** Told of every evaluation. */
export type Observer = (prepared: Prepared, env: Environment) => void;

export class Probes {
  readonly notes: string[] = [];
  readonly #oracle: Oracle;
  readonly #engine: Engine;
  readonly #observe: Observer;
  readonly #figures = { expressions: 0, values: 0, failing: 0, unwritable: 0 };

  constructor(oracle: Oracle, engine = ENGINE, observe: Observer = () => undefined) {
    this.#oracle = oracle;
    this.#engine = engine;
    this.#observe = observe;
  }

  get asked(): number {
    return this.#figures.values + this.#figures.failing;
  }

  /** Some expressions in some situations, up to the first that goes wrong. */
  tryExpressions(random: Random): void {
    const made = new Expressions(random);
    const expressions = random.list(AT_ONCE, () => randomProbe(random, made));
    const parsed = this.#oracle.prepare(expressions.map(policyOf));
    const prepared = parsed.map(({ est }) => preparedOf(this.#engine, probedIn(est)));
    this.#figures.expressions += AT_ONCE;
    for (let world = 0; world < WORLDS; world++) {
      const entities = randomEntities(random, made.values);
      const environment = environmentsOf(this.#engine, jsonOf(entities));
      for (let at = 0; at < REQUESTS_PER_WORLD; at++) {
        const request = randomRequest(random, made.values, entities);
        const env = environment(request);
        const outcomes = prepared.map((one) => outcomeOf(this.#engine, one, env));
        for (const outcome of outcomes) this.#count(outcome);
        for (const one of prepared) this.#observe(one, env);
        const probed = [...entities, holderOf(outcomes)];
        const answer = this.#oracle.decide(request, JsonText.of(probed));
        const wrong = expressions[firstWrong(outcomes, answer)];
        if (wrong !== undefined) return void this.notes.push(this.#reproduction({ expression: wrong, entities, request }));
        // the same as one set of policies, which share what they can
        const asSet =
          at === 0 ? differenceOf(answer, deciderOf(this.#engine, { policies: parsed, entities: jsonOf(probed) })(request)) : undefined;
        if (asSet !== undefined) return void this.notes.push(`each expression alone is right, but together: ${asSet}`);
      }
    }
  }

  #count(outcome: Outcome): void {
    if (typeof outcome === 'object') this.#figures.values++;
    else if (outcome === 'fails') this.#figures.failing++;
    else this.#figures.unwritable++;
  }

  #outcome({ expression, entities, request }: Trial): { readonly outcome: Outcome; readonly agrees: boolean } {
    const [parsed] = this.#oracle.prepare([policyOf(expression, 0)]);
    if (parsed === undefined) throw new Error('a policy was lost');
    const outcome = outcomeOf(
      this.#engine,
      preparedOf(this.#engine, probedIn(parsed.est)),
      environmentsOf(this.#engine, jsonOf(entities))(request),
    );
    const answer = this.#oracle.decide(request, JsonText.of([...entities, holderOf([outcome])]));
    return { outcome, agrees: firstWrong([outcome], answer) < 0 };
  }

  /** What does not parse is no smaller form of what went wrong. */
  #fails(trial: Trial): boolean {
    try {
      return !this.#outcome(trial).agrees;
    } catch {
      return false;
    }
  }

  #reproduction(failing: Trial): string {
    const least = shrunk(failing, smallerTrials, (trial) => this.#fails(trial));
    const { expression, entities, request } = least;
    return [
      `the official engine does not agree: ${outcomeText(this.#outcome(least).outcome)}`,
      `  of ${textOf(expression)}`,
      `  entities ${writeExact(entities)}`,
      `  request ${writeExact(request)}`,
    ].join('\n');
  }

  score(): Score {
    const failed = this.notes.length;
    return { passed: this.asked - failed, failed, notes: this.notes, figures: this.#figures };
  }
}

export const randomProbe = (random: Random, made: Expressions): Node =>
  made.of(random.pick(random.chance(0.5) ? TYPES : ['bool', 'long']), random.pick([1, 2, 2, 3]));

const idOf = (at: number): string => `probe${at}`;

/** An entity that holds the values; no expression knows of it. */
const PROBE = { type: 'Probe', id: 'values' };

export const policyOf = (expression: Node, at: number): Policy => ({
  id: idOf(at),
  effect: 'permit',
  scope: ['principal', 'action', 'resource'],
  conditions: [{ kind: 'when', body: node('bool')`${expression} == ${leaf('bool', `Probe::"values".${idOf(at)}`)}` }],
});

/** The expression in such a policy. */
export function probedIn({ conditions }: EstPolicy): EstExpr {
  const equality = conditions[0]?.body['=='];
  if (typeof equality !== 'object' || equality === null || !('left' in equality)) throw new Error('not the policy of a probe');
  return equality.left as EstExpr;
}

/** What has no value is compared with `true`: if it fails, then by itself. */
export const holderOf = (outcomes: readonly Outcome[]): Entity => ({
  uid: PROBE,
  attrs: Object.fromEntries(outcomes.map((outcome, at): [string, Json] => [idOf(at), typeof outcome === 'object' ? outcome.value : true])),
  tags: {},
  parents: [],
});

/** Index of the first outcome that the engine does not confirm; −1 when it confirms them all. */
export function firstWrong(outcomes: readonly Outcome[], { reasons, errors }: Answer): number {
  const [equal, failing] = [new Set(reasons), new Set(errors)];
  return outcomes.findIndex((outcome, at) => outcome !== 'unwritable' && !(outcome === 'fails' ? failing : equal).has(idOf(at)));
}

function* smallerTrials(trial: Trial): Generator<Trial> {
  for (const expression of smallerNodes(trial.expression)) yield { ...trial, expression };
  for (const entities of smallerLists(trial.entities, smallerEntities)) yield { ...trial, entities };
  for (const context of smallerRecords(trial.request.context)) yield { ...trial, request: { ...trial.request, context } };
}
