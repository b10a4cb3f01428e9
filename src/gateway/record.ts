// Step 7: the decision before any effect, and refusals like allows. INVARIANT I3
import { timedId } from '../crypto/random.ts';
import type { AccessRequest, Decision, DecisionRecord, Receipt } from '../domain/access.ts';
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
  const { id, version, now } = pep;
  const risk = peer === undefined || enforcer !== undefined ? NO_RISK : pep.runRisk.of(peer.run);
  const raised = peer === undefined || enforcer !== undefined ? {} : pep.runRisk.refused(peer.run, code);
  return append(pep, undefined, {
    action,
    ...(enforcer === undefined ? undefined : { body: enforcer.body }),
    ...(claimed === undefined ? undefined : { claimed }),
    code,
    ...(enforcer === undefined ? undefined : { enforced_by: enforcer.enforced_by }),
    id: newId(pep),
    kind: row.kind,
    mode: 'enforce',
    pep: { id, version },
    policy: { determining: [], version: enforcedVersion(pep.snapshot()) },
    ...(peer === undefined ? undefined : { principal: peer.svid.workload.id }),
    reason: observed === undefined ? message : `${message}: ${observed}`,
    resource,
    ...raisedOf(risk, raised),
    ...(peer === undefined ? undefined : { run: peer.run }),
    schema: 'cordon.decision/v1',
    ts: new Date(now()).toISOString(),
    verdict: row.kind === 'system' && code !== 'CORDON-9011' ? 'error' : 'deny',
  });
}

function append(pep: Pep, request: AccessRequest | undefined, record: DecisionRecord): RecordedDecision {
  const receipt = pep.log.append(record);
  pep.onRecorded({ record, receipt, request });
  return { id: record.id, receipt };
}
