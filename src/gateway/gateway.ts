// The gateway as its owner sees it: start, apply a snapshot, contain, rotate, stop.
import type { AccessRequest, Decision } from '../domain/access.ts';
import { decide } from '../pdp/decide.ts';
import type { Snapshot } from '../pdp/snapshot.ts';
import { createConnections } from './connections.ts';
import { createExchanges, type OpenExchange } from './exchanges.ts';
import { createLimiter, type LimitSettings } from './limits.ts';
import { createListener, type Listener } from './listener.ts';
import type { Credentials } from './channel.ts';
import type { Pep } from './pep.ts';

/** What was seen at one PEP after an agent's level changed; never what was asked for. */
export interface Observation {
  readonly pep: string;
  /** Connections of the agent that were open and were seen to close. */
  readonly connections: number;
  /** Calls of or to the agent that were cut and were seen to end. */
  readonly calls: number;
  /** Connections and calls of the agent that should have ended and were not seen to. */
  readonly remaining: number;
  /** From the order to the last close, milliseconds. */
  readonly silentMs: number;
}

export interface Gateway {
  readonly pep: Pep;
  /** Decides with this snapshot from now on; on a new version every open call is decided again and cut when it is now denied. */
  apply(snapshot: Snapshot): void;
  /** Applies the snapshot that holds the agent's new level and reports what was seen. `since`: performance.now() of the order. */
  contain(snapshot: Snapshot, agent: string, since: number): Promise<Observation>;
  rotate(credentials: Credentials): void;
  /** @returns the port */
  listen(host: string, port: number): Promise<number>;
  close(): Promise<void>;
}

export type PepParts = Omit<Pep, 'snapshot' | 'connections' | 'exchanges' | 'limiter'> & { readonly limits: LimitSettings };

/** How long an end is waited for before it counts as not seen. Milliseconds. */
const OBSERVE_MS = 2_000;

export function createGateway({ limits, ...parts }: PepParts, credentials: Credentials): Gateway {
  let current: Snapshot | undefined;
  const pep: Pep = {
    ...parts,
    snapshot: () => current,
    connections: createConnections(),
    exchanges: createExchanges(),
    limiter: createLimiter(limits),
  };
  const listener = createListener(pep, credentials);

  const apply = (snapshot: Snapshot): readonly OpenExchange[] => {
    const changed = snapshot.version !== current?.version;
    current = snapshot;
    return changed ? reconsider(pep, snapshot) : [];
  };

  return {
    pep,
    apply: (snapshot) => void apply(snapshot),
    contain: (snapshot, agent, since) => observe(pep, agent, apply(snapshot), since),
    rotate: (next) => listener.rotate(next),
    listen: (host, port) => listen(listener, host, port),
    close: () => close(pep, listener),
  };
}

const reconsider = (pep: Pep, snapshot: Snapshot): readonly OpenExchange[] =>
  pep.exchanges.reconsider((request: AccessRequest): Decision => decide(snapshot, { request }, pep.now(), pep.settings).decision);

/** Waits for what was cut to end, closes the connections of an agent that is `off`, and says what was seen. INVARIANT I6 */
async function observe(pep: Pep, agent: string, cut: readonly OpenExchange[], since: number): Promise<Observation> {
  const off = pep.snapshot()?.world.levels.get(agent) === 'off';
  const connections = off ? await pep.connections.cut(agent, OBSERVE_MS) : { closed: 0, open: 0 };
  if (off) await pep.upstreams.a2a(agent)?.channel.destroy();
  const calls = cut.filter((exchange) => concerns(exchange, agent));
  const open = await pep.exchanges.settled(calls, OBSERVE_MS);
  return {
    pep: pep.id,
    connections: connections.closed,
    calls: calls.length - open,
    remaining: connections.open + open,
    silentMs: performance.now() - since,
  };
}

/** Is the call made by the agent, or made to it? */
const concerns = (exchange: OpenExchange, agent: string): boolean =>
  exchange.agent === agent || (exchange.request.resource.type === 'agent' && exchange.callee === agent);

function listen({ server }: Listener, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

/** Ends every connection, and waits until each call has recorded its outcome before its upstream is closed. */
async function close(pep: Pep, listener: Listener): Promise<void> {
  await listener.close();
  await pep.exchanges.settled(pep.exchanges.list(), OBSERVE_MS);
  await pep.upstreams.close();
}
