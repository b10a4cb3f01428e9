// Least privilege from what was recorded: for each tool that an agent called with success, a permit for exactly that. Each narrows the
// permit that allowed the calls: its conditions are kept, scope and arguments become those that were seen. So what is proposed allows
// every call that it was made of, and none that is denied now. Nothing is applied; forbids are not touched.
import type { AccessRequest, ResourceType, Verdict } from '../../domain/access.ts';
import type { Code } from '../../domain/codes.ts';
import { Refusal } from '../../domain/refusal.ts';
import type { World } from '../../domain/registry.ts';
import { catalogOf } from '../schema/catalog.ts';
import { isCallable } from '../methods.ts';
import type { PolicyRow, PolicySet } from '../policy-set.ts';
import { SeenArguments, type SeenCondition } from './arguments-seen.ts';
import { targetsOf, within } from './targets.ts';

/** A decision that was recorded. */
export interface RecordedCall {
  readonly request: AccessRequest;
  readonly verdict: Verdict;
  readonly code?: Code;
  /** Unix milliseconds. */
  readonly at: number;
}

/** A permit that is proposed. */
export type ProposedPermit = {
  readonly id: string;
  /** `tools/call`, or the methods that were used. */
  readonly actions: readonly string[];
  readonly type: ResourceType;
  readonly resource: string;
  readonly calls: number;
  /** Of the newest call, Unix milliseconds. */
  readonly last: number;
  /** Id of the permit that allowed the calls, whose conditions are kept. */
  readonly narrows: string;
  readonly conditions: readonly SeenCondition[];
};

/** Calls that were denied when they were made, or would be now: none of them is proposed. */
export type DeniedCalls = { readonly action: string; readonly resource: string; readonly code?: Code; readonly calls: number };

export type Suggestion = {
  readonly agent: string;
  /** Recorded calls of the agent. */
  readonly calls: number;
  readonly permits: readonly ProposedPermit[];
  readonly denied: readonly DeniedCalls[];
  /** Permits by which the agent may do something, and tools and agents that it may call: not once in this time. */
  readonly unused: { readonly permits: readonly string[]; readonly resources: readonly string[] };
};

/** Calls of one kind that one permit allowed. */
interface Group extends Omit<ProposedPermit, 'id' | 'actions' | 'conditions'> {
  readonly actions: ReadonlySet<string>;
  readonly arguments: SeenArguments | undefined;
}

/** Takes the recorded calls of one agent, in any order. */
export class Suggester {
  readonly #set: PolicySet;
  readonly #world: World;
  readonly #agent: string;
  readonly #groups = new Map<string, Group>();
  readonly #denied = new Map<string, DeniedCalls>();
  readonly #used = new Set<string>();
  #calls = 0;

  /** `set`: what is enforced now; it covers `world`. */
  constructor(set: PolicySet, world: World, agent: string) {
    this.#set = set;
    this.#world = world;
    this.#agent = agent;
  }

  add({ request, verdict, code, at }: RecordedCall): void {
    this.#calls++;
    const now = this.#set.decide(request, this.#world);
    const [narrows] = now.determining;
    if (verdict !== 'allow') this.#deny(request, code);
    else if (now.verdict !== 'allow' || narrows === undefined) this.#deny(request, now.code);
    else {
      for (const policy of now.determining) this.#used.add(policy);
      this.#allow(request, narrows, at);
    }
  }

  #deny({ action, resource }: AccessRequest, code: Code | undefined): void {
    const key = JSON.stringify([action.name, resource.id, code]);
    const calls = (this.#denied.get(key)?.calls ?? 0) + 1;
    this.#denied.set(key, { action: action.name, resource: resource.id, ...(code === undefined ? {} : { code }), calls });
  }

  #allow({ action, resource: { type, id: resource }, context }: AccessRequest, narrows: string, at: number): void {
    const key = JSON.stringify([type, resource, narrows]);
    const known = this.#groups.get(key);
    const seen = known?.arguments ?? (isCallable(type) ? this.#argumentsOf(resource) : undefined);
    seen?.add(context.input ?? {});
    const { actions = [], calls = 0, last = at } = known ?? {};
    const counted = { actions: new Set([...actions, action.name]), calls: calls + 1, last: Math.max(last, at) };
    this.#groups.set(key, { type, resource, narrows, ...counted, arguments: seen });
  }

  #argumentsOf(tool: string): SeenArguments | undefined {
    const input = catalogOf(this.#world).get(tool)?.input;
    return input === undefined || input instanceof Refusal ? undefined : new SeenArguments(input);
  }

  suggestion(): Suggestion {
    const ids = new Set(this.#set.policies.map(({ id }) => id));
    const permits = [...this.#groups.values()]
      .toSorted((a, b) => (a.resource < b.resource ? -1 : a.resource > b.resource ? 1 : b.calls - a.calls))
      .map(({ arguments: seen, actions, ...group }): ProposedPermit => {
        const id = freeId(`${this.#agent}.${group.resource}`, ids);
        return { id, actions: [...actions].toSorted(), ...group, conditions: seen?.conditions() ?? [] };
      });
    const denied = [...this.#denied.values()].toSorted((a, b) => b.calls - a.calls);
    return { agent: this.#agent, calls: this.#calls, permits, denied, unused: this.#unused() };
  }

  #unused(): Suggestion['unused'] {
    const called = new Set([...this.#groups.values()].map(({ resource }) => resource));
    const agent = this.#world.agents.find(({ name }) => name === this.#agent);
    const permits = new Set<string>();
    const resources = new Set<string>();
    for (const target of agent === undefined ? [] : within(this.#world, targetsOf(this.#world))(agent)) {
      const reach = this.#set.reach({ agent: this.#agent, ...target }, this.#world);
      if (reach.access === 'never') continue;
      for (const policy of reach.permits) if (!this.#used.has(policy)) permits.add(policy);
      if (target.type !== 'mcp_server' && !NO_USE.has(target.action) && !called.has(target.id)) resources.add(target.id);
    }
    const inOrder = this.#set.policies.filter(({ id }: PolicyRow) => permits.has(id));
    return { permits: inOrder.map(({ id }) => id), resources: [...resources] };
  }
}

/** Whose use is in that of others: of a card, of the tasks that messages began. */
const NO_USE: ReadonlySet<string> = new Set([
  'a2a/GetAgentCard',
  'a2a/GetExtendedAgentCard',
  'a2a/GetTask',
  'a2a/ListTasks',
  'a2a/SubscribeToTask',
  'a2a/GetTaskPushNotificationConfig',
  'a2a/ListTaskPushNotificationConfigs',
  'a2a/DeleteTaskPushNotificationConfig',
]);

const LONGEST_ID = 90;

/** A name in the form of an `@id` that none has yet; it is taken by this. */
function freeId(wanted: string, taken: Set<string>): string {
  const base = wanted.replaceAll(/[^A-Za-z0-9._/-]+/g, '-').slice(0, LONGEST_ID);
  let id = base;
  for (let number = 2; taken.has(id); number++) id = `${base}-${number}`;
  taken.add(id);
  return id;
}
