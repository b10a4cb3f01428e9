// Steps 7 and 11: the decision before any effect, the outcome after it, and refusals like allows. INVARIANT I3
import { randomId } from '../crypto/random.ts';
import { sha256Hex } from '../crypto/hash.ts';
import type { AccessRequest, Decision, DecisionRecord, OutcomeRecord, Receipt } from '../domain/access.ts';
import { CODES } from '../domain/codes.ts';
import { writeJson, type Json } from '../domain/json.ts';
import type { Refusal } from '../domain/refusal.ts';
import { Refusal as RefusalClass } from '../domain/refusal.ts';
import { segmentsOf } from '../pdp/segments.ts';
import type { Peer } from './connections.ts';
import type { Pep } from './pep.ts';

/** What was recorded of a call, and under which name. */
export interface RecordedDecision {
  readonly id: string;
  readonly receipt: Receipt;
}

/** Records a decision. @throws Refusal CORDON-9004: then nothing may be forwarded */
export function recordDecision(pep: Pep, request: AccessRequest, decision: Decision): RecordedDecision {
  const snapshot = pep.snapshot();
  const { code, reason, gate } = decision;
  return append(pep, request, {
    ...head(pep, decision.verdict, request.action.name, request.resource.id),
    ...(code === undefined ? {} : { code, kind: CODES[code].kind }),
    ...(reason === undefined ? {} : { reason }),
    ...(gate === undefined || decision.verdict === 'allow' ? {} : { gate }),
    principal: request.subject.spiffeId,
    ...(request.subject.run === undefined ? {} : { run: request.subject.run }),
    ...(snapshot === undefined ? {} : { segment: segmentsOf(snapshot.world, request) }),
    ...argsOf(request),
    policy: {
      version: decision.policyVersion,
      ...(snapshot === undefined || snapshot.policies instanceof RefusalClass ? {} : { bundle_hash: snapshot.policies.hash }),
      determining: decision.determining,
    },
    ...(decision.errors.length === 0 ? {} : { errors: decision.errors }),
    level: snapshot?.world.levels.get(request.subject.id) ?? 'normal',
  });
}

/** Arguments go into the log as a digest alone; the values stay in the store, where they can be erased. */
const argsOf = (request: AccessRequest): { args?: { digest: string } } => {
  const input = request.context.input;
  return input === undefined ? {} : { args: { digest: `sha256:${sha256Hex(writeJson(input as Json))}` } };
};

/** Records a message that was refused before there was a request to decide on: bad form, no identity, over a limit. */
export function recordRefusal(pep: Pep, refusal: Refusal, seen: { peer: Peer | undefined; claimed?: string; action: string; resource: string }): RecordedDecision {
  const { peer } = seen;
  const reason = refusal.observed === undefined ? refusal.message : `${refusal.message}: ${refusal.observed}`;
  return append(pep, undefined, {
    ...head(pep, refusal.row.kind === 'system' && refusal.code !== 'CORDON-9011' ? 'error' : 'deny', seen.action, seen.resource),
    code: refusal.code,
    kind: refusal.row.kind,
    reason,
    ...(peer === undefined ? {} : { principal: peer.svid.workload.id, run: peer.run }),
    ...(seen.claimed === undefined ? {} : { claimed: seen.claimed }),
    policy: { version: pep.snapshot()?.version ?? 0, determining: [] },
  });
}

type Head = Pick<DecisionRecord, 'schema' | 'id' | 'ts' | 'mode' | 'verdict' | 'pep' | 'action' | 'resource'>;

const head = (pep: Pep, verdict: DecisionRecord['verdict'], action: string, resource: string): Head => ({
  schema: 'cordon.decision/v1',
  id: `dec_${randomId(10)}`,
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

/** Records what became of a forwarded call. A log that fails here fails the next decision; this call's effect is done. */
export function recordOutcome(pep: Pep, outcome: Omit<OutcomeRecord, 'schema' | 'ts'>): void {
  try {
    pep.log.append({ schema: 'cordon.outcome/v1', ts: new Date(pep.now()).toISOString(), ...outcome });
  } catch {
    // INVARIANT I3 holds: the decision was recorded, and the log refuses every further one until it is mended
  }
}
