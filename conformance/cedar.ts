// The public Cedar integration tests (test/support/corpus.ts): decision, deciding and failing policies of every request, by Cordon's
// evaluator; `shouldValidate` of every test, by the official engine as Cordon runs it.
import type { EstPolicy } from '../src/policy/cedar/est.ts';
import { Official } from '../src/policy/cedar/official.ts';
import { statementsOf } from '../src/policy/statements.ts';
import { type CorpusTest, corpusTests } from '../test/support/corpus.ts';
import { type DecisionCase, type ParsedPolicy, problemsOf } from './decisions.ts';
import { ENGINE } from './engine.ts';
import type { Score, SuiteOptions } from './score.ts';
import { inThreads, type Part } from './threads.ts';

/** How many there are. */
const WHOLE = { requests: 62_472 + 74, tests: 7_809 + 22 };

export async function run(options: SuiteOptions): Promise<Score> {
  const score = await inThreads(import.meta.url, 'requests', options);
  const { requests = 0, tests = 0, impossible = 0, invalid = 0 } = score.figures ?? {};
  const short = options.sample === 1 && (requests !== WHOLE.requests || tests !== WHOLE.tests);
  const said = [
    `decision, deciding and failing policies: ${score.passed} of ${requests} requests agree`,
    `shouldValidate: ${tests - invalid} of ${tests} tests agree, ${impossible} of them by a warning that the policy is impossible`,
    ...(short ? [`the archives hold ${WHOLE.requests} requests in ${WHOLE.tests} tests`] : []),
  ];
  return { ...score, failed: score.failed + (short ? 1 : 0), notes: [...score.notes, ...said] };
}

/** The handwritten tests run whole, whatever the sample. */
export async function runPart(part: Part, { sample }: SuiteOptions, onDone: (cases: number) => void): Promise<Score> {
  const reader = new CorpusReader();
  const tally = new Tally();
  for await (const test of corpusTests('handwritten-tests.tar.gz', part.of, part.at)) tally.add(test, reader);
  const every = Math.round(1 / sample);
  for await (const test of corpusTests('corpus-tests.tar.gz', every * part.of, every * part.at)) {
    tally.add(test, reader);
    onDone(tally.requests);
  }
  return tally.score();
}

const SHOWN = 20;

class Tally {
  requests = 0;
  #agreeing = 0;
  #tests = 0;
  #invalid = 0;
  #impossible = 0;
  readonly #notes: string[] = [];

  add(test: CorpusTest, reader: CorpusReader): void {
    this.#validity(test, reader);
    for (const [at, problem] of problemsOf(ENGINE, reader.caseOf(test)).entries()) {
      this.requests++;
      if (problem === undefined) this.#agreeing++;
      else this.#note(`${test.name} request ${at}: ${problem}`);
    }
  }

  #validity(test: CorpusTest, reader: CorpusReader): void {
    this.#tests++;
    const { valid, impossible } = reader.validityOf(test);
    if (valid === test.shouldValidate) return;
    if (valid && impossible) this.#impossible++;
    else {
      this.#invalid++;
      this.#note(`${test.name}: ${valid ? 'validates' : 'does not validate'}, against the corpus`);
    }
  }

  #note(line: string): void {
    if (this.#notes.length < SHOWN) this.#notes.push(line);
  }

  score(): Score {
    return {
      passed: this.#agreeing,
      failed: this.requests - this.#agreeing + this.#invalid,
      notes: this.#notes,
      figures: { requests: this.requests, tests: this.#tests, invalid: this.#invalid, impossible: this.#impossible },
    };
  }
}

/** The tests as cases. Policies and schemas repeat, so what was parsed is kept. */
export class CorpusReader {
  readonly #official = new Official();
  readonly #ests = new Map<string, EstPolicy>();
  readonly #schemas = new Map<string, unknown>();

  caseOf(test: CorpusTest): DecisionCase {
    return {
      name: test.name,
      policies: this.#policiesOf(test),
      schema: this.#schemaOf(test.schema),
      entities: test.entities,
      requests: test.requests.map(({ allowed, reasons, errors, ...request }) => ({ ...request, expected: { allowed, reasons, errors } })),
    };
  }

  #policiesOf({ name, policies }: CorpusTest): readonly ParsedPolicy[] {
    return [...textsOf(name, policies)].map(([id, text]) => ({ id, est: this.#estOf(text) }));
  }

  /** Strictly. What the corpus holds to be invalid because it can never apply, the engine has come to warn of. */
  validityOf({ name, policies, schema }: CorpusTest): { readonly valid: boolean; readonly impossible: boolean } {
    const { errors, warnings } = this.#official.validate({ static: textsOf(name, policies) }, schema);
    return { valid: errors.length === 0, impossible: warnings.some(({ message }) => message.startsWith('policy is impossible')) };
  }

  #estOf(text: string): EstPolicy {
    const known = this.#ests.get(text);
    if (known !== undefined) return known;
    const est = this.#official.parsePolicy(text);
    if (!('effect' in est)) throw new Error(`a policy of the corpus does not parse: ${est[0]?.message}`);
    this.#ests.set(text, est);
    return est;
  }

  #schemaOf(text: string): unknown {
    const known = this.#schemas.get(text);
    if (known !== undefined) return known;
    const schema = this.#official.schemaToJsonWithResolvedTypes(text);
    this.#schemas.set(text, schema);
    return schema;
  }
}

/** `policy0`, `policy1`, … as they stand. */
const textsOf = (path: string, policies: string): ReadonlyMap<string, string> =>
  new Map(statementsOf({ path, text: policies }).statements.map(({ text }, at) => [`policy${at}`, text]));
