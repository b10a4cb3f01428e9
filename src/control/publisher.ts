// The one place where the state that decisions depend on is put together and published, as one immutable snapshot, to every PEP.
import type { Level } from '../domain/access.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Agent, Offers, Tool, World } from '../domain/registry.ts';
import type { Revocable, Target } from '../domain/revocation.ts';
import { type Grants, NO_GRANTS } from '../pdp/approval.ts';
import type { Federated, LiveRun, Revoked, Snapshot, TokenIssuer } from '../pdp/snapshot.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import type { Config } from './config.ts';

/** A PEP as the control plane reaches it. */
export interface PepLink {
  readonly id: string;
  apply(snapshot: Snapshot): void;
  /** Undefined: it had nothing that had to become silent. */
  contain(snapshot: Snapshot, target: Target, since: number): Promise<Observed | undefined>;
}

/** What one PEP saw after an agent's level changed, or something was revoked. */
export type Observed = {
  readonly pep: string;
  readonly connections: number;
  readonly calls: number;
  readonly remaining: number;
  /** Milliseconds from the order to the last close. */
  readonly silentMs: number;
  /** It forwards by itself what it once was allowed: whether that has ended cannot be seen. */
  readonly unobserved?: true;
};

export interface Publisher {
  readonly current: () => Snapshot;
  readonly world: () => World;
  /** Who is registered; of cordon.yaml alone until it is said otherwise. */
  setAgents(agents: readonly Agent[]): void;
  setTools(resource: string, tools: readonly Tool[], changed: readonly string[]): void;
  /** Prompts, resources and templates of an MCP server, as pinned. */
  setOffers(resource: string, offers: Offers): void;
  setLevel(agent: string, level: Level): void;
  /** A run may call from now on; one that was ended stays ended. */
  setRun(id: string, run: LiveRun): void;
  endRun(id: string): void;
  /** Until then it stays revoked, and a run ended. Unix milliseconds. */
  revoke(kind: Revocable, id: string, until: number): void;
  /** Whose task tokens are accepted. */
  setTokens(tokens: TokenIssuer): void;
  /** Which other trust domains are believed. */
  setFederated(federated: Federated): void;
  /** What persons answered. */
  setGrants(grants: Grants): void;
  /** What is enforced, or why nothing is; and what is looked at beside it. */
  setPolicies(policies: PolicySet | Refusal, candidate?: PolicySet): void;
  /** Hands the current state to every PEP. */
  publish(): void;
  /** Publishes, and has every PEP report what it saw of the target afterwards. `since`: performance.now() of the order. */
  contain(target: Target, since: number): Promise<readonly Observed[]>;
  /** Vouches for the current state again, so that it does not grow stale, and forgets what has expired: runs, and what was revoked. */
  heartbeat(): void;
  attach(pep: PepLink): void;
}

/** `now`: Unix milliseconds. */
export const createPublisher = (config: Config, now: () => number): Publisher => new StatePublisher(config, now);

class StatePublisher implements Publisher {
  readonly #config: Config;
  readonly #now: () => number;
  readonly #tools = new Map<string, readonly Tool[]>();
  readonly #offers = new Map<string, Offers>();
  readonly #changed = new Map<string, readonly string[]>();
  readonly #levels = new Map<string, Level>();
  readonly #runs = new Map<string, LiveRun>();
  /** Runs that were ended, and when: a renewal that was under way then must not bring them back. */
  readonly #ended = new Map<string, number>();
  /** Until when, by id. */
  readonly #revoked: Readonly<Record<Revocable, Map<string, number>>> = { run: new Map(), token: new Map(), txn: new Map() };
  readonly #peps: PepLink[] = [];
  #agents: readonly Agent[];
  #policies: PolicySet | Refusal = new Refusal('CORDON-9007', 'no policies loaded');
  #candidate: PolicySet | undefined;
  #tokens: TokenIssuer | undefined;
  #federated: Federated | undefined;
  #grants: Grants = NO_GRANTS;
  /** `#revoked` as it is published; made anew when it changes. */
  #revocations: Revoked | undefined;
  #version = 0;
  #snapshot: Snapshot;

