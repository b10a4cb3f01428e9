// How far an agent reaches: what it may call itself, and what the agents that it may ask reach in their own name. And the other way
// round: who reaches an agent, a resource or a segment, directly or through others. Unknown arguments count as `may`. Whether an agent
// that is asked obeys is not for policy to say: it counts as if it did.
import type { Level } from '../../domain/access.ts';
import type { Agent, World } from '../../domain/registry.ts';
import { type Group, METHODS } from '../methods.ts';
import type { PolicySet, Reach } from '../policy-set.ts';
import { Turns } from '../turns.ts';
import { askedOnce } from './alike.ts';
import { type Target, targetsOf, within } from './targets.ts';
import { type Access, type Path, type Step, walk } from './walk.ts';

/** The group of methods by which an agent asks another one. */
const MESSAGE: Group = 'a2a/message';

/** `clerk`; `ledger` or `ledger/pay_invoice`; `finance`, as the kind says. */
export type Subject = { readonly kind: 'agent' | 'resource' | 'segment'; readonly name: string };

/** What of one thing an agent reaches in its own name. */
export type Reached = {
  /** `tools/call`; methods by their group: `mcp/session`, `a2a/message`, `a2a/task`; `a2a/GetAgentCard`, `a2a/GetExtendedAgentCard`. */
  readonly action: string;
  readonly resource: string;
  /** Of the resource. */
  readonly segment: string;
  /** Does the action change nothing? */
  readonly reads: boolean;
  readonly access: Access;
  /** Permits by which, and forbids that may stand against it. */
  readonly permits: readonly string[];
  readonly forbids: readonly string[];
};

/** An agent that acts, and the way to it. */
export type Hop = {
  /** Agents from the one that begins to the one that acts; one that acts by itself stands alone. */
  readonly path: readonly string[];
  /** Of the agent that begins. */
  readonly segment: string;
  /** Of the path: may the first ask the last, for some messages or for all? */
  readonly access: Access;
  /** By the agent that acts. */
  readonly reaches: readonly Reached[];
};

export type Blast = {
  readonly subject: Subject;
  /** What the agent or the members of the segment reach, nearest first; of a resource nothing. */
  readonly reaches: readonly Hop[];
  /** Who else reaches the subject, and what of it, nearest first. */
  readonly reachedBy: readonly Hop[];
  /** False when more is reached than is listed. */
  readonly complete: boolean;
};

/** What a world can be asked about; agents before resources before segments where names are the same. */
export function subjectsIn(world: World): readonly Subject[] {
  const subjects = (kind: Subject['kind'], names: readonly string[]): readonly Subject[] => names.map((name) => ({ kind, name }));
  const tools = [...world.tools].flatMap(([server, listing]) => listing.map(({ name }) => `${server}/${name}`));
  const namesOf = (list: readonly { readonly name: string }[]): readonly string[] => list.map(({ name }) => name);
  return [
    ...subjects('agent', namesOf(world.agents)),
    ...subjects('resource', [...namesOf(world.resources), ...tools]),
    ...subjects('segment', namesOf(world.segments)),
  ];
}

/** The same world after the agents that `subject` is made of were set to `level`. */
export function withLevel(world: World, subject: Subject, level: Level): World {
  return { ...world, levels: new Map([...world.levels, ...membersOf(world, subject).map(({ name }) => [name, level] as const)]) };
}

export const membersOf = (world: World, { kind, name }: Subject): readonly Agent[] =>
  world.agents.filter((agent) => (kind === 'agent' && agent.name === name) || (kind === 'segment' && agent.segment === name));

/** At most `limit` things are listed. `set` covers `world`, which has `subject`. Gives the thread back now and then. */
export async function blastOf(set: PolicySet, world: World, subject: Subject, limit: number): Promise<Blast> {
  const estate = await Estate.of(set, world, limit);
  const members = new Set(membersOf(world, subject).map(({ name }) => name));
  const reaches: Hop[] = [];
  const starts = Array.from(members, (name) => [name, 'always'] as const);
  for (const path of await walk(starts, (agent) => estate.asks(agent))) {
    const hop = await estate.hop(path, () => true);
    if (hop.reaches.length > 0) reaches.push(hop);
  }
  const direct = new Map<string, Hop>();
  for (const { name } of world.agents.filter((agent) => !members.has(agent.name))) {
    const hop = await estate.hop({ agents: [name], access: 'always' }, (thing) => PARTS[subject.kind](thing, subject.name));
    if (hop.reaches.length > 0) direct.set(name, hop);
  }
  return { subject, reaches, reachedBy: [...direct.values(), ...(await through(direct, members, estate))], complete: estate.complete };
}

/** Agents that reach by way of others only, `members` left out. */
async function through(direct: ReadonlyMap<string, Hop>, members: ReadonlySet<string>, estate: Estate): Promise<readonly Hop[]> {
  const starts = [...direct].map(([name, { reaches }]) => [name, strongest(reaches)] as const);
  const paths = await walk(starts, async (agent) => (await estate.askedBy(agent)).filter(([name]) => !members.has(name)));
  return paths.flatMap(({ agents }): readonly Hop[] => {
    const path = agents.toReversed();
    const [first = '', acting = ''] = [path[0], path.at(-1)];
    if (direct.has(first)) return [];
    return [{ path, segment: estate.segmentOf(first), access: estate.accessOf(path), reaches: direct.get(acting)?.reaches ?? [] }];
  });
}

