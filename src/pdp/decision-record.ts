// The record of a decision (`cordon.decision/v1`), whoever asked for it: a gateway in this process, or a PEP over AuthZEN.
import { sha256Hex } from '../crypto/hash.ts';
import type { AccessRequest, Decision, DecisionRecord, Delegation, ShadowDecision } from '../domain/access.ts';
import { CODES } from '../domain/codes.ts';
import { type Json, writeJson } from '../domain/json.ts';
import { mandateJson } from '../domain/mandate.ts';
import type { SessionFacts } from '../domain/provenance.ts';
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
  const { verdict, code, reason, gate, gates, approver, grant, shadow, policyVersion, determining, errors } = decision;
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
    ...(gates === undefined ? {} : { gates }),
    principal: request.subject.spiffeId,
    ...(request.subject.run === undefined ? {} : { run: request.subject.run }),
    ...(request.delegation === undefined ? {} : delegationOf(request.delegation)),
    ...(snapshot === undefined ? {} : { segment: segmentsOf(snapshot.world, request) }),
    ...argsOf(request),
    ...(request.session === undefined ? {} : { session: onRecord(request.session) }),
    ...(request.labels === undefined || request.labels.length === 0 ? {} : { labels: request.labels }),
    ...(request.risk === undefined || request.risk.value === 0 ? {} : { risk: request.risk }),
    policy: { version: policyVersion, ...(hash === undefined ? {} : { bundle_hash: hash }), determining },
    ...(errors.length === 0 ? {} : { errors }),
    ...(approver === undefined ? {} : { approver }),
    ...(grant === undefined ? {} : { grants_used: [grant.id] }),
    level: snapshot?.world.levels.get(request.subject.id) ?? 'normal',
    ...(shadow === undefined ? {} : { shadow: shadowOf(shadow) }),
  };
}

const shadowOf = ({ verdict, code, determining, policyVersion }: ShadowDecision): NonNullable<DecisionRecord['shadow']> => ({
  verdict,
  ...(code === undefined ? {} : { code }),
  policy: { version: policyVersion, determining },
});

/** What arguments come to is a value like them. INVARIANT I8 */
function onRecord({ sums: _values, ...facts }: SessionFacts): Omit<SessionFacts, 'sums'> {
  return facts;
}

/** Arguments go into the log as a digest alone; the values stay in the store, where they can be erased. */
function argsOf({ context: { input } }: AccessRequest): Pick<DecisionRecord, 'args'> {
  return input === undefined ? {} : { args: { digest: digestOf(input) } };
}

const digestOf = (json: Json): string => `sha256:${sha256Hex(writeJson(json))}`;

const delegationOf = ({ user, chain, txn, mandate }: Delegation): Partial<DecisionRecord> => ({
  ...(user === undefined ? {} : { on_behalf_of: user.id }),
  chain: chain.map((sub) => ({ sub })),
  txn,
  mandate: { digest: digestOf(mandateJson(mandate)) },
});
