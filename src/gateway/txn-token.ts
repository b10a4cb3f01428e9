// What goes to a callee inside the trust domain in place of the caller's token, which never goes on (transaction tokens, draft -10).
import { workloadId } from '../domain/spiffe-id.ts';
import type { Call } from './call.ts';
import type { Pep } from './pep.ts';

/** The `Txn-Token` of a call that was decided. @throws Refusal CORDON-9006 */
export function txnTokenFor({ minter, trustDomain }: Pep, { request, plan, task }: Call): string {
  const { subject, action, resource } = request;
  return minter.mint({
    caller: subject.spiffeId,
    action: action.name,
    resource: `${resource.type}:${resource.id}`,
    // an agent is named as it is when it exchanges the token; a resource so that no agent of its name can
    callee: 'agent' in plan ? plan.agent : workloadId(trustDomain, 'resource', plan.server),
    task,
  });
}
