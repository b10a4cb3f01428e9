// What one request is about, in Cedar's terms: principal, action, resource and context. From the registry alone; unregistered = does not
// exist, and each kind of absence has its code.
import type { AccessRequest, Delegation, ResourceType } from '../domain/access.ts';
import type { JsonObject } from '../domain/json.ts';
import { type SessionFacts, UNCOUNTED } from '../domain/provenance.ts';
import { Refusal } from '../domain/refusal.ts';
import { type Agent, kindOf, type ResourceKind, type World } from '../domain/registry.ts';
import type { RiskFacts } from '../domain/risk.ts';
import { argumentsOf } from './schema/arguments.ts';
import type { Catalog } from './schema/catalog.ts';
import { type EntityView, Overlay } from './cedar/entities.ts';
import { type CedarRecord, CedarSet, EMPTY_RECORD, type EntityUid, uid, type Value } from './cedar/value.ts';
import { CALLS, isCallable, METHODS } from './methods.ts';
import { byName } from './names.ts';
import { GROUP_TYPE, type Principal, PRINCIPAL_TYPES } from './principals.ts';
import { residentsOf, resourceUid } from './residents.ts';
import { type RecordShape, summed } from './schema/shape.ts';
import { TARGET_TYPES } from './targets.ts';

/** A request by names. */
export interface Wanted {
  readonly agent: string;
  readonly action: string;
  readonly type: ResourceType;
  readonly id: string;
}

export const wantedOf = ({ subject, action, resource }: AccessRequest): Wanted => ({
  agent: subject.id,
  action: action.name,
  type: resource.type,
  id: resource.id,
});

/** Who asks for what, before the arguments are looked at. */
export interface Parties {
  readonly principal: EntityUid;
  readonly action: EntityUid;
  readonly resource: EntityUid;
  readonly entities: EntityView;
  /** The type of `context.input`: none for an empty context, a refusal when the tool could not be typed. */
  readonly input: RecordShape | Refusal | undefined;
}

export interface Facts extends Parties {
  readonly context: CedarRecord;
}

/** @throws Refusal CORDON-1014 unknown agent, 3003 unknown resource, 3007 unregistered segment, 3008 unknown action */
export function partiesOf(wanted: Wanted, world: World, catalog: Catalog): Parties {
  const agent = byName(world.agents, wanted.agent);
  if (agent === undefined) throw new Refusal('CORDON-1014', 'the agent is not registered');
  const isCall = isCallable(wanted.type) && wanted.action === CALLS[wanted.type];
  const target = isCall ? listedCall(wanted, world, catalog) : methodCall(wanted, world);
  checkSegments([agent.segment, target.segment], world);
  const { action, resource, input } = target;
  return { principal: agentUid(agent), action: uid('Action', action), resource, input, entities: residentsOf(world, catalog) };
}

/** The same asked about the agent that calls, or about the user for whom it does. @throws Error for a request on behalf of nobody */
export function partiesFor(request: AccessRequest, principal: Principal, world: World, catalog: Catalog): Parties {
  const parties = partiesOf(wantedOf(request), world, catalog);
  return principal === 'agent' ? parties : asUser(parties, request.delegation);
}

type User = NonNullable<Delegation['user']>;

/** More groups than this no user has. attacker-controlled */
const MAX_GROUPS = 1000;

/** Users are not registered: who it is comes with the request. @throws Error as `partiesFor`, and for too many groups */
export function asUser(parties: Parties, delegation: Delegation | undefined): Parties {
  const user = delegation?.user;
  if (user === undefined) throw new Error('the request is on behalf of nobody');
  if (user.groups.length > MAX_GROUPS) throw new Error(`the user is in more than ${MAX_GROUPS} groups`);
  const principal = uid(PRINCIPAL_TYPES.user, user.id);
  return { ...parties, principal, entities: withUser(parties.entities, principal, user) };
}

/** One token makes many calls: what was found for its user is found again. */
const overlays = new WeakMap<User, { readonly stored: EntityView; readonly overlay: Overlay }>();

function withUser(stored: EntityView, one: EntityUid, user: User): Overlay {
  const known = overlays.get(user);
  if (known?.stored === stored) return known.overlay;
  const attrs = new Map<string, Value>([
    ['id', user.id],
    ['issuer', user.issuer],
  ]);
  const parents = user.groups.map((group) => uid(GROUP_TYPE, group));
  const overlay = new Overlay(stored, [{ uid: one, attrs, tags: EMPTY_RECORD, parents }]);
  overlays.set(user, { stored, overlay });
  return overlay;
}

