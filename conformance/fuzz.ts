// Random policy sets, entities and requests, decided by Cordon's evaluator and by the official engine: decision, deciding and failing
// policies must be equal. What differs is made small and printed.
import { JsonText, writeExact } from '../src/policy/cedar/official-json.ts';
import { type Answer, deciderOf, problemIn, type Request } from './decisions.ts';
import { type Engine, ENGINE } from './engine.ts';
import { Expressions } from './expressions.ts';
import { jsonOf, Oracle } from './oracle.ts';
import { type Policy, policyText, randomPolicies } from './policies.ts';
import { Random } from './random.ts';
import type { Score, SuiteOptions } from './score.ts';
import { shrunk, smallerEntities, smallerLists, smallerPolicies, smallerRecords } from './shrink.ts';
import { inThreads, type Part } from './threads.ts';
import { type Entity, randomEntities, randomRequest } from './world.ts';

const REQUESTS = 20_000;
/** A set is decided for this many requests in each of so many situations. */
const WORLDS = 2;
const REQUESTS_PER_WORLD = 100;
/** Enough to see what is wrong. */
const MAX_FAILURES = 3;

export async function run(options: SuiteOptions): Promise<Score> {
  const seed = options.seed ?? Date.now() % 2 ** 31;
  options.onProgress(`seed ${seed}`);
  const score = await inThreads(import.meta.url, 'requests', { ...options, seed });
  return { ...score, notes: [...score.notes, `seed ${seed}: ${summary(score.figures ?? {})}`], figures: { ...score.figures, seed } };
}

const summary = ({ sets = 0, policies = 0, links = 0, allowed = 0, withErrors = 0 }: Readonly<Record<string, number>>): string =>
  `${sets} sets of ${policies} policies and ${links} template links; ${allowed} requests allowed, ${withErrors} with a policy that fails`;

/** A request in its situation, as it was generated. */
export interface Trial {
  readonly policies: readonly Policy[];
  readonly entities: readonly Entity[];
  readonly request: Request;
}

export async function runPart(
  part: Part,
  { seed = 0, requests = REQUESTS }: SuiteOptions,
  onDone: (cases: number) => void,
): Promise<Score> {
  const wanted = Math.ceil(requests / part.of);
  const fuzz = new Fuzz(new Oracle());
  for (let at = part.at; fuzz.requests < wanted && fuzz.notes.length < MAX_FAILURES; at += part.of) {
    fuzz.trySet(new Random(seed + at), Math.min(REQUESTS_PER_WORLD, Math.ceil((wanted - fuzz.requests) / WORLDS)));
    onDone(fuzz.requests);
  }
  return fuzz.score();
}

export class Fuzz {
  requests = 0;
  readonly notes: string[] = [];
  readonly #oracle: Oracle;
  readonly #engine: Engine;
  readonly #figures = { sets: 0, policies: 0, links: 0, allowed: 0, withErrors: 0 };

  constructor(oracle: Oracle, engine = ENGINE) {
    this.#oracle = oracle;
    this.#engine = engine;
  }

  /** One set of policies, and requests in each of a few situations, up to the first that goes wrong. */
  trySet(random: Random, requestsPerWorld: number): void {
    const expressions = new Expressions(random);
    const policies = randomPolicies(random, expressions);
    const parsed = this.#oracle.prepare(policies);
    this.#figures.sets++;
    this.#figures.policies += policies.length;
    this.#figures.links += parsed.filter(({ slots }) => slots !== undefined).length;
    for (let world = 0; world < WORLDS; world++) {
      const entities = randomEntities(random, expressions.values);
      const text = JsonText.of(entities);
      const decide = deciderOf(this.#engine, { policies: parsed, entities: jsonOf(entities) });
      for (let at = 0; at < requestsPerWorld; at++) {
        const request = randomRequest(random, expressions.values, entities);
        const expected = this.#oracle.decide(request, text);
        this.#count(expected);
        if (problemIn(expected, () => decide(request)) === undefined) continue;
        this.notes.push(this.#reproduction({ policies, entities, request }));
        return;
      }
    }
  }

  #count({ allowed, errors }: Answer): void {
    this.requests++;
    if (allowed) this.#figures.allowed++;
    if (errors.length > 0) this.#figures.withErrors++;
  }

  /** What differs for one request alone; the whole situation is set up anew. */
  #problem({ policies, entities, request }: Trial): string | undefined {
    const parsed = this.#oracle.prepare(policies);
    const expected = this.#oracle.decide(request, JsonText.of(entities));
    return problemIn(expected, () => deciderOf(this.#engine, { policies: parsed, entities: jsonOf(entities) })(request));
  }

  #reproduction(failing: Trial): string {
    const least = shrunk(failing, smallerTrials, (trial) => this.#fails(trial));
    return drawn(least, this.#problem(least) ?? 'it goes wrong only after other requests');
  }

  /** What does not parse is no smaller form of what went wrong. */
  #fails(trial: Trial): boolean {
    try {
      return this.#problem(trial) !== undefined;
    } catch {
      return false;
    }
  }

  score(): Score {
    const failed = this.notes.length;
    return { passed: this.requests - failed, failed, notes: this.notes, figures: this.#figures };
  }
}

function* smallerTrials(trial: Trial): Generator<Trial> {
  for (const policies of smallerLists(trial.policies, smallerPolicies)) yield { ...trial, policies };
  for (const entities of smallerLists(trial.entities, smallerEntities)) yield { ...trial, entities };
  for (const context of smallerRecords(trial.request.context)) yield { ...trial, request: { ...trial.request, context } };
}

const drawn = ({ policies, entities, request }: Trial, problem: string): string =>
  [
    problem,
    ...policies.map(
      (policy) => `  ${policy.id}: ${policyText(policy)}${policy.links === undefined ? '' : ` ${JSON.stringify(policy.links)}`}`,
    ),
    `  entities ${writeExact(entities)}`,
    `  request ${writeExact(request)}`,
  ].join('\n');