  constructor(config: Config, now: () => number) {
    this.#config = config;
    this.#agents = config.agents;
    this.#now = now;
    this.#snapshot = this.#build();
  }

  readonly current = (): Snapshot => this.#snapshot;

  readonly world = (): World => ({
    segments: this.#config.segments,
    agents: this.#agents,
    resources: this.#config.resources,
    tools: new Map(this.#tools),
    offers: new Map(this.#offers),
    levels: new Map(this.#levels),
  });

  setAgents(agents: readonly Agent[]): void {
    this.#agents = agents;
  }

  setTools(resource: string, tools: readonly Tool[], changed: readonly string[]): void {
    this.#tools.set(resource, tools);
    this.#changed.set(resource, changed);
  }

  setOffers(resource: string, offers: Offers): void {
    this.#offers.set(resource, offers);
  }

  setLevel(agent: string, level: Level): void {
    if (level === 'normal') this.#levels.delete(agent);
    else this.#levels.set(agent, level);
  }

  setRun(id: string, run: LiveRun): void {
    if (!this.#ended.has(id) && !this.#revoked.run.has(id)) this.#runs.set(id, run);
  }

  endRun(id: string): void {
    this.#runs.delete(id);
    this.#ended.set(id, this.#now());
  }

  revoke(kind: Revocable, id: string, until: number): void {
    this.#revoked[kind].set(id, Math.max(until, this.#revoked[kind].get(id) ?? 0));
    this.#revocations = undefined;
    if (kind === 'run') this.endRun(id);
  }

  setTokens(tokens: TokenIssuer): void {
    this.#tokens = tokens;
  }

  setFederated(federated: Federated): void {
    this.#federated = federated;
  }

  setGrants(grants: Grants): void {
    this.#grants = grants;
  }

  setPolicies(policies: PolicySet | Refusal, candidate?: PolicySet): void {
    this.#policies = policies;
    this.#candidate = candidate;
  }

  publish(): void {
    this.#send(this.#build());
  }

  async contain(target: Target, since: number): Promise<readonly Observed[]> {
    const next = this.#build();
    this.#snapshot = next;
    const seen = await Promise.all(this.#peps.map((pep) => pep.contain(next, target, since)));
    return seen.filter((observed) => observed !== undefined);
  }

  heartbeat(): void {
    const now = this.#now();
    const expired = [...this.#runs].filter(([, run]) => run.notAfter <= now);
    for (const [id] of expired) this.#runs.delete(id);
    for (const [id, at] of this.#ended) if (now - at > this.#config.svidTtl) this.#ended.delete(id);
    if (expired.length > 0 || this.#forgetRevoked(now)) this.publish();
    else this.#send({ ...this.#snapshot, at: now });
  }

  /** @returns whether there was anything to forget */
  #forgetRevoked(now: number): boolean {
    const dead = Object.values(this.#revoked).flatMap((ids) => [...ids].flatMap(([id, until]) => (until <= now ? [{ ids, id }] : [])));
    for (const { ids, id } of dead) ids.delete(id);
    if (dead.length > 0) this.#revocations = undefined;
    return dead.length > 0;
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
      revoked: (this.#revocations ??= revokedOf(this.#revoked)),
      ...(this.#tokens === undefined ? {} : { tokens: this.#tokens }),
      ...(this.#federated === undefined ? {} : { federated: this.#federated }),
      grants: this.#grants,
      changedTools: new Set([...this.#changed].flatMap(([resource, names]) => names.map((name) => `${resource}/${name}`))),
    };
  }

  #send(next: Snapshot): void {
    this.#snapshot = next;
    for (const pep of this.#peps) pep.apply(next);
  }
}

const revokedOf = ({ run, token, txn }: Readonly<Record<Revocable, ReadonlyMap<string, number>>>): Revoked => ({
  runs: new Set(run.keys()),
  tokens: new Set(token.keys()),
  txns: new Set(txn.keys()),
});