/** What of a subject something is part of. */
const PARTS: Readonly<Record<Subject['kind'], (thing: Target, name: string) => boolean>> = {
  agent: ({ action, id }, name) => action === MESSAGE && id === name,
  resource: ({ type, id }, name) => type !== 'agent' && (id === name || id.startsWith(`${name}/`)),
  segment: ({ segment }, name) => segment === name,
};

const strongest = (all: readonly { readonly access: string }[]): Access =>
  all.some(({ access }) => access === 'always') ? 'always' : 'may';

/** Targets that are one to people: the methods of one group on one resource. */
interface Thing extends Target {
  readonly targets: readonly Target[];
}

function thingsOf(world: World): readonly Thing[] {
  const things = new Map<string, Thing>();
  for (const target of targetsOf(world)) {
    const action = METHODS.get(target.action)?.groups.find((group) => group !== 'read') ?? target.action;
    const key = `${action} ${target.id}`;
    const { reads = true, targets = [] } = things.get(key) ?? {};
    things.set(key, { ...target, action, reads: reads && target.reads, targets: [...targets, target] });
  }
  return [...things.values()];
}

/** A world under a set: who reaches what. */
class Estate {
  readonly #agents: ReadonlyMap<string, Agent>;
  readonly #things: (agent: Agent) => readonly Thing[];
  readonly #messages: ReadonlyMap<string, Thing>;
  readonly #reach: (agent: string, target: Target) => Reach;
  readonly #turns = new Turns();
  #left: number;
  complete = true;

  private constructor(world: World, reach: (agent: string, target: Target) => Reach, limit: number) {
    const things = thingsOf(world);
    this.#agents = new Map(world.agents.map((agent) => [agent.name, agent]));
    this.#things = within(world, things);
    this.#messages = new Map(things.filter(({ action }) => action === MESSAGE).map((thing) => [thing.id, thing]));
    this.#reach = reach;
    this.#left = limit;
  }

  static async of(set: PolicySet, world: World, limit: number): Promise<Estate> {
    const reach = await askedOnce([set], world, (agent, target) => set.reach({ agent, ...target }, world));
    return new Estate(world, reach, limit);
  }

  segmentOf(agent: string): string {
    return this.#agents.get(agent)?.segment ?? '';
  }

  /** Those that `agent` may ask. */
  async asks(agent: string): Promise<readonly Step[]> {
    const steps: Step[] = [];
    for (const callee of this.#agents.keys()) {
      const access = this.#mayAsk(agent, callee);
      if (access !== undefined) steps.push([callee, access]);
      await this.#turns.next();
    }
    return steps;
  }

  /** Those that may ask `agent`. */
  async askedBy(agent: string): Promise<readonly Step[]> {
    const steps: Step[] = [];
    for (const caller of this.#agents.keys()) {
      const access = this.#mayAsk(caller, agent);
      if (access !== undefined) steps.push([caller, access]);
      await this.#turns.next();
    }
    return steps;
  }

  /** Of a path on which each may ask the next. */
  accessOf(path: readonly string[]): Access {
    return path.slice(1).every((callee, at) => this.#mayAsk(path[at] ?? '', callee) === 'always') ? 'always' : 'may';
  }

  #mayAsk(caller: string, callee: string): Access | undefined {
    const [agent, thing] = [this.#agents.get(caller), this.#messages.get(callee)];
    return agent === undefined || thing === undefined ? undefined : this.#reached(agent, thing)?.access;
  }

  /** What the last agent of `path` reaches of the things that are `wanted`. */
  async hop({ agents, access }: Path, wanted: (thing: Thing) => boolean): Promise<Hop> {
    const agent = this.#agents.get(agents.at(-1) ?? '');
    const reaches: Reached[] = [];
    for (const thing of agent === undefined ? [] : this.#things(agent).filter(wanted)) {
      const reached = agent && this.#reached(agent, thing);
      if (reached !== undefined && this.#left > 0) reaches.push(reached);
      if (reached !== undefined && this.#left-- <= 0) this.complete = false;
      await this.#turns.next();
    }
    return { path: agents, segment: this.segmentOf(agents[0] ?? ''), access, reaches };
  }

  #reached({ name }: Agent, { action, id: resource, segment, reads, targets }: Thing): Reached | undefined {
    const found = targets.map((target) => this.#reach(name, target)).filter(({ access }) => access !== 'never');
    if (found.length === 0) return undefined;
    const idsOf = (of: 'permits' | 'forbids'): readonly string[] => [...new Set(found.flatMap((one) => one[of]))];
    return { action, resource, segment, reads, access: strongest(found), permits: idsOf('permits'), forbids: idsOf('forbids') };
  }
}
