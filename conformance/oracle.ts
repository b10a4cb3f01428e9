// The official engine's answers, and the parsed policies that Cordon's evaluator compiles.
import type { JsonObject } from '../src/domain/json.ts';
import type { EstPolicy } from '../src/policy/cedar/est.ts';
import { Official } from '../src/policy/cedar/official.ts';
import type { JsonText } from '../src/policy/cedar/official-json.ts';
import type { Answer, ParsedPolicy, Request } from './decisions.ts';
import { type Policy, policyText } from './policies.ts';
import type { Entity } from './world.ts';

const SET = 'set';

export class Oracle {
  readonly #official = new Official();

  /** Decides by these policies from now on. @throws Error when one does not parse */
  prepare(policies: readonly Policy[]): readonly ParsedPolicy[] {
    const [templates, plain] = [policies.filter(({ links }) => links !== undefined), policies.filter(({ links }) => links === undefined)];
    const texts = (some: readonly Policy[]): ReadonlyMap<string, string> => new Map(some.map((policy) => [policy.id, policyText(policy)]));
    const links = templates.flatMap(({ id, links: made = [] }) =>
      made.map((link) => ({ template: id, id: link.id, values: new Map(Object.entries(link.values)) })),
    );
    this.#official.prepare(SET, { static: texts(plain), templates: texts(templates), links });
    return policies.flatMap((policy) => this.#parsed(policy));
  }

  #parsed(policy: Policy): readonly ParsedPolicy[] {
    const { id, links } = policy;
    const text = policyText(policy);
    const est = links === undefined ? this.#official.parsePolicy(text) : this.#official.parseTemplate(text);
    if (!isEst(est)) throw new Error(`does not parse: ${est[0]?.message}\n${text}`);
    return links === undefined ? [{ id, est }] : links.map((link) => ({ id: link.id, est, slots: link.values }));
  }

  /** @throws Error when the engine refuses the request */
  decide(request: Request, entities: JsonText): Answer {
    const { allowed, reasons, errors } = this.#official.authorize(SET, request, entities);
    return { allowed, reasons, errors: errors.map(({ policy }) => policy) };
  }
}

/** As Cordon's evaluator reads them. */
export const jsonOf = (entities: readonly Entity[]): JsonObject[] =>
  entities.map((entity) => ({ ...entity, uid: { ...entity.uid }, parents: entity.parents.map((parent) => ({ ...parent })) }));

const isEst = (parsed: EstPolicy | readonly unknown[]): parsed is EstPolicy => 'effect' in parsed;
