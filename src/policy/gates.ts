// A call on behalf of a user is allowed if three permit it, never because one of them would: the agent by its own rights, the user by
// theirs, and the mandate of the task. All three are asked, so that the record shows what each said; the first that does not permit names
// the denial. An agent that acts for itself has no user to ask; a call without a task
// token has one gate, the agent's.
import {
  type AccessRequest,
  type Decision,
  type Delegation,
  type Explanation,
  type Gate,
  GATES,
  type GateVerdict,
  type Verdict,
} from '../domain/access.ts';
import { allows } from '../domain/mandate.ts';
import type { World } from '../domain/registry.ts';
import { mandateCall, nearestEntries } from './mandate-entries.ts';
import { TOOL_CALL } from './methods.ts';
import type { PolicySet, PolicyTrace } from './policy-set.ts';

/** Never throws. `now`: Unix milliseconds. */
export function decideGates(set: PolicySet, request: AccessRequest, world: World, now: number): Decision {
  const agent = set.decide(request, world);
  const { delegation } = request;
  if (delegation === undefined) return agent.verdict === 'allow' ? agent : { ...agent, gate: 'agent' };
  const user = delegation.user && set.decide(request, world, 'user');
  return withShadow({ agent, user, mandate: mandateDecision(delegation, request, set.version, now) });
}

/** Why `decideGates` says what it says: by the gate that refused, or by both kinds of policies. @throws Error when the engine fails */
export function explainGates(set: PolicySet, request: AccessRequest, world: World, now: number): Explanation {
  const { delegation } = request;
  if (delegation === undefined) return set.explain(request, world);
  const { gate } = decideGates(set, request, world, now);
  if (gate === 'mandate') {
    const nearest = nearestEntries(delegation.mandate, mandateCall(request, delegation), seconds(now));
    return { determining: [], nearest };
  }
  if (gate !== undefined) return set.explain(request, world, gate === 'user' ? 'user' : 'agent');
  const both =
    delegation.user === undefined ? [set.explain(request, world)] : [set.explain(request, world), set.explain(request, world, 'user')];
  return { determining: both.flatMap(({ determining }) => determining), nearest: [] };
}

/** The policies of both kinds that the request exercises. */
export const traceGates = (set: PolicySet, request: AccessRequest, world: World): readonly PolicyTrace[] =>
  request.delegation?.user === undefined ? set.trace(request, world) : [...set.trace(request, world), ...set.trace(request, world, 'user')];

/** The names of the tools of `resource` that the caller of `request` may see: those that no gate keeps from it whatever the arguments are. */
export function visibleThroughGates(
  set: PolicySet,
  request: AccessRequest,
  resource: string,
  world: World,
  now: number,
): readonly string[] {
  const { subject, delegation } = request;
  const visible = set.visibleTools(subject.id, resource, world, delegation);
  if (delegation === undefined) return visible;
  return visible.filter((name) => names(delegation, `${resource}/${name}`, now));
}

const names = ({ mandate }: Delegation, tool: string, now: number): boolean =>
  allows(mandate, { action: TOOL_CALL, resource: { type: 'tool', id: tool } }, seconds(now));

function mandateDecision(delegation: Delegation, request: AccessRequest, policyVersion: number, now: number): Decision {
  const found = { determining: [], errors: [], policyVersion } as const;
  const permitted = allows(delegation.mandate, mandateCall(request, delegation), seconds(now));
  return permitted ? { verdict: 'allow', ...found } : { verdict: 'deny', code: 'CORDON-3019', ...found };
}

const seconds = (milliseconds: number): number => Math.floor(milliseconds / 1000);

/** Nobody asks for a user who is not there. */
type Asked = { readonly agent: Decision; readonly user: Decision | undefined; readonly mandate: Decision };

/** The intersection. */
function through(asked: Asked): Decision {
  const { agent, user, mandate } = asked;
  const gates = { agent: verdictOf(agent), ...(user === undefined ? {} : { user: verdictOf(user) }), mandate: verdictOf(mandate) };
  const all = GATES.flatMap((gate) => asked[gate] ?? []);
  const errors = all.flatMap((decision) => decision.errors);
  // who is denied anyway asks nobody
  const gate = gateThat(asked, (verdict) => verdict === 'deny' || verdict === 'error') ?? gateThat(asked, (verdict) => verdict !== 'allow');
  const refused = gate && asked[gate];
  if (gate !== undefined && refused !== undefined) return { ...refused, errors, gate, gates };
  return {
    verdict: 'allow',
    determining: all.flatMap(({ determining }) => determining),
    errors,
    policyVersion: agent.policyVersion,
    gates,
  };
}

const gateThat = (asked: Asked, says: (verdict: Verdict) => boolean): Gate | undefined =>
  GATES.find((gate) => says(asked[gate]?.verdict ?? 'allow'));

/** With what would be decided if the policies in shadow were enforced, where that is something else. */
function withShadow(asked: Asked): Decision {
  const { agent, user, mandate } = asked;
  const decision = through({ agent: plain(agent), user: user && plain(user), mandate });
  if (agent.shadow === undefined && user?.shadow === undefined) return decision;
  const { verdict, code, determining, policyVersion } = through({ agent: shadowed(agent), user: user && shadowed(user), mandate });
  if (verdict === decision.verdict && code === decision.code) return decision;
  return { ...decision, shadow: { verdict, ...(code === undefined ? {} : { code }), determining, policyVersion } };
}

const plain = ({ shadow: _shadow, ...decision }: Decision): Decision => decision;

const shadowed = (decision: Decision): Decision =>
  decision.shadow === undefined ? decision : { ...decision.shadow, errors: decision.errors };

const verdictOf = ({ verdict, determining }: Decision): GateVerdict => ({ determining, verdict });
