// What would be decided: the PDP is asked as the gateway would ask it, without a call, a record or an effect.
import type { AccessRequest, Decision, Explanation } from '../domain/access.ts';
import type { JsonObject } from '../domain/json.ts';
import { NO_RISK } from '../domain/risk.ts';
import type { Control } from './control.ts';
import { type OnBehalf, onBehalfOf } from '../policy/on-behalf.ts';
import { METHODS, targetType } from '../policy/methods.ts';
import type { WhichPolicies } from './policy-sets.ts';

export interface CanQuestion {
  readonly agent: string;
  readonly action: string;
  readonly resource: string;
  readonly input: JsonObject;
  /** For whom the agent would call, and within what. */
  readonly onBehalf?: OnBehalf;
  /** Policies to decide with in place of those that are enforced. */
  readonly draft?: WhichPolicies;
}

export type CanAnswer = {
  readonly schema: 'cordon.can/v1';
  readonly allowed: boolean;
  readonly decision: Decision;
  readonly explanation?: Explanation;
};

/** @throws Refusal for a draft that is not admitted, and for a mandate that is none */
export async function can(control: Control, question: CanQuestion): Promise<CanAnswer> {
  const { draft } = question;
  const set = draft && (await control.analysis.set(draft, control.publisher.current().world));
  const { decision, explanation } = control.ask(requestOf(control, question), set);
  const why = explanation === undefined ? {} : { explanation };
  return { schema: 'cordon.can/v1', allowed: decision.verdict === 'allow', decision, ...why };
}

function requestOf(control: Control, { agent, action, resource, input, onBehalf }: CanQuestion): AccessRequest {
  const type = targetType(action, resource);
  const spiffeId = control.agentId(agent);
  return {
    subject: { type: 'agent', id: agent, spiffeId },
    action: { name: action },
    resource: { type, id: resource },
    context: METHODS.has(action) && METHODS.get(action)?.input === undefined ? {} : { input },
    labels: [], // asked of a task that has brought in nothing, by a run that nothing speaks against
    risk: NO_RISK,
    ...(onBehalf === undefined ? {} : { delegation: onBehalfOf(onBehalf, spiffeId) }),
  };
}
