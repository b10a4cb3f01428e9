// The one place where the state that decisions depend on is put together and published, as one immutable snapshot, to every PEP.
import type { Level } from '../domain/access.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Tool, World } from '../domain/registry.ts';
import type { LiveRun, Snapshot } from '../pdp/snapshot.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import type { Config } from './config.ts';

/** A PEP as the control plane reaches it. */
export interface PepLink {
  readonly id: string;
  apply(snapshot: Snapshot): void;
  contain(snapshot: Snapshot, agent: string, since: number): Promise<Observed>;
}

/** What one PEP saw after an agent's level changed. */
export interface Observed {
  readonly pep: string;
  readonly connections: number;
  readonly calls: number;
  readonly remaining: number;
  /** Milliseconds from the order to the last close. */
  readonly silentMs: number;
}

export interface Publisher {
  readonly current: () => Snapshot;
  readonly world: () => World;
  setTools(resource: string, tools: readonly Tool[], changed: readonly string[]): void;
  setLevel(agent: string, level: Level): void;
  setRun(id: string, run: LiveRun): void;
  endRun(id: string): void;
  /** Compiles the policy set anew against the tools that are known now. */
  setPolicies(compile: (world: World, version: number) => PolicySet): void;
  /** Hands the current state to every PEP. */
  publish(): void;
  /** Publishes, and has every PEP report what it saw of the agent afterwards. */
  contain(agent: string, since: number): Promise<readonly Observed[]>;
  /** Vouches for the current state again, so that it does not grow stale. */
  heartbeat(): void;
  attach(pep: PepLink): void;
}

export function createPublisher(config: Config, now: () => number): Publisher {
  const tools = new Map<string, readonly Tool[]>();
  const changed = new Map<string, readonly string[]>();
  const levels = new Map<string, Level>();
  const runs = new Map<string, LiveRun>();
  const peps: PepLink[] = [];
  let policies: PolicySet | Refusal = new Refusal('CORDON-9007', 'no policies loaded');
  let version = 0;
  let policyVersion = 0;
  let snapshot: Snapshot;

  const world = (): World => ({
    segments: config.segments,
    agents: config.agents,
    resources: config.resources,
    tools: new Map(tools),
    levels: new Map(levels),
  });

  const build = (): Snapshot => ({
    version: ++version,
    at: now(),
    trustDomain: config.trustDomain,
    world: world(),
    policies,
    runs: new Map(runs),
    changedTools: new Set([...changed].flatMap(([resource, names]) => names.map((name) => `${resource}/${name}`))),
  });
  snapshot = build();

  const send = (next: Snapshot): void => {
    snapshot = next;
    for (const pep of peps) pep.apply(next);
  };

  return {
    current: () => snapshot,
    world,
    setTools(resource, found, changedNames): void {
      tools.set(resource, found);
      changed.set(resource, changedNames);
    },
    setLevel(agent, level): void {
      if (level === 'normal') levels.delete(agent);
      else levels.set(agent, level);
    },
    setRun: (id, run) => void runs.set(id, run),
    endRun: (id) => void runs.delete(id),
    setPolicies(compile): void {
      try {
        policies = compile(world(), ++policyVersion);
      } catch (error) {
        // INVARIANT I1: a set that is not admitted leaves nothing allowed, never the set before it with other tools under it
        policies = error instanceof Refusal ? error : new Refusal('CORDON-9006', 'the policy set is not admitted', { cause: error });
      }
    },
    publish: () => send(build()),
    contain(agent, since): Promise<readonly Observed[]> {
      const next = build();
      snapshot = next;
      return Promise.all(peps.map((pep) => pep.contain(next, agent, since)));
    },
    heartbeat: () => send({ ...snapshot, at: now() }),
    attach(pep): void {
      peps.push(pep);
      pep.apply(snapshot);
    },
  };
}
