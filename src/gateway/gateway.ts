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
  /** Calls of or to the agent that were open and were cut. */
  readonly calls: number;
  /** Connections and calls of the agent still open afterwards. */
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
  listen(host: string, port: number): Promise<number>;
  close(): Promise<void>;
}

export type PepParts = Omit<Pep, 'snapshot' | 'connections' | 'exchanges' | 'limiter'> & { readonly limits: LimitSettings };

export function createGateway(parts: PepParts, credentials: Credentials): Gateway {
  let current: Snapshot | undefined;
  const { limits, ...rest } = parts;
  const pep: Pep = {
    ...rest,
    snapshot: () => current,
    connections: createConnections(),
    exchanges: createExchanges(),
    limiter: createLimiter(limits),
  };
  const listener = createListener(pep, credentials);
  const again = (request: AccessRequest): Decision => decide(current, { request }, pep.now(), pep.settings).decision;
  const concerned = (agent: string): readonly OpenExchange[] => pep.exchanges.list().filter((exchange) => concerns(exchange, agent));
  const apply = (snapshot: Snapshot): void => {
    const changed = snapshot.version !== current?.version;
    current = snapshot;
    if (changed) pep.exchanges.reconsider(again);
  };

  return {
    pep,
    apply,
    async contain(snapshot, agent, since): Promise<Observation> {
      const before = concerned(agent).length;
      apply(snapshot);
      const off = snapshot.world.levels.get(agent) === 'off';
      const connections = off ? await pep.connections.cut(agent) : 0;
      if (off) await pep.upstreams.a2a(agent)?.channel.destroy();
      const left = concerned(agent).length;
      const remaining = concerned(agent).filter((exchange) => again(exchange.request).verdict !== 'allow').length;
      const open = off ? pep.connections.socketsOf(agent).length : 0;
      return { pep: pep.id, connections, calls: before - left, remaining: remaining + open, silentMs: performance.now() - since };
    },
    rotate: (next) => listener.rotate(next),
    listen: (host, port) => listen(listener, host, port),
    async close(): Promise<void> {
      await listener.close();
      await pep.upstreams.close();
    },
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
