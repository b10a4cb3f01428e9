// The PDP of Cordon's own world, for PEPs that are not ours: agents as subjects; tools, MCP servers and agents as resources; decided by
// the policies, levels and segments that every gateway enforces.
import { type AccessRequest, type Decision, RESOURCE_TYPES, type ResourceType } from '../../domain/access.ts';
import { CODES, type Code } from '../../domain/codes.ts';
import { sha256Hex } from '../../crypto/hash.ts';
import { isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { Refusal } from '../../domain/refusal.ts';
import { kindOf, type ResourceKind, type World } from '../../domain/registry.ts';
import { workloadId } from '../../domain/spiffe-id.ts';
import { CALLS, isCallable, METHODS } from '../../policy/methods.ts';
import { decide, type DecideLimits } from '../decide.ts';
import type { Snapshot } from '../snapshot.ts';
import type { AuthzenEntity, AuthzenPdp, Evaluation, EvaluationRequest, Purpose } from './port.ts';
import { misfit } from './request.ts';

export interface WorldParts {
  readonly snapshot: () => Snapshot;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly limits: DecideLimits;
  /** May the PEP that asks speak for this agent? */
  readonly speaksFor: (agent: string) => boolean;
  /** Puts a decision on record before it is told. @returns its id. @throws Refusal CORDON-9004 */
  readonly record: (snapshot: Snapshot, request: AccessRequest, decision: Decision) => string;
}

/** As one PEP may ask it. */
export const worldPdp = (parts: WorldParts): AuthzenPdp => new WorldPdp(parts);

class WorldPdp implements AuthzenPdp {
  readonly obligations: readonly string[] = [];
  readonly #parts: WorldParts;

  constructor(parts: WorldParts) {
    this.#parts = parts;
  }

  /** Not the snapshot's number: that grows with every run that starts. */
  revision(): string {
    const { world, policies, changedTools } = this.#parts.snapshot();
    const set = policies instanceof Refusal ? policies.code : policies.hash;
    return sha256Hex(JSON.stringify([set, [...world.levels], [...changedTools], RESOURCES.tool(world)]));
  }

  evaluate(asked: EvaluationRequest, purpose: Purpose): Evaluation {
    const snapshot = this.#parts.snapshot();
    const request = requestOf(asked, snapshot);
    if (typeof request === 'string') return evaluation({ verdict: 'deny', code: request });
    const decision = this.#decide(snapshot, request);
    const recorded = purpose === 'decision' ? { decision_id: this.#parts.record(snapshot, request, decision) } : {};
    const { code, reason = 'no decision was made' } = decision;
    // what a forbid that fails to evaluate says is an answer; that there is no policy, or no snapshot, is none
    if (code !== undefined && code !== 'CORDON-9005' && CODES[code].kind === 'system') throw new Refusal(code, reason);
    return evaluation(decision, recorded);
  }

  #decide(snapshot: Snapshot, request: AccessRequest): Decision {
    if (this.#parts.speaksFor(request.subject.id)) return decide(snapshot, { request }, this.#parts.now(), this.#parts.limits).decision;
    const reason = 'the PEP may not speak for this agent';
    return { verdict: 'deny', code: 'CORDON-1012', determining: [], errors: [], reason, policyVersion: 0 };
  }

  subjects(type: string): readonly string[] {
    return type === 'agent' ? RESOURCES.agent(this.#parts.snapshot().world).toSorted() : [];
  }

  resources(type: string): readonly string[] {
    const known = resourceTypeOf(type);
    return known === undefined ? [] : RESOURCES[known](this.#parts.snapshot().world).toSorted();
  }

  actions({ resource: { type } }: { readonly resource: AuthzenEntity }): readonly string[] {
    const methods = [...METHODS].filter(([, { on }]) => on === type).map(([name]) => name);
    const known = resourceTypeOf(type);
    return (known !== undefined && isCallable(known) ? [CALLS[known], ...methods] : methods).toSorted();
  }
}

const namesIn = ({ resources }: World, kind: ResourceKind): readonly string[] =>
  resources.filter((resource) => kindOf(resource) === kind).map(({ name }) => name);

const callablesIn = (world: World, kind: ResourceKind): readonly string[] =>
  namesIn(world, kind).flatMap((of) => (world.tools.get(of) ?? []).map(({ name }) => `${of}/${name}`));

const RESOURCES: Readonly<Record<ResourceType, (world: World) => readonly string[]>> = {
  tool: (world) => callablesIn(world, 'mcp'),
  route: (world) => callablesIn(world, 'http'),
  mcp_server: (world) => namesIn(world, 'mcp'),
  egress: (world) => namesIn(world, 'egress'),
  agent: ({ agents }) => agents.map(({ name }) => name),
};

const resourceTypeOf = (type: string): ResourceType | undefined => RESOURCE_TYPES.find((known) => known === type);

/** As a gateway would ask, or why nobody can. A user as subject is not decided on yet. @throws Refusal CORDON-9011 */
function requestOf({ subject, action, resource, context = {} }: EvaluationRequest, { world, trustDomain }: Snapshot): AccessRequest | Code {
  const type = resourceTypeOf(resource.type);
  if (subject.type !== 'agent' || !world.agents.some(({ name }) => name === subject.id)) return 'CORDON-1014';
  if (type === undefined) return 'CORDON-3003';
  const { input } = context;
  if (input !== undefined && !isJsonObject(input)) throw misfit('`context.input` must be an object');
  const run = runIn(subject.properties?.['run']);
  const spiffeId = workloadId(trustDomain, 'agent', subject.id, run);
  return {
    subject: { type: 'agent', id: subject.id, spiffeId, ...(run === undefined ? {} : { run }) },
    action: { name: action.name },
    resource: { type, id: resource.id },
    context: input === undefined ? {} : { input },
  };
}

const RUN = /^[0-9A-Z]{4,32}$/;

/** A decision for a run ends with the run. */
function runIn(run: Json | undefined): string | undefined {
  if (run === undefined || (typeof run === 'string' && RUN.test(run))) return run;
  throw misfit('`subject.properties.run` is not the id of a run');
}

type Told = Pick<Decision, 'verdict' | 'code' | 'reason' | 'shadow'>;

function evaluation({ verdict, code, reason, shadow }: Told, recorded: JsonObject = {}): Evaluation {
  return {
    decision: verdict === 'allow',
    context: {
      cordon: {
        verdict,
        mode: 'enforce',
        ...(code === undefined ? {} : { code, kind: CODES[code].kind }),
        ...(shadow === undefined
          ? {}
          : { shadow: { verdict: shadow.verdict, ...(shadow.code === undefined ? {} : { code: shadow.code }) } }),
        ...recorded,
      },
      ...(reason === undefined ? {} : { reason }),
    },
  };
}
