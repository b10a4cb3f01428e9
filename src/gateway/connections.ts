// Live connections by agent, so that containment can name and close them. The identity of a connection is read once, when its
// handshake ends, and checked again on every request: lifetime, level and revocation do not wait for the next handshake.
import type { TLSSocket } from 'node:tls';
import type { SvidFacts } from '../identity/svid.ts';

/** The authenticated other end of a connection. */
export interface Peer {
  readonly svid: SvidFacts;
  readonly agent: string;
  readonly run: string;
}

export interface Connections {
  add(socket: TLSSocket, peer: Peer): void;
  peerOf(socket: object): Peer | undefined;
  socketsOf(agent: string): readonly TLSSocket[];
  count(): number;
  /** Destroys every connection of the agent; resolves when each was seen closed. @returns how many there were */
  cut(agent: string): Promise<number>;
}

export function createConnections(): Connections {
  const peers = new WeakMap<object, Peer>();
  const byAgent = new Map<string, Set<TLSSocket>>();
  let open = 0;

  const forget = (agent: string, socket: TLSSocket): void => {
    const sockets = byAgent.get(agent);
    if (sockets?.delete(socket) === true) open--;
    if (sockets?.size === 0) byAgent.delete(agent);
  };

  return {
    add(socket, peer): void {
      peers.set(socket, peer);
      const sockets = byAgent.get(peer.agent) ?? new Set();
      byAgent.set(peer.agent, sockets.add(socket));
      open++;
      socket.once('close', () => forget(peer.agent, socket));
    },
    peerOf: (socket) => peers.get(socket),
    socketsOf: (agent) => [...(byAgent.get(agent) ?? [])].filter((socket) => !socket.closed),
    count: () => open,
    async cut(agent): Promise<number> {
      const sockets = [...(byAgent.get(agent) ?? [])];
      await Promise.all(sockets.map(closed));
      return sockets.length;
    },
  };
}

const closed = (socket: TLSSocket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) return resolve();
    socket.once('close', () => resolve());
    socket.destroy();
  });
