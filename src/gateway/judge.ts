// Steps 5 to 7 of a call, whoever carries it out afterwards: this gateway, or another data plane that asked. INVARIANTS I1, I3
import type { AccessRequest, Decision } from '../domain/access.ts';
import { asRefusal, Refusal } from '../domain/refusal.ts';
import { type Cause, NO_RISK, type RiskFacts } from '../domain/risk.ts';
import { decide, type Decided } from '../pdp/decide.ts';
import type { Call } from './call.ts';
import type { Exchange } from './exchange.ts';
import type { Pep } from './pep.ts';
import { noLongerOwn, reconsiderOf, reconsiderRun } from './reconsider.ts';
import { recordDecision, type Enforcer, type RecordedDecision } from './record.ts';
import { noteDone, reserve, type Reserved } from './reserve.ts';
import { type Assessed, causeOfDenial } from './run-risk.ts';
import { runOf } from './runs-of.ts';
import { holdersOf } from './task-labels.ts';

export interface Judged extends Decided<Call> {
  /** As it was decided. */
  readonly call: Call;
  readonly recorded: RecordedDecision;
  /** Gives back what the call holds of its callee. */
  readonly leave: () => void;
}

export interface Judging {
  /** Who carries it out, when not we. */
  readonly enforcer?: Enforcer;
  /** It is a part of a call that has its place already, and this one asks for it. What a callee asks says nothing of its caller's run. */
  readonly partBy?: 'caller' | 'callee';
}

/** For what Cordon itself denies, which is nobody else's business: should it allow after all, nobody else has. INVARIANT I1 */
const NOT_ASKED: Decision = {
  verdict: 'error',
  code: 'CORDON-9001',
  determining: [],
  errors: [],
  reason: 'the remote PDP was not asked',
  policyVersion: 0,
};

/** What a remote PDP says; undefined where none is configured. */
export async function askRemote(pep: Pep, call: Call, judging: Judging = {}): Promise<Decision | undefined> {
  const { remote } = pep;
  if (remote === undefined) return undefined;
  const { authorized } = decide(pep.snapshot(), assessed(pep, call, judging).call, pep.now(), pep.settings);
  return authorized === undefined ? NOT_ASKED : (await remote.evaluate(call.request)).decision;
}

/**
 * Where several gateways share what runs have brought in: all of them know what this call brings before it is forwarded, or it is not. A call
 * that is not allowed brings nothing. INVARIANTS I3, I6
 * @throws Refusal CORDON-9012 they do not all answer, CORDON-4003
 */
async function announce(pep: Pep, call: Call, remote: Decision | undefined, judging: Judging): Promise<Call> {
  const { shared } = pep;
  const bringing = shared && pep.taskLabels.bringing(call.request, pep.snapshot());
  if (shared === undefined || bringing === undefined) return call;
  const { authorized } = decide(pep.snapshot(), assessed(pep, call, judging).call, pep.now(), pep.settings, remote);
  if (authorized === undefined) return call;
  const brought = await shared.bring(bringing);
  pep.taskLabels.settle(bringing);
  return { ...call, brought };
}

export interface Ready {
  readonly reserved: Reserved;
  readonly remote: Decision | undefined;
  readonly judging: Judging;
}

/** All that has to be waited for before the decision. @throws Refusal as `reserve`, `announce` */
export async function readied(pep: Pep, shown: Pick<Exchange, 'proof'>, asked: Call, judging: Judging = {}): Promise<Ready> {
  const reserved = await reserve(pep, shown, asked);
  try {
    const remote = await askRemote(pep, reserved.call, judging);
    return { reserved: { ...reserved, call: await announce(pep, reserved.call, remote, judging) }, remote, judging };
  } catch (error) {
    reserved.giveBack();
    throw error;
  }
}

/** What is counted for several gateways was counted before; of a call that is not made it is given back. @throws Refusal as `judge` */
export function judgeReady(pep: Pep, { reserved: { call, begin, giveBack }, remote, judging }: Ready): Judged {
  begin();
  try {
    const judged = judge(pep, call, remote, judging);
    if (judged.authorized === undefined) giveBack();
    return judged;
  } catch (error) {
    giveBack();
    throw error;
  }
}

/**
 * A call that is a part of another, which was allowed: decided and recorded as a call of its own, in the place of that one.
 * @throws Refusal what the decision says, when it is no
 */
