// The gateway as its owner sees it: start, apply a snapshot, contain, rotate, stop.
import type { TLSSocket } from 'node:tls';
import { randomKey } from '../crypto/random.ts';
import { sealer } from '../crypto/seal.ts';
import type { Delegation } from '../domain/access.ts';
import type { Target } from '../domain/revocation.ts';
import { parseWorkload, trustDomainOf, type TrustDomain, type Workload } from '../domain/spiffe-id.ts';
import { NOT_FEDERATED, type Federated, type Snapshot } from '../pdp/snapshot.ts';
import { createA2aIds } from './a2a-ids.ts';
import { createBudgets } from './budgets.ts';
import { createConnections, type Peer } from './connections.ts';
import { drain } from './drain.ts';
import { createFreshness } from './freshness.ts';
import { createExchanges, type OpenExchange } from './exchanges.ts';
import { createLimiter, type DoorLimits, type LimitSettings } from './limits.ts';
import { createPageOpeners } from './mcp-page-openers.ts';
import { createMcpSessions } from './mcp-sessions.ts';
import { createListener, type Listener } from './listener.ts';
import { createOutcomes } from './outcomes.ts';
import type { Credentials } from './channel.ts';
import type { Pep, PepSettings } from './pep.ts';
import { reconsider, reconsiderOf } from './reconsider.ts';
import { createRunRisk, type Habits } from './run-risk.ts';
import { createSpentGrants } from './spent.ts';
import { createTaskLabels, type Bringing } from './task-labels.ts';
import { createTaskSessions } from './task-sessions.ts';
import { createVerifiedTokens } from './verified-tokens.ts';

/** What was seen at one PEP after an agent's level changed or something was revoked; never what was asked for. */
export interface Observation {
  readonly pep: string;
  /** Connections of the target that were open and were seen to close. */
  readonly connections: number;
  /** Calls of, to or through the target that were cut and were seen to end. */
  readonly calls: number;
  /** Connections and calls that should have ended and were not seen to. */
  readonly remaining: number;
  /** From the order to the last close, milliseconds. */
  readonly silentMs: number;
}

/** Several processes on one port (SO_REUSEPORT): the kernel gives each connection to one of them. */
interface Sharing {
  readonly reusePort?: boolean;
}

export interface Gateway {
  readonly pep: Pep;
  /** Decides with this snapshot from now on; on a new version every open call is decided again and cut when it is now denied. */
  apply(snapshot: Snapshot): void;
  /** Applies the snapshot in which the target is contained and reports what was seen. `since`: performance.now() of the order. */
  contain(snapshot: Snapshot, target: Target, since: number): Promise<Observation>;
  /** What a call that another gateway forwards brings in; what is open here is decided again. */
  learn(bringing: Bringing): void;
  rotate(credentials: Credentials): void;
  /** @returns the port */
  listen(host: string, port: number, sharing?: Sharing): Promise<number>;
  /** Accepts nothing new, lets what is open end within `ms` milliseconds, and cuts what is left. */
  drain(ms: number): Promise<void>;
  readonly draining: () => boolean;
  close(): Promise<void>;
}

export type PepParts = Omit<
  Pep,
  | 'snapshot'
  | 'outcomes'
  | 'connections'
  | 'exchanges'
  | 'limiter'
  | 'tokens'
  | 'budgets'
  | 'spent'
  | 'taskSessions'
  | 'taskLabels'
  | 'runRisk'
  | 'settings'
  | 'mcpSessions'
  | 'pageOpeners'
  | 'a2aIds'
  | 'stateSealer'
> & {
  readonly settings: Omit<PepSettings, 'spent'>;
  readonly limits: LimitSettings & DoorLimits;
  /** Seals what callers keep between two calls, ids of tasks too; gateways of one port share it. Absent: a key of its own. */
  readonly stateKey?: Uint8Array;
  readonly habits?: Habits;
  /** Since when what runs brought in is known here, Unix milliseconds; absent: from now on. */
  readonly knownSince?: number;
};

/** How long an end is waited for before it counts as not seen. Milliseconds. */
const OBSERVE_MS = 2_000;