/** Beside the arguments: what a session knows of them, what the task has brought in, and what speaks against the run. */
export interface Known {
  readonly session?: SessionFacts | undefined;
  readonly labels: readonly string[];
  readonly risk: RiskFacts;
}

/** The request with its arguments, and what is known beside them. @throws Refusal CORDON-3006 */
export function factsOf(parties: Parties, input: JsonObject = {}, known: Known): Facts {
  if (parties.input instanceof Refusal) throw parties.input;
  if (parties.input === undefined) return withoutArguments(parties);
  const { value, entities } = argumentsOf(input, parties.input);
  const all = entities.length === 0 ? parties.entities : new Overlay(parties.entities, entities);
  return { ...parties, entities: all, context: new Map<string, Value>([['input', value], ...knownOf(parties, known)]) };
}

const SESSIONS: ReadonlySet<string> = new Set([TARGET_TYPES.tool, TARGET_TYPES.route]);

/** For agents, as the schema has it. */
function knownOf({ principal, resource, input }: Parties, { session, labels, risk }: Known): readonly (readonly [string, Value])[] {
  if (principal.type !== PRINCIPAL_TYPES.agent) return [];
  const always = [
    ['labels', new CedarSet(labels)],
    ['risk', risk.value],
    ['causes', new CedarSet(Object.keys(risk.causes))],
  ] as const;
  if (session === undefined || !SESSIONS.has(resource.type) || input === undefined || input instanceof Refusal) return always;
  const { effect, sums, recent, ...known } = session;
  const members = Object.entries(known).map(([name, value]) => [name, valueOf(value)] as const);
  const total = (name: string): number => (session.same === UNCOUNTED ? UNCOUNTED : Object.hasOwn(sums, name) ? (sums[name] ?? 0) : 0);
  const totals = new Map<string, Value>(summed(input).map((name) => [name, total(name)]));
  return [
    ...always,
    ['session', new Map<string, Value>([['effect', effect], ...members, ['sums', totals], ['recent', new Map(Object.entries(recent))]])],
    ['untrusted', new CedarSet(session.untrusted)],
  ];
}

const valueOf = (fact: readonly string[] | boolean | number): Value => (typeof fact === 'object' ? new CedarSet(fact) : fact);

/** The request with its arguments left unknown: only what reads no context may be asked. */
export const withoutArguments = (parties: Parties): Facts => ({ ...parties, context: EMPTY_RECORD });

interface Target {
  readonly action: string;
  readonly resource: EntityUid;
  readonly segment: string;
  readonly input: Parties['input'];
}

/** Of a tool or route that the catalog lists. */
function listedCall({ id, type }: Wanted, world: World, catalog: Catalog): Target {
  const tool = catalog.get(id);
  const server = tool?.type === type ? byName(world.resources, tool.server) : undefined;
  if (tool === undefined || server === undefined) throw new Refusal('CORDON-3003', `the ${type} is not registered`);
  return { action: id, resource: uid(TARGET_TYPES[tool.type], id), segment: server.segment, input: tool.input };
}

function methodCall({ action, type, id }: Wanted, world: World): Target {
  const method = METHODS.get(action);
  if (method === undefined) throw new Refusal('CORDON-3008', 'the action is not known');
  if (method.on !== type) {
    throw new Refusal('CORDON-3008', 'the action is not for this kind of resource', { observed: type, expected: method.on });
  }
  const callee = type === 'agent' ? byName(world.agents, id) : undefined;
  if (callee !== undefined) return { action, resource: agentUid(callee), segment: callee.segment, input: method.input };
  const resource = byName(world.resources, id);
  if (resource !== undefined && SERVES[kindOf(resource)] === type) {
    return { action, resource: resourceUid(resource), segment: resource.segment, input: method.input };
  }
  throw new Refusal('CORDON-3003', 'the resource is not registered');
}

/** What is asked of a resource itself. */
const SERVES: Readonly<Partial<Record<ResourceKind, ResourceType>>> = { mcp: 'mcp_server', egress: 'egress' };

const agentUid = ({ name }: Agent): EntityUid => uid('Agent', name);

function checkSegments(names: readonly string[], world: World): void {
  if (names.every((name) => byName(world.segments, name) !== undefined)) return;
  throw new Refusal('CORDON-3007', 'a segment of this call is not registered');
}
