// Steps 6 and 7 of a call, whoever carries it out afterwards: this gateway, or another data plane that asked. INVARIANTS I1, I3
import type { Decision } from '../domain/access.ts';
import { decide, type Decided } from '../pdp/decide.ts';
import type { Call } from './call.ts';
import type { Pep } from './pep.ts';
import { recordDecision, type Enforcer, type RecordedDecision } from './record.ts';

export interface Judged extends Decided<Call> {
  /** As it was decided. */
  readonly call: Call;
  readonly recorded: RecordedDecision;
}

/** What a remote PDP says, where one is configured. What Cordon itself denies is nobody else's business. */
export async function askRemote(pep: Pep, call: Call): Promise<Decision | undefined> {
  const { remote } = pep;
  if (remote === undefined) return undefined;
  const { authorized } = decide(pep.snapshot(), call, pep.now(), pep.settings);
  return authorized && (await remote.evaluate(call.request)).decision;
}

/**
 * Decides the call and records the decision; what is allowed counts against its budget. `enforcer`: who carries it out, when not we.
 * @throws Refusal CORDON-9004 when it cannot be recorded: then nothing may be carried out
 */
export function judge(pep: Pep, asked: Call, remote: Decision | undefined, enforcer?: Enforcer): Judged {
  const call = { ...asked, request: pep.budgets.counted(asked.request) };
  const { decision, authorized } = decide(pep.snapshot(), call, pep.now(), pep.settings, remote);
  const recorded = recordDecision(pep, call.request, decision, enforcer);
  if (authorized !== undefined) pep.budgets.spend(call.request, pep.now());
  if (decision.grant !== undefined) pep.spent.use(decision.grant.id, pep.now());
  return { call, decision, authorized, recorded };
}
