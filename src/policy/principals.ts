// Whom a policy speaks of. One about users says so in its scope; every other is about agents, also one that leaves its principal open:
//
//   users    principal is User,  principal is User in Group::"finance",  principal == User::"alice",  principal in Group::"finance"
//   agents   principal,  principal == Agent::"clerk",  principal in Segment::"finance"
//
// INVARIANT: the two never answer for one another. Each kind is validated against a schema in which the other kind of principal does not
// act, and is compiled into a set of its own, which is asked about principals of its kind alone.
import type { EstScope } from './cedar/est.ts';
import { uidIn } from './cedar/scope.ts';

export const PRINCIPALS = ['agent', 'user'] as const;
export type Principal = (typeof PRINCIPALS)[number];

/** Cedar's type of a principal. */
export const PRINCIPAL_TYPES = { agent: 'Agent', user: 'User' } as const satisfies Record<Principal, string>;
/** What users are in. */
export const GROUP_TYPE = 'Group';

export const principalOfType = (type: string | undefined): Principal =>
  type === PRINCIPAL_TYPES.user || type === GROUP_TYPE ? 'user' : 'agent';

/** Of a policy that the engine has parsed. */
export function principalOf(scope: EstScope): Principal {
  if (scope.op === 'is') return principalOfType(scope.entity_type);
  return principalOfType('entity' in scope ? uidIn(scope.entity).type : undefined);
}
