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
export type Observed = {
  readonly pep: string;
  readonly connections: number;
  readonly calls: number;
  readonly remaining: number;
  /** Milliseconds from the order to the last close. */
  readonly silentMs: number;
};

export interface Publisher {
  readonly current: () => Snapshot;
  readonly world: () => World;
  setTools(resource: string, tools: readonly Tool[], changed: readonly string[]): void;
  setLevel(agent: string, level: Level): void;
  /** A run may call from now on; one that was ended stays ended. */
  setRun(id: string, run: LiveRun): void;
  endRun(id: string): void;
  /** What is enforced, or why nothing is; and what is looked at beside it. */
  setPolicies(policies: PolicySet | Refusal, candidate?: PolicySet): void;
  /** Hands the current state to every PEP. */
  publish(): void;
  /** Publishes, and has every PEP report what it saw of the agent afterwards. `since`: performance.now() of the order. */
  contain(agent: string, since: number): Promise<readonly Observed[]>;
  /** Vouches for the current state again, so that it does not grow stale, and forgets the runs whose last certificate has expired. */
  heartbeat(): void;
  attach(pep: PepLink): void;
}

/** `now`: Unix milliseconds. */
export const createPublisher = (config: Config, now: () => number): Publisher => new StatePublisher(config, now);

class StatePublisher implements Publisher {
  readonly #config: Config;
  readonly #now: () => number;
  readonly #tools = new Map<string, readonly Tool[]>();
  readonly #changed = new Map<string, readonly string[]>();
  readonly #levels = new Map<string, Level>();
  readonly #runs = new Map<string, LiveRun>();
  /** Runs that were ended, and when: a renewal that was under way then must not bring them back. */
  readonly #ended = new Map<string, number>();
  readonly #peps: PepLink[] = [];
  #policies: PolicySet | Refusal = new Refusal('CORDON-9007', 'no policies loaded');
  #candidate: PolicySet | undefined;
  #version = 0;
  #snapshot: Snapshot;

  constructor(config: Config, now: () => number) {
    this.#config = config;
    this.#now = now;
    this.#snapshot = this.#build();
  }

  readonly current = (): Snapshot => this.#snapshot;

  readonly world = (): World => ({
    segments: this.#config.segments,
    agents: this.#config.agents,
    resources: this.#config.resources,
    tools: new Map(this.#tools),
    levels: new Map(this.#levels),
  });

  setTools(resource: string, tools: readonly Tool[], changed: readonly string[]): void {
    this.#tools.set(resource, tools);
    this.#changed.set(resource, changed);
  }

  setLevel(agent: string, level: Level): void {
    if (level === 'normal') this.#levels.delete(agent);
    else this.#levels.set(agent, level);
  }

  setRun(id: string, run: LiveRun): void {
    if (!this.#ended.has(id)) this.#runs.set(id, run);
  }

  endRun(id: string): void {
    this.#runs.delete(id);
    this.#ended.set(id, this.#now());
  }

  setPolicies(policies: PolicySet | Refusal, candidate?: PolicySet): void {
    this.#policies = policies;
    this.#candidate = candidate;
  }

  publish(): void {
    this.#send(this.#build());
  }

  contain(agent: string, since: number): Promise<readonly Observed[]> {
    const next = this.#build();
    this.#snapshot = next;
    return Promise.all(this.#peps.map((pep) => pep.contain(next, agent, since)));
  }

  heartbeat(): void {
    const now = this.#now();
    const expired = [...this.#runs].filter(([, run]) => run.notAfter <= now);
    for (const [id] of expired) this.#runs.delete(id);
    for (const [id, at] of this.#ended) if (now - at > this.#config.svidTtl) this.#ended.delete(id);
    if (expired.length > 0) this.publish();
    else this.#send({ ...this.#snapshot, at: now });
  }

  attach(pep: PepLink): void {
    this.#peps.push(pep);
    pep.apply(this.#snapshot);
  }

  #build(): Snapshot {
    return {
      version: ++this.#version,
      at: this.#now(),
      trustDomain: this.#config.trustDomain,
      world: this.world(),
      policies: this.#policies,
      ...(this.#candidate === undefined ? {} : { candidate: this.#candidate }),
      runs: new Map(this.#runs),
      changedTools: new Set([...this.#changed].flatMap(([resource, names]) => names.map((name) => `${resource}/${name}`))),
    };
  }

  #send(next: Snapshot): void {
    this.#snapshot = next;
    for (const pep of this.#peps) pep.apply(next);
  }
}
