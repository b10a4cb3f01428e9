// The record of a decision (`cordon.decision/v1`), whoever asked for it: a gateway in this process, or a PEP over AuthZEN.
import { sha256Hex } from '../crypto/hash.ts';
import type { AccessRequest, Decision, DecisionRecord, Delegation, ShadowDecision } from '../domain/access.ts';
import { CODES } from '../domain/codes.ts';
import { type Json, writeJson } from '../domain/json.ts';
import { mandateJson, type Mandate } from '../domain/mandate.ts';
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
  const delegation = request.delegation === undefined ? undefined : delegationOf(request.delegation);
  const { labels, risk, session, subject } = request;
  // members in the order in which the log has them, so that they need not be put into it
  return {
    action: request.action.name,
    ...(approver === undefined ? undefined : { approver }),
    ...argsOf(request),
    ...(delegation === undefined ? undefined : { chain: delegation.chain }),
    ...(code === undefined ? undefined : { code }),
    ...(errors.length === 0 ? undefined : { errors }),
    ...(gate === undefined || verdict === 'allow' ? undefined : { gate }),
    ...(gates === undefined ? undefined : { gates }),
    ...(grant === undefined ? undefined : { grants_used: [grant.id] }),
    id,
    ...(code === undefined ? undefined : { kind: CODES[code].kind }),
    ...(labels === undefined || labels.length === 0 ? undefined : { labels }),
    level: snapshot?.world.levels.get(subject.id) ?? 'normal',
    ...(delegation === undefined ? undefined : { mandate: delegation.mandate }),
    mode: 'enforce',
    ...(delegation?.on_behalf_of === undefined ? undefined : { on_behalf_of: delegation.on_behalf_of }),
    pep,
    policy: { ...(hash === undefined ? undefined : { bundle_hash: hash }), determining, version: policyVersion },
    principal: subject.spiffeId,
    ...(reason === undefined ? undefined : { reason }),
    resource: request.resource.id,
    ...(risk === undefined || risk.value === 0 ? undefined : { risk }),
    ...(subject.run === undefined ? undefined : { run: subject.run }),
    schema: 'cordon.decision/v1',
    ...(snapshot === undefined ? undefined : { segment: segmentsOf(snapshot.world, request) }),
    ...(session === undefined ? undefined : { session: onRecord(session) }),
    ...(shadow === undefined ? undefined : { shadow: shadowOf(shadow) }),
    ts: new Date(now).toISOString(),
    ...(delegation === undefined ? undefined : { txn: delegation.txn }),
    verdict,
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

/** Of each mandate once: it comes with every call under its token. */
const digests = new WeakMap<Mandate, string>();

function mandateDigest(mandate: Mandate): string {
  let digest = digests.get(mandate);
  if (digest === undefined) digests.set(mandate, (digest = digestOf(mandateJson(mandate))));
  return digest;
}

const digestOf = (json: Json): string => `sha256:${sha256Hex(writeJson(json))}`;

const delegationOf = ({ user, chain, txn, mandate }: Delegation): Pick<DecisionRecord, 'on_behalf_of' | 'chain' | 'mandate' | 'txn'> => ({
  ...(user === undefined ? {} : { on_behalf_of: user.id }),
  chain: chain.map((sub) => ({ sub })),
  txn,
  mandate: { digest: mandateDigest(mandate) },
});
