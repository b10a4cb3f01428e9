// The official engine beside the compiled one. A sample of decisions is offered to the cross-check (cross-check.ts); once that, or an
// operator, says so, the official engine decides, for as long as the set lives. It reads what it is given again for every request, so it
// is given the entities that a policy can come to from the request, and no others.
import { type Answer, authorizeBy, type Outcome } from './cedar/compiled-set.ts';
import type { EntityRecord } from './cedar/entity.ts';
import { entityToJson, recordToJson, uidToJson } from './cedar/json-write.ts';
import { Official } from './cedar/official.ts';
import { CedarSet, EntityUid, isRecord, type Value } from './cedar/value.ts';
import type { CedarAnswer, CrossCheck, CrossFacts } from './cross-check.ts';
import type { Facts } from './facts.ts';

const SET = 'policies';

export type Watch = Pick<CrossCheck, 'load' | 'offer'>;

export class Oversight {
  readonly #version: number;
  /** Texts by id, of all policies and of those that are enforced. */
  readonly #all: ReadonlyMap<string, string>;
  readonly #enforced: ReadonlyMap<string, string>;
  /** Entities that conditions name: a policy can look into them whatever the request is. */
  readonly #named: readonly EntityUid[];
  #check: Watch | undefined;
  #official: Official | undefined;

  constructor(version: number, all: ReadonlyMap<string, string>, enforced: ReadonlyMap<string, string>, named: readonly EntityUid[]) {
    this.#version = version;
    this.#all = all;
    this.#enforced = enforced;
    this.#named = named;
  }

  /** From now on decisions of this set are the ones that `check` looks at. */
  watch(check: Watch): void {
    check.load(this.#version, { static: this.#all });
    this.#check = check;
  }

  /** Parses the policies once more, about a tenth of a millisecond each. @throws Error when the official engine cannot take them */
  failOver(): void {
    if (this.#official !== undefined) return;
    const official = new Official();
    official.prepare(SET, { static: this.#enforced });
    this.#official = official;
  }

  get failedOver(): boolean {
    return this.#official !== undefined;
  }

  offer(facts: Facts, outcome: Outcome): void {
    this.#check?.offer(this.#version, () => this.#crossFacts(facts), cedarAnswer(authorizeBy(outcome)));
  }

  /** The answer of the official engine. @throws Error when it fails */
  official(facts: Facts): ReturnType<Official['authorize']> {
    if (this.#official === undefined) throw new Error('the official engine is not in charge');
    const { entities, ...request } = this.#crossFacts(facts);
    return this.#official.authorize(SET, request, entities);
  }

  #crossFacts({ principal, action, resource, context, entities }: Facts): CrossFacts {
    const found = new Map<string, EntityRecord>();
    const visit = (one: EntityUid): void => {
      if (found.has(one.key)) return;
      const record = entities.get(one)?.record;
      if (record === undefined) return;
      found.set(one.key, record);
      for (const parent of record.parents) visit(parent);
      for (const value of [record.attrs, record.tags]) for (const inner of namesIn(value)) visit(inner);
    };
    for (const one of [principal, action, resource, ...namesIn(context), ...this.#named]) visit(one);
    const [subject, act, target] = [uidToJson(principal), uidToJson(action), uidToJson(resource)];
    return {
      principal: subject,
      action: act,
      resource: target,
      context: recordToJson(context),
      entities: [...found.values()].map(entityToJson),
    };
  }
}

const cedarAnswer = ({ allowed, reasons, errors }: Answer): CedarAnswer => ({
  allowed,
  reasons,
  errors: errors.map(({ policy }) => policy),
});

/** The entities that a value names. */
export function* namesIn(value: Value): Generator<EntityUid, void> {
  if (value instanceof EntityUid) yield value;
  else if (value instanceof CedarSet) for (const element of value.elements) yield* namesIn(element);
  else if (isRecord(value)) for (const member of value.values()) yield* namesIn(member);
}
