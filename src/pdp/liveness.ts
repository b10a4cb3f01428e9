// Is what a call is made with still alive: the run of the caller, and the task token with everything it came from. A token dies with its
// transaction, with any token it was exchanged from, with any run that handed the task on, and while any agent before the caller is off.
import type { AccessRequest, Delegation } from '../domain/access.ts';
import { asRefusal, Refusal } from '../domain/refusal.ts';
import { parseWorkload, trustDomainOf, withoutRun, type SpiffeId } from '../domain/spiffe-id.ts';
import { NOT_FEDERATED, type Snapshot } from './snapshot.ts';

/** Why nothing may be done with it any more, CORDON-4005, 1010 or 2007; undefined while it lives. Never throws. `now`: Unix milliseconds. */
export function deathOf(snapshot: Snapshot, { subject, delegation }: AccessRequest, now: number): Refusal | undefined {
  if (subject.run !== undefined && !isLive(snapshot, { ...subject, run: subject.run }, now)) {
    return new Refusal('CORDON-4005', 'the run has ended or was never started');
  }
  if (delegation === undefined) return undefined;
  if (now >= delegation.expiresAt) return new Refusal('CORDON-1010', 'the task token has expired');
  try {
    const what = revokedIn(snapshot, delegation);
    return what === undefined ? undefined : new Refusal('CORDON-2007', what);
  } catch (error) {
    return asRefusal(error, 'CORDON-9001', 'whether the task token is alive cannot be told'); // INVARIANT I1
  }
}

/** A run as whoever calls shows it: `id` names the agent, `run` the run. */
export interface ShownRun {
  readonly id: string;
  readonly spiffeId: SpiffeId;
  readonly run: string;
}

/**
 * May the run call? One of this domain while it is among the runs; one of another domain, which is called by its whole SPIFFE ID because
 * nobody here knows its runs, while that domain is believed, and it was not revoked.
 */
export function isLive(snapshot: Snapshot, { id, spiffeId, run }: ShownRun, now: number): boolean {
  const known = snapshot.runs.get(run);
  if (known !== undefined) return known.agent === id;
  const { domains, agents } = snapshot.federated ?? NOT_FEDERATED;
  const until = domains.get(trustDomainOf(spiffeId))?.until ?? 0;
  return now < until && agents.get(withoutRun(spiffeId)) === id && !snapshot.revoked.runs.has(run);
}

/** What a token stands on and was revoked, in words. */
export function revokedIn(
  { revoked, world, trustDomain }: Snapshot,
  { token, parents, txn, chain }: Pick<Delegation, 'token' | 'parents' | 'txn' | 'chain'>,
): string | undefined {
  if (revoked.tokens.has(token)) return 'the task token was revoked';
  if (parents.some((parent) => revoked.tokens.has(parent))) return 'a token that the task token was exchanged from was revoked';
  if (revoked.txns.has(txn)) return 'the task was revoked';
  for (const [at, { id, name, run }] of chain.map(parseWorkload).entries()) {
    if (run !== undefined && revoked.runs.has(run)) return `a run of \`${name}\`, through which the task came, was revoked`;
    // the level of the caller itself is for policy; and another domain may have an agent of the same name
    const isBefore = at < chain.length - 1 && trustDomainOf(id) === trustDomain;
    if (isBefore && world.levels.get(name) === 'off') return `\`${name}\`, through which the task came, is off`;
  }
  return undefined;
}
