// Live connections by agent, so that containment can name and close them. The identity of a connection is read once, when its
// handshake ends, and checked again on every request: lifetime, level and revocation do not wait for the next handshake.
import type { TLSSocket } from 'node:tls';
import type { SvidFacts } from '../identity/svid.ts';
import { within } from './waiting.ts';

/** The authenticated other end of a connection. */
export interface Peer {
  readonly svid: SvidFacts;
  readonly agent: string;
  /** Of another domain: its whole SPIFFE ID. */
  readonly run: string;
}

/** What was seen of the connections that were to be closed. */
export interface Cut {
  readonly closed: number;
  /** Those that were not seen to close in time. */
  readonly open: number;
}

export interface Connections {
  add(socket: TLSSocket, peer: Peer): void;
  /** A connection inside one of these: whoever is at the end of that is at the end of this. */
  carry(inside: object, peer: Peer): void;
  peerOf(socket: object): Peer | undefined;
  socketsOf(agent: string): readonly TLSSocket[];
  /** Of a run. */
  countOf(run: string): number;
  count(): number;
  /** Ends the connections that such peers have now: no byte more goes either way. */
  end(isMeant: (peer: Peer) => boolean): readonly TLSSocket[];
  /** Waits until each of these was seen to close, at most `withinMs`. */
  seenClosed(sockets: readonly TLSSocket[], withinMs: number): Promise<Cut>;
}

export function createConnections(): Connections {
  const peers = new WeakMap<object, Peer>();
  const byAgent = new Map<string, Set<TLSSocket>>();

  const byRun = new Map<string, number>();

  const forget = ({ agent, run }: Peer, socket: TLSSocket): void => {
    const sockets = byAgent.get(agent);
    sockets?.delete(socket);
    if (sockets?.size === 0) byAgent.delete(agent);
    const left = (byRun.get(run) ?? 1) - 1;
    if (left === 0) byRun.delete(run);
    else byRun.set(run, left);
  };

  const isMeantSocket = (socket: TLSSocket, isMeant: (peer: Peer) => boolean): boolean => {
    const peer = peers.get(socket);
    return peer !== undefined && isMeant(peer);
  };

  return {
    add(socket, peer): void {
      peers.set(socket, peer);
      if (socket.closed) return; // its `close` was emitted before and will not be again
      const sockets = byAgent.get(peer.agent) ?? new Set();
      byAgent.set(peer.agent, sockets.add(socket));
      byRun.set(peer.run, (byRun.get(peer.run) ?? 0) + 1);
      socket.once('close', () => forget(peer, socket));
    },
    carry: (inside, peer) => void peers.set(inside, peer),
    peerOf: (socket) => peers.get(socket),
    socketsOf: (agent) => [...(byAgent.get(agent) ?? [])].filter((socket) => !socket.closed),
    countOf: (run) => byRun.get(run) ?? 0,
    count: () => [...byAgent.values()].reduce((sum, sockets) => sum + sockets.size, 0),
    end(isMeant): readonly TLSSocket[] {
      const sockets = [...byAgent.values()].flatMap((those) => [...those].filter((socket) => isMeantSocket(socket, isMeant)));
      for (const socket of sockets) socket.destroy();
      return sockets;
    },
    async seenClosed(sockets, withinMs): Promise<Cut> {
      await within(withinMs, Promise.all(sockets.map(closed)));
      const open = sockets.filter((socket) => !socket.closed).length;
      return { closed: sockets.length - open, open };
    },
  };
}

const closed = (socket: TLSSocket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
