// The PDP of an ordinary application: its own Cedar policies, schema and entities, asked by its own PEPs. Nothing of Cordon's world is in it.
import type { JsonObject } from '../../domain/json.ts';
import { CODES, type Code } from '../../domain/codes.ts';
import type { Verdict } from '../../domain/access.ts';
import { evaluate, type Outcome } from '../../policy/cedar/compiled-set.ts';
import { CedarInputError } from '../../policy/cedar/input-error.ts';
import { uid } from '../../policy/cedar/value.ts';
import { type ApplicationFacts, factsOf } from './application-facts.ts';
import { type Application, type ApplicationPolicy, type ApplicationSources, loadApplication } from './application-load.ts';
import { obligationJson } from './obligations.ts';
import type { AuthzenEntity, AuthzenPdp, Evaluation, EvaluationRequest } from './port.ts';

/** @throws Refusal CORDON-9006 naming file and place, CORDON-9007 when there is no policy */
export const openApplication = async (sources: ApplicationSources): Promise<AuthzenPdp> =>
  new ApplicationPdp(await loadApplication(sources));

class ApplicationPdp implements AuthzenPdp {
  readonly obligations: readonly string[];
  readonly #application: Application;
  /** Ids of the stored entities of a type, ascending. */
  readonly #ids = new Map<string, readonly string[]>();

  constructor(application: Application) {
    this.#application = application;
    const attached = [...application.policies.values()].flatMap((policy) => policy.obligations.map(({ type }) => type));
    this.obligations = [...new Set(attached)].toSorted();
    for (const type of application.types.keys()) {
      this.#ids.set(type, Array.from(application.entities.all(type), ({ uid: { id } }) => id).toSorted(ascending));
    }
  }

  readonly revision = (): string => this.#application.hash;

  evaluate(asked: EvaluationRequest): Evaluation {
    const action = this.#application.actions.get(asked.action.name);
    if (action === undefined || !this.#applies(asked.action.name, asked.subject, asked.resource)) return denied('CORDON-3008');
    try {
      return this.#judged(factsOf(this.#application, asked, action));
    } catch (error) {
      if (error instanceof CedarInputError) return denied('CORDON-3006', { error: { status: 400, message: error.message } });
      throw error;
    }
  }

  subjects(type: string, { action, resource }: Omit<EvaluationRequest, 'subject'>): readonly string[] {
    return this.#isKnown(resource) && this.#applies(action.name, { type }, resource) ? this.#idsOf(type) : [];
  }

  resources(type: string, { subject, action }: Omit<EvaluationRequest, 'resource'>): readonly string[] {
    return this.#isKnown(subject) && this.#applies(action.name, subject, { type }) ? this.#idsOf(type) : [];
  }

  actions({ subject, resource }: Omit<EvaluationRequest, 'action'>): readonly string[] {
    if (!this.#isKnown(subject) || !this.#isKnown(resource)) return [];
    return [...this.#application.actions.keys()].filter((name) => this.#applies(name, subject, resource)).toSorted(ascending);
  }

  /** A search speaks of what is stored, or described by the caller: of a name alone it knows nothing. */
  #isKnown({ type, id, properties }: AuthzenEntity): boolean {
    return properties !== undefined || this.#application.entities.get(uid(type, id)) !== undefined;
  }

  #applies(action: string, subject: Pick<AuthzenEntity, 'type'>, resource: Pick<AuthzenEntity, 'type'>): boolean {
    const known = this.#application.actions.get(action);
    return known !== undefined && known.principals.has(subject.type) && known.resources.has(resource.type);
  }

  #idsOf(type: string): readonly string[] {
    return this.#ids.get(type) ?? [];
  }

  #judged({ request, entities, dropped }: ApplicationFacts): Evaluation {
    const judgement = this.#judgement(evaluate(this.#application.set, request, entities));
    return evaluation(judgement, dropped.length === 0 ? {} : { dropped });
  }

  #judgement({ permits, forbids, errors }: Outcome): Judgement {
    const forbidding = this.#enforced(forbids);
    const [first] = forbidding;
    if (first !== undefined) return { verdict: 'deny', code: first.code, policies: forbidding };
    const failed = this.#enforced(errors.map(({ policy }) => ({ id: policy }))).filter(({ effect }) => effect === 'forbid');
    // Cedar would skip a forbid that fails, which fails open
    if (failed.length > 0) return { verdict: 'error', code: 'CORDON-9005', policies: failed };
    const permitting = this.#enforced(permits);
    if (permitting.length > 0) return { verdict: 'allow', policies: permitting };
    return { verdict: 'deny', code: 'CORDON-3001', policies: [] };
  }

  /** In the order of the set, without those that are only watched. */
  #enforced(held: readonly { readonly id: string }[]): readonly ApplicationPolicy[] {
    const policies = held.flatMap(({ id }) => this.#application.policies.get(id) ?? []);
    return policies.filter(({ mode }) => mode === 'enforce').toSorted((a, b) => a.order - b.order);
  }
}

interface Judgement {
  readonly verdict: Verdict;
  readonly code?: Code;
  /** Those that decided. */
  readonly policies: readonly ApplicationPolicy[];
}

const denied = (code: Code, more: JsonObject = {}): Evaluation => evaluation({ verdict: 'deny', code, policies: [] }, {}, more);

function evaluation({ verdict, code, policies }: Judgement, noted: JsonObject, more: JsonObject = {}): Evaluation {
  const reason = policies.find(({ annotations }) => annotations['reason'] !== undefined)?.annotations['reason'];
  const obligations = new Map(policies.flatMap((policy) => policy.obligations.map((one) => [one.id, one])));
  return {
    decision: verdict === 'allow',
    context: {
      cordon: { verdict, ...(code === undefined ? {} : { code, kind: CODES[code].kind }), ...noted },
      ...(reason === undefined || verdict === 'allow' ? {} : { reason }),
      ...(obligations.size === 0 ? {} : { obligations: Array.from(obligations.values(), obligationJson) }),
      ...more,
    },
  };
}

const ascending = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
