// The record of a decision (`cordon.decision/v1`), whoever asked for it: a gateway in this process, or a PEP over AuthZEN.
import { sha256Hex } from '../crypto/hash.ts';
import type { AccessRequest, Decision, DecisionRecord, ShadowDecision } from '../domain/access.ts';
import { CODES } from '../domain/codes.ts';
import { writeJson } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { segmentsOf } from './segments.ts';
import type { Snapshot } from './snapshot.ts';

/** What the one who records knows. */
export interface RecordHead {
  /** `dec_…` */
  readonly id: string;
  /** Unix milliseconds. */
  readonly now: number;
  readonly pep: DecisionRecord['pep'];
}

/** `snapshot`: the one that decided. */
export function decisionRecord(
  snapshot: Snapshot | undefined,
  request: AccessRequest,
  decision: Decision,
  { id, now, pep }: RecordHead,
): DecisionRecord {
  const { verdict, code, reason, gate, shadow, policyVersion, determining, errors } = decision;
  const hash = snapshot === undefined || snapshot.policies instanceof Refusal ? undefined : snapshot.policies.hash;
  return {
    schema: 'cordon.decision/v1',
    id,
    ts: new Date(now).toISOString(),
    mode: 'enforce',
    verdict,
    pep,
    action: request.action.name,
    resource: request.resource.id,
    ...(code === undefined ? {} : { code, kind: CODES[code].kind }),
    ...(reason === undefined ? {} : { reason }),
    ...(gate === undefined || verdict === 'allow' ? {} : { gate }),
    principal: request.subject.spiffeId,
    ...(request.subject.run === undefined ? {} : { run: request.subject.run }),
    ...(snapshot === undefined ? {} : { segment: segmentsOf(snapshot.world, request) }),
    ...argsOf(request),
    policy: { version: policyVersion, ...(hash === undefined ? {} : { bundle_hash: hash }), determining },
    ...(errors.length === 0 ? {} : { errors }),
    level: snapshot?.world.levels.get(request.subject.id) ?? 'normal',
    ...(shadow === undefined ? {} : { shadow: shadowOf(shadow) }),
  };
}

const shadowOf = ({ verdict, code, determining, policyVersion }: ShadowDecision): NonNullable<DecisionRecord['shadow']> => ({
  verdict,
  ...(code === undefined ? {} : { code }),
  policy: { version: policyVersion, determining },
});

/** Arguments go into the log as a digest alone; the values stay in the store, where they can be erased. */
function argsOf({ context: { input } }: AccessRequest): Pick<DecisionRecord, 'args'> {
  return input === undefined ? {} : { args: { digest: `sha256:${sha256Hex(writeJson(input))}` } };
}