export function createGateway(
  { limits, settings, stateKey = randomKey(), habits, knownSince, ...parts }: PepParts,
  credentials: Credentials,
): Gateway {
  let current: Snapshot | undefined;
  const spent = createSpentGrants();
  const freshness = createFreshness(settings.maxStaleness, () => void reconsider(pep));
  let draining = false;
  const isShared = parts.shared !== undefined;
  const pep: Pep = {
    ...parts,
    snapshot: () => (freshness.stale ? undefined : current),
    outcomes: createOutcomes(parts.log),
    connections: createConnections(),
    exchanges: createExchanges(),
    limiter: createLimiter(limits),
    tokens: createVerifiedTokens(),
    budgets: createBudgets(knownSince ?? parts.now()),
    spent,
    taskSessions: createTaskSessions({ now: parts.now, alone: !isShared }),
    taskLabels: createTaskLabels({ now: parts.now, isShared, ...(knownSince === undefined ? {} : { since: knownSince }) }),
    runRisk: createRunRisk({ now: parts.now, alone: !isShared, habits }),
    mcpSessions: createMcpSessions(),
    pageOpeners: createPageOpeners(),
    a2aIds: createA2aIds(stateKey),
    stateSealer: sealer(stateKey),
    settings: { ...settings, spent: spent.of },
  };
  const listener = createListener(pep, credentials, limits);

  /** Of a domain that lost a root, no connection is known to stand on another one: they are made again. INVARIANT I6 */
  const trust = (before: Federated, now: Federated): void => {
    listener.trust(now);
    const lost = domainsThatLost(before, now);
    if (lost.size > 0) pep.connections.end(({ svid }) => lost.has(trustDomainOf(svid.workload.id)));
  };

  const apply = (snapshot: Snapshot): readonly OpenExchange[] => {
    const changed = snapshot.version !== current?.version || snapshot.policies !== current.policies;
    const [before, now] = [current?.federated ?? NOT_FEDERATED, snapshot.federated ?? NOT_FEDERATED];
    current = snapshot;
    pep.runRisk.see(snapshot);
    freshness.came();
    if (before !== now) trust(before, now);
    return changed ? reconsider(pep) : [];
  };

  return {
    pep,
    apply: (snapshot) => void apply(snapshot),
    contain(snapshot, target, since): Promise<Observation> {
      const callee = calleeOf(current, target);
      const silenced = isSilent(snapshot, target) ? pep.connections.end((peer) => isPeer(target, peer)) : undefined;
      return observe(pep, { target, callee, silenced, cut: apply(snapshot), since });
    },
    learn(bringing): void {
      if (pep.taskLabels.learn(bringing, pep.snapshot()).isNews) reconsiderOf(pep, bringing.holders);
    },
    rotate: (next) => listener.rotate(next),
    listen: (host, port, sharing) => listen(listener, { host, port, ...sharing }),
    draining: () => draining,
    drain(ms): Promise<void> {
      draining = true;
      return drain(pep, listener, ms);
    },
    close(): Promise<void> {
      freshness.stop();
      return close(pep, listener);
    },
  };
}

/** Domains of which something is no longer believed. */
const domainsThatLost = (before: Federated, now: Federated): ReadonlySet<TrustDomain> =>
  new Set(
    [...before.domains].flatMap(([domain, { roots }]) => {
      const left = new Set(now.domains.get(domain)?.roots);
      return roots.every((root) => left.has(root)) ? [] : [domain];
    }),
  );

/** The agent whose way in is closed with the target: itself, or the one of the run. */
const calleeOf = (before: Snapshot | undefined, { kind, id }: Target): string | undefined =>
  kind === 'agent' ? id : kind === 'run' ? before?.runs.get(id)?.agent : undefined;

/** Does the target keep no connection: an agent that is `off`, or what was revoked? */
const isSilent = ({ world }: Snapshot, { kind, id }: Target): boolean => kind !== 'agent' || world.levels.get(id) === 'off';

interface Contained {
  readonly target: Target;
  readonly callee: string | undefined;
  /** The connections of the target, which were ended before anything else; undefined where it may keep them. */
  readonly silenced: readonly TLSSocket[] | undefined;
  readonly cut: readonly OpenExchange[];
  readonly since: number;
}

/** Waits for what was ended to be seen closed, and says what was seen. */
async function observe(pep: Pep, { target, callee, silenced, cut, since }: Contained): Promise<Observation> {
  const connections = silenced === undefined ? { closed: 0, open: 0 } : await pep.connections.seenClosed(silenced, OBSERVE_MS);
  if (silenced !== undefined && callee !== undefined) await pep.upstreams.a2a(callee)?.channel.destroy();
  const calls = cut.filter((exchange) => concerns(exchange, target));
  const open = await pep.exchanges.settled(calls, OBSERVE_MS);
  return {
    pep: pep.id,
    connections: connections.closed,
    calls: calls.length - open,
    remaining: connections.open + open,
    silentMs: performance.now() - since,
  };
}

const isPeer = ({ kind, id }: Target, { agent, run }: Peer): boolean =>
  (kind === 'agent' && agent === id) || (kind === 'run' && run === id);

/** Is the call made by the target, to it, or on the strength of it? */
function concerns({ agent, run, callee, request: { resource, delegation } }: OpenExchange, { kind, id }: Target): boolean {
  switch (kind) {
    case 'agent':
      return agent === id || (resource.type === 'agent' && callee === id) || chainHas(delegation, ({ name }) => name === id);
    case 'run':
      return run === id || chainHas(delegation, (workload) => workload.run === id);
    case 'token':
      return delegation?.token === id || delegation?.parents.includes(id) === true;
    case 'txn':
      return delegation?.txn === id;
  }
}

const chainHas = (delegation: Delegation | undefined, isMeant: (workload: Workload) => boolean): boolean =>
  delegation?.chain.some((hop) => isMeant(parseWorkload(hop))) === true;

function listen({ server }: Listener, at: { readonly host: string; readonly port: number } & Sharing): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : at.port);
    });
  });
}

/** Ends every connection, and waits until each call has recorded its outcome before its upstream is closed. */
async function close(pep: Pep, listener: Listener): Promise<void> {
  await listener.close();
  await pep.exchanges.settled(pep.exchanges.list(), OBSERVE_MS);
  await pep.upstreams.close();
  pep.outcomes.flush();
}
