// Connections that have not shown who they are yet. Anybody can open them, so all of them together are bounded; above the bound the oldest
// goes: a caller that is about to show its certificate takes milliseconds, and one that stalls is the first to leave. INVARIANT I10
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

export interface Handshakes {
  /** A connection was accepted. */
  began(socket: Socket): void;
  /** It has shown who is at its end. */
  done(socket: TLSSocket): void;
}

/** `onDropped`: told of each that had to go. */
export function createHandshakes(most: number, onDropped: () => void): Handshakes {
  const pending = new Map<string, Socket>();
  return {
    began(socket): void {
      const name = nameOf(socket);
      pending.set(name, socket);
      socket.once('close', () => void (pending.get(name) === socket && pending.delete(name)));
      const [oldest] = pending;
      if (pending.size <= most || oldest === undefined) return;
      pending.delete(oldest[0]);
      oldest[1].destroy();
      onDropped();
    },
    done: (socket) => void pending.delete(nameOf(socket)),
  };
}

/** TLS hands out a socket of its own; the other end is the same. */
const nameOf = ({ remoteAddress = '', remotePort = 0 }: Socket): string => `${remoteAddress} ${remotePort}`;
