// One decision: the gates in order, the first no wins, silence is no. Only this file makes an `Authorized` value.
// INVARIANT I1: no snapshot, a stale one, no policies, or an engine that fails: deny.
import type { AccessRequest, Decision } from '../domain/access.ts';
import { CODES, type Code } from '../domain/codes.ts';
import { Refusal } from '../domain/refusal.ts';
import { decideGates } from '../policy/gates.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import { approved, NO_GRANTS, type Spent } from './approval.ts';
import { deathOf } from './liveness.ts';
import { reaches } from './segments.ts';
import { isChanged } from './pinned.ts';
import { enforcedVersion, type Snapshot } from './snapshot.ts';

declare const proof: unique symbol;
/** A call that was decided and allowed; what is forwarded is taken from here. */
export type Authorized<C> = { readonly call: C; readonly decision: Decision; readonly [proof]: true };

export type Decided<C> = { readonly decision: Decision; readonly authorized: Authorized<C> | undefined };

export interface DecideLimits {
  /** A snapshot older than this is not decided with. Milliseconds. */
  readonly maxStaleness: number;
  /** How often a grant was used here; absent where nothing is carried out, so that grants count for nothing. */
  readonly spent?: Spent;
}

/**
 * Decides `call.request` with `snapshot`. Never throws. `now` in Unix milliseconds. `remote`: what a remote PDP decided, where one is
 * configured; it can only take away.
 */
export function decide<C extends { readonly request: AccessRequest }>(
  snapshot: Snapshot | undefined,
  call: C,
  now: number,
  limits: DecideLimits,
  remote?: Decision,
): Decided<C> {
  const decision = remoteGate(gates(snapshot, call.request, now, limits), remote);
  const authorized = decision.verdict === 'allow' ? ({ call, decision } as unknown as Authorized<C>) : undefined;
  return { decision, authorized };
}

function gates(snapshot: Snapshot | undefined, request: AccessRequest, now: number, limits: DecideLimits): Decision {
  const version = enforcedVersion(snapshot);
  if (snapshot === undefined || now - snapshot.at > limits.maxStaleness) {
    return refused('CORDON-9012', version, 'the gateway has no current snapshot');
  }
  const { policies } = snapshot;
  if (policies instanceof Refusal) return refused(policies.code, version, policies.message);
  const death = deathOf(snapshot, request, now);
  if (death !== undefined) return refused(death.code, version, death.message);
  // INVARIANT I9: only to a caller that may know the tool; for any other it is as unknown as if it did not exist
  if (isChanged(snapshot, request) && reaches(snapshot.world, request)) {
    return refused('CORDON-3004', version, 'the definition is not the one that was pinned');
  }
  const decision = withCandidate(policyGates(policies, request, snapshot, now), request, snapshot, now);
  return limits.spent === undefined ? decision : approved(decision, request, snapshot.grants ?? NO_GRANTS, limits.spent, now);
}

/** Both must allow; what Cordon itself denies is said first. */
function remoteGate(decision: Decision, remote: Decision | undefined): Decision {
  if (remote === undefined || remote.verdict === 'allow' || decision.verdict !== 'allow') return decision;
  const { policyVersion, gates: asked } = decision;
  return { ...remote, gate: 'remote', policyVersion, ...(asked === undefined ? {} : { gates: asked }) };
}

/** The agent's own rights; of a call on behalf of a user, also the user's, and the mandate. */
function policyGates(policies: PolicySet, request: AccessRequest, { world }: Snapshot, now: number): Decision {
  try {
    return decideGates(policies, request, world, now);
  } catch (error) {
    return refused('CORDON-9001', policies.version, error instanceof Error ? error.message : 'the engine failed');
  }
}

/** Notes what the candidate would have decided. INVARIANT: whatever it says or throws, the decision stays as it is. */
function withCandidate(decision: Decision, request: AccessRequest, snapshot: Snapshot, now: number): Decision {
  const { candidate } = snapshot;
  if (candidate === undefined) return decision;
  const { verdict, code, determining, policyVersion } = policyGates(candidate, request, snapshot, now);
  if (verdict === decision.verdict && code === decision.code) return decision;
  return { ...decision, shadow: { verdict, ...(code === undefined ? {} : { code }), determining, policyVersion } };
}

const refused = (code: Code, policyVersion: number, reason: string): Decision => ({
  verdict: CODES[code].kind === 'system' ? 'error' : 'deny',
  code,
  gate: 'agent',
  determining: [],
  errors: [],
  reason,
  policyVersion,
});
