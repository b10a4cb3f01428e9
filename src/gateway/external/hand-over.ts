// Step 8, where another data plane does step 9: what it is told to send on with a call that was authorised and recorded, and with no other.
// The caller's own token never goes on.
import type { Authorized } from '../../pdp/decide.ts';
import type { Call } from '../call.ts';
import type { Pep } from '../pep.ts';
import type { RecordedDecision } from '../record.ts';
import { txnTokenFor } from '../txn-token.ts';
import type { Plane, PlaneRoute } from './plane.ts';

/** The data plane may forward. */
export interface HandedOver {
  readonly allowed: true;
  readonly decisionId: string;
  /** Headers of the request that goes on; each replaces what the caller sent under its name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Headers of the caller that do not go on. */
  readonly remove: readonly string[];
}

/** What only Cordon says. A caller that says it is not believed, so nothing of it may go on. */
export const OWN_HEADERS = ['cordon-decision', 'cordon-caller', 'txn-token', 'authorization', 'dpop'] as const;

/** @throws Refusal CORDON-9006 when a token is to be made and cannot be */
export function handOver(pep: Pep, plane: Plane, terms: PlaneRoute, { call }: Authorized<Call>, { id }: RecordedDecision): HandedOver {
  const { request } = call;
  const headers = {
    'cordon-decision': id,
    'cordon-caller': request.subject.spiffeId,
    ...(terms.txnToken ? { 'txn-token': txnTokenFor(pep, call) } : {}),
    ...terms.credential,
  };
  plane.allowed.add(request.subject.id);
  return { allowed: true, decisionId: id, headers, remove: OWN_HEADERS.filter((name) => !Object.hasOwn(headers, name)) };
}
