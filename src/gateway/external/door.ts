// The way in for one data plane: it speaks its protocol on connections that somebody else has taken, from a unix socket or over mTLS.
import type { Duplex } from 'node:stream';

export interface Door {
  /** Serves a connection of the data plane for as long as it is open. */
  accept(socket: Duplex): void;
  /** Ends every connection. */
  close(): void;
}