export async function permitPart(
  pep: Pep,
  { before: _counted, brought: _brought, ...rest }: Call,
  request: AccessRequest,
  by: 'caller' | 'callee',
): Promise<void> {
  const ready = await readied(pep, { proof: undefined }, { ...rest, request: uncounted(request) }, { partBy: by });
  const { decision, authorized } = judgeReady(pep, ready);
  if (authorized === undefined) throw new Refusal(decision.code ?? 'CORDON-9001', decision.reason ?? 'that may not be asked');
}

/** Without what was counted for the call that it is a part of. */
function uncounted({ delegation, ...request }: AccessRequest): AccessRequest {
  if (delegation === undefined) return request;
  const { made: _made, done: _done, ...rest } = delegation;
  return { ...request, delegation: rest };
}

/**
 * Decides the call and records the decision; what is allowed counts against its budget.
 * @throws Refusal CORDON-9004 when it cannot be recorded: then nothing may be carried out
 */
export function judge(pep: Pep, asked: Call, remote: Decision | undefined, judging: Judging = {}): Judged {
  const { enforcer, partBy } = judging;
  const known = assessed(pep, asked, judging); // 5
  let { call } = known;
  const decided = decide(pep.snapshot(), call, pep.now(), pep.settings, remote);
  const raised = known.run.settle(denialOf(pep, call, decided.decision, remote));
  const { decision, authorized, leave } =
    enforcer === undefined && partBy === undefined ? withPlace(pep, decided) : { ...decided, leave: NOTHING };
  try {
    const recorded = recordDecision(pep, call.request, decision, { enforcer, raised });
    if (authorized !== undefined) {
      pep.budgets.spend(call.request, pep.now());
      noteDone(pep, call.request);
      pep.taskSessions.admit(call.request);
      const { labels, own, isNews } = pep.taskLabels.admit(call.request, pep.snapshot());
      if (isNews) reconsiderOf(pep, holdersOf(call.request));
      if (labels.length > 0) noLongerOwn(pep, holdersOf(call.request), labels);
      call = { ...call, brought: call.brought ?? own };
    }
    if (Object.keys(raised).length > 0) reconsiderRun(pep, runOf(call.request));
    if (decision.grant !== undefined) pep.spent.use(decision.grant.id, pep.now());
    return { call, decision, authorized, recorded, leave };
  } catch (error) {
    leave();
    throw error;
  }
}

/** Step 5, at once before the decision: what is in flight has been counted. Who only asks what would be decided settles nothing. */
function assessed(pep: Pep, call: Call, { enforcer, partBy }: Judging): { readonly call: Call; readonly run: Assessed } {
  const snapshot = pep.snapshot();
  const counted = pep.taskSessions.known(pep.budgets.counted(call.request), snapshot, call.before);
  const known = { ...call, request: pep.taskLabels.labelled(counted, snapshot, call.brought) };
  // only what the run does over its own mTLS speaks against it
  const run = pep.runRisk.assess(known.request, partBy !== 'callee' && enforcer === undefined);
  return { call: withRisk(known, run.risk), run };
}

const withRisk = (call: Call, risk: RiskFacts): Call => ({ ...call, request: { ...call.request, risk } });

/** What a denial says of the run. What risk alone denies says nothing more: else who tries again would never get out of it. */
function denialOf(pep: Pep, call: Call, decision: Decision, remote: Decision | undefined): Cause | undefined {
  const cause = causeOfDenial(decision);
  if (cause === undefined || call.request.risk === undefined || call.request.risk.value === 0) return cause;
  const otherwise = decide(pep.snapshot(), withRisk(call, NO_RISK), pep.now(), pep.settings, remote).decision;
  return otherwise.verdict === 'deny' ? cause : undefined;
}

const NOTHING = (): void => undefined;

/** An allow whose callee has no room, or has stopped answering, is none: nothing is spent on it, and it is on record as what it is. */
function withPlace(pep: Pep, decided: Decided<Call>): Decided<Call> & Pick<Judged, 'leave'> {
  const { decision, authorized } = decided;
  if (authorized === undefined) return { ...decided, leave: NOTHING };
  try {
    return { ...decided, leave: pep.upstreams.guards.enter(authorized.call.plan) };
  } catch (error) {
    const { code, message } = asRefusal(error, 'CORDON-9001', 'the gateway failed');
    const { grant: _unused, ...rest } = decision;
    return { decision: { ...rest, verdict: 'error', code, reason: message }, authorized: undefined, leave: NOTHING };
  }
}
