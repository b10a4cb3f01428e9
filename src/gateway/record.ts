// Steps 7 and 11: the decision before any effect, the outcome after it, and refusals like allows. INVARIANT I3
import { timedId } from '../crypto/random.ts';
import type { AccessRequest, Decision, DecisionRecord, OutcomeRecord, Receipt } from '../domain/access.ts';
import type { Refusal } from '../domain/refusal.ts';
import { NO_RISK, type Points, type RiskFacts } from '../domain/risk.ts';
import { decisionRecord } from '../pdp/decision-record.ts';
import { enforcedVersion } from '../pdp/snapshot.ts';
import type { Peer } from './connections.ts';
import type { Pep } from './pep.ts';

/** What was recorded of a call, and under which name. */
export interface RecordedDecision {
  readonly id: string;
  readonly receipt: Receipt;
}

/** Who carries the call out when that is another data plane, and whether it showed the body. */
export type Enforcer = Required<Pick<DecisionRecord, 'enforced_by' | 'body'>>;

/** Records a decision. @throws Refusal CORDON-9004: then nothing may be forwarded */
export function recordDecision(
  pep: Pep,
  request: AccessRequest,
  decision: Decision,
  { enforcer, raised = {} }: { readonly enforcer?: Enforcer | undefined; readonly raised?: Points } = {},
): RecordedDecision {
  const { id, version } = pep;
  const record = decisionRecord(pep.snapshot(), request, decision, { id: newId(pep), now: pep.now(), pep: { id, version } });
  return append(pep, request, { ...record, ...raisedOf(request.risk, raised), ...enforcer });
}

const raisedOf = (risk: RiskFacts = NO_RISK, raised: Points): Pick<DecisionRecord, 'risk'> =>
  Object.keys(raised).length === 0 ? {} : { risk: { ...risk, raised } };

const newId = (pep: Pep): string => `dec_${timedId(pep.now())}`;

/** What is known of a message that never became a request. */
export interface Seen {
  readonly peer: Peer | undefined;
  /** What an unverified certificate says of itself. */
  readonly claimed?: string | undefined;
  readonly action: string;
  readonly resource: string;
  readonly enforcer?: Enforcer | undefined;
}

/** Records a message that was refused before there was a request to decide on: bad form, no identity, over a limit. */
export function recordRefusal(pep: Pep, refusal: Refusal, { peer, claimed, action, resource, enforcer }: Seen): RecordedDecision {
  const { code, row, message, observed } = refusal;
  const risk = peer === undefined || enforcer !== undefined ? NO_RISK : pep.runRisk.of(peer.run);
  const raised = peer === undefined || enforcer !== undefined ? {} : pep.runRisk.refused(peer.run, code);
  return append(pep, undefined, {
    ...head(pep, row.kind === 'system' && code !== 'CORDON-9011' ? 'error' : 'deny', action, resource),
    code,
    kind: row.kind,
    reason: observed === undefined ? message : `${message}: ${observed}`,
    ...(peer === undefined ? {} : { principal: peer.svid.workload.id, run: peer.run }),
    ...(claimed === undefined ? {} : { claimed }),
    ...raisedOf(risk, raised),
    ...enforcer,
    policy: { version: enforcedVersion(pep.snapshot()), determining: [] },
  });
}

type Head = Pick<DecisionRecord, 'schema' | 'id' | 'ts' | 'mode' | 'verdict' | 'pep' | 'action' | 'resource'>;

const head = (pep: Pep, verdict: DecisionRecord['verdict'], action: string, resource: string): Head => ({
  schema: 'cordon.decision/v1',
  id: newId(pep),
  ts: new Date(pep.now()).toISOString(),
  mode: 'enforce',
  verdict,
  pep: { id: pep.id, version: pep.version },
  action,
  resource,
});

function append(pep: Pep, request: AccessRequest | undefined, record: DecisionRecord): RecordedDecision {
  const receipt = pep.log.append(record);
  pep.onRecorded({ record, receipt, request });
  return { id: record.id, receipt };
}

export type Outcome = Omit<OutcomeRecord, 'schema' | 'ts'>;

/** Records what became of a forwarded call. A log that fails here fails the next decision; this call's effect is done. */
export function recordOutcome(pep: Pep, outcome: Outcome): void {
  try {
    pep.log.append({ schema: 'cordon.outcome/v1', ts: new Date(pep.now()).toISOString(), ...outcome });
  } catch {
    // INVARIANT I3 holds: the decision was recorded, and the log refuses every further one until it is mended
  }
}
