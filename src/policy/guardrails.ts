// Guardrails: forbids that are part of every policy set, so that one engine, one explanation and one analysis cover them.
// INVARIANT I9: between segments nothing flows without a link. Levels: what containment leaves. No guardrail reads `context`: they hold
// whatever the arguments are, also when the arguments cannot be read at all.
//
// Their order is the order in which a denial names them: a caller that is off learns that; then the segment, so that a caller from
// outside does not even learn the level of what it cannot reach; then the callee's level; then `restricted`; then the user's forbids.
import type { PolicySource } from './policy-set.ts';

/** Ids of guardrails begin so; a user's policy may not. */
export const RESERVED_PREFIX = 'cordon.';

export const GUARDRAILS: PolicySource = {
  path: 'guardrails',
  text: `
@id("cordon.level.off")
@code("CORDON-4002")
@reason("the level of the caller is off")
forbid (principal, action, resource)
when { principal.level == "off" };

@id("cordon.segment")
@code("CORDON-3007")
@reason("the segments of caller and resource are not linked")
forbid (principal, action, resource)
unless { principal.segment == resource.segment || principal.segment.links.contains(resource.segment) };

@id("cordon.level.callee-off")
@code("CORDON-4002")
@reason("the level of the called agent is off")
forbid (principal, action, resource is Agent)
when { resource.level == "off" };

@id("cordon.level.restricted")
@code("CORDON-4004")
@reason("the level of the caller is restricted: only reads are left")
forbid (principal, action, resource)
when { principal.level == "restricted" }
unless { action in Action::"read" };
`,
};
