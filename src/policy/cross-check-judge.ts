// One decision again, by the official engine: what the worker of the cross-check does.
import { Official, type OfficialPolicies } from './cedar/official.ts';
import { JsonText } from './cedar/official-json.ts';

/** What a decision comes down to; both lists sorted, so that equal answers look equal. */
export interface CedarAnswer {
  readonly allowed: boolean;
  /** Ids of the policies that decided. */
  readonly reasons: readonly string[];
  /** Ids of the policies that failed to evaluate. */
  readonly errors: readonly string[];
}

/** Some policies of a set: it comes in parts, so that sending a large one holds up nobody. The last one makes it the set. */
export interface Part {
  readonly part: 'first' | 'next';
  readonly last: boolean;
  readonly policies: OfficialPolicies;
}

/** JSON texts of an `OfficialRequest` and its entities; without entities those of the question before. */
export interface Question {
  readonly request: string;
  readonly entities: string | undefined;
}

const SET = 'policies';

export class Judge {
  readonly #official = new Official();
  #parts: OfficialPolicies[] = [];
  #entities: JsonText | undefined;

  /** Takes a part of a set in, or decides by the set. @throws Error when the engine cannot */
  answer(asked: unknown): CedarAnswer | true {
    if (isPart(asked)) return this.#take(asked);
    if (!isQuestion(asked)) throw new Error('that is no question');
    if (asked.entities !== undefined) this.#entities = JsonText.from(asked.entities);
    if (this.#entities === undefined) throw new Error('there are no entities');
    const { allowed, reasons, errors } = this.#official.authorize(SET, JsonText.from(asked.request), this.#entities);
    return { allowed, reasons: reasons.toSorted(), errors: errors.map(({ policy }) => policy).sort() };
  }

  #take({ part, last, policies }: Part): true {
    // the thread before this one may have had the first: half a set would look like a divergence
    if (part === 'next' && this.#parts.length === 0) throw new Error('the policies began with another thread');
    this.#parts = part === 'first' ? [policies] : [...this.#parts, policies];
    if (!last) return true;
    this.#official.prepare(SET, {
      static: new Map(this.#parts.flatMap((one) => [...one.static])),
      templates: new Map(this.#parts.flatMap((one) => [...(one.templates ?? [])])),
      links: this.#parts.flatMap((one) => one.links ?? []),
    });
    this.#parts = [];
    return true;
  }
}

const isPart = (asked: unknown): asked is Part => typeof asked === 'object' && asked !== null && 'part' in asked;
const isQuestion = (asked: unknown): asked is Question => typeof asked === 'object' && asked !== null && 'request' in asked;
export const isAnswer = (answer: unknown): answer is CedarAnswer => typeof answer === 'object' && answer !== null && 'allowed' in answer;
