// What a person approved. A grant is bound to a digest of who asks, for whom, and what exactly is asked, arguments included; it lifts what
// policies say needs approval (`@approval`) and nothing else, because everything is decided again with it. INVARIANT I4
import { sha256Hex } from '../crypto/hash.ts';
import type { AccessRequest, Decision } from '../domain/access.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject, writeJson } from '../domain/json.ts';
import { type OperatorRole, roleHolds } from '../domain/operators.ts';

/** What was answered to one exact request. */
export interface Grant {
  /** `gr_…` */
  readonly id: string;
  /** `narrowed`: approved, but with other arguments; that call has a grant of the same id. */
  readonly answer: 'approved' | 'refused' | 'narrowed';
  /** The arguments that take the place of its own. */
  readonly narrowed?: JsonObject;
  /** Of who answered, then: it lifts nothing that is for a higher role. */
  readonly role: OperatorRole;
  /** Calls that it is good for. */
  readonly uses: number;
  /** Unix milliseconds. */
  readonly until: number;
}

export interface Grants {
  /** By the digest of what was asked. */
  readonly answered: ReadonlyMap<string, Grant>;
  /** What was approved of whom on what, whatever the arguments: `targetOf`. */
  readonly targets: ReadonlySet<string>;
}

export const NO_GRANTS: Grants = { answered: new Map(), targets: new Set() };

/** How often a grant was used here. */
export type Spent = (grant: string) => number;

/** The same for the same caller, user, action, resource and arguments, in whatever order they come. */
export function digestOf({ subject, action, resource, context, delegation }: AccessRequest): string {
  const user = delegation?.user === undefined ? null : [delegation.user.issuer, delegation.user.id];
  return sha256Hex(writeJson([subject.id, user, action.name, resource.type, resource.id, sorted(context.input ?? null)]));
}

/** Who asks for what, without the arguments. */
export const targetOf = ({ subject, action, resource, delegation }: AccessRequest): string =>
  JSON.stringify([subject.id, delegation?.user?.issuer, delegation?.user?.id, action.name, resource.type, resource.id]);

/** The decision with what was answered to this very request, where approval is what it waits for. `now`: Unix milliseconds. */
export function approved(decision: Decision, request: AccessRequest, { answered, targets }: Grants, spent: Spent, now: number): Decision {
  if (decision.verdict !== 'approval_required') return decision;
  const grant = answered.get(digestOf(request));
  if (grant === undefined) return targets.has(targetOf(request)) ? { ...decision, code: 'CORDON-5006' } : decision;
  if (now >= grant.until) return { ...decision, code: 'CORDON-5003' };
  if (grant.answer === 'refused') return { ...decision, verdict: 'deny', code: 'CORDON-5005' };
  if (grant.id !== request.grant && spent(grant.id) >= grant.uses) return { ...decision, code: 'CORDON-5004' };
  if (!roleHolds(grant.role, decision.approver ?? 'admin')) return decision; // the policies ask for more than they did
  if (grant.narrowed !== undefined) return { ...decision, verdict: 'deny', code: 'CORDON-5007', narrowed: grant.narrowed };
  const { code: _code, gate: _gate, reason: _reason, approver: _approver, ...rest } = decision;
  return { ...rest, verdict: 'allow', grant: { id: grant.id, until: grant.until } };
}

/** With members in the order of their names. */
function sorted(json: Json): Json {
  if (isJsonArray(json)) return json.map(sorted);
  if (!isJsonObject(json)) return json;
  const members = Object.entries(json).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, value]) => [name, sorted(value)]));
}
