// Calls on behalf of a user, for the tests of the gates.
import type { AccessRequest, Delegation } from '../../src/domain/access.ts';
import type { Json } from '../../src/domain/json.ts';
import { type OnBehalf, onBehalfOf } from '../../src/policy/on-behalf.ts';

export const ISSUER = 'https://idp.example';

/** The same call, made for a user. `over`: what the token says besides. */
export function forUser(request: AccessRequest, user: OnBehalf, over: Partial<Delegation> = {}): AccessRequest {
  return { ...request, delegation: { ...onBehalfOf({ issuer: ISSUER, ...user }, request.subject.spiffeId), ...over } };
}

/** The same call, made by an agent that acts for nobody but itself, within a mandate. */
export function forItself(request: AccessRequest, mandate: Json): AccessRequest {
  const { user: _nobody, ...delegation } = onBehalfOf({ user: '', mandate }, request.subject.spiffeId);
  return { ...request, delegation };
}

/** A mandate of one entry for tools. */
export const toolsOnly = (locations: readonly string[], limits?: Json): Json => [
  { type: 'cordon_task', actions: ['tools/call'], locations, ...(limits === undefined ? {} : { arguments: limits }) },
];
