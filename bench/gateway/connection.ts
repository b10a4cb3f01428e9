// One keep-alive connection of the load generator, with the least HTTP/1.1 that reads an answer of known length. Anything else is an
// error, so a subject that answers in another way is noticed, not measured.
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';

export interface Target {
  readonly port: number;
  /** Absent: plain HTTP. PEM. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string };
}

export interface Connection {
  /** `TLSv1.3 TLS_AES_256_GCM_SHA384`, or `plain`. */
  readonly protection: string;
  /** Sends a request; one at a time. `done` gets its answer, or why there is none. */
  send(request: string, done: (error: Error | undefined, status: number, body: string) => void): void;
  destroy(): void;
}

export async function openConnection({ port, tls }: Target): Promise<Connection> {
  const to = { host: '127.0.0.1', port };
  // SPIFFE names workloads, not hosts; the chain is verified
  const socket =
    tls === undefined ? connectTcp(to) : connectTls({ ...to, ...tls, minVersion: 'TLSv1.3', checkServerIdentity: () => undefined });
  await once(socket, tls === undefined ? 'connect' : 'secureConnect');
  socket.setNoDelay(true);
  return connectionOn(socket, tls === undefined ? 'plain' : protectionOf(socket as TLSSocket));
}

const protectionOf = (socket: TLSSocket): string => `${socket.getProtocol() ?? ''} ${socket.getCipher().standardName}`;

function connectionOn(socket: Socket, protection: string): Connection {
  let waiting: ((error: Error | undefined, status: number, body: string) => void) | undefined;
  let received: Buffer = Buffer.alloc(0);
  const end = (error: Error | undefined, status = 0, body = ''): void => {
    const done = waiting;
    waiting = undefined;
    done?.(error, status, body);
  };
  socket.on('error', (error) => end(error));
  socket.on('close', () => end(new Error('the connection was closed')));
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    try {
      const answer = readAnswer(received);
      if (answer === undefined) return;
      received = Buffer.alloc(0);
      end(undefined, answer.status, answer.body);
    } catch (error) {
      end(error instanceof Error ? error : new Error(String(error)));
      socket.destroy();
    }
  });
  return {
    protection,
    send(request, done): void {
      if (socket.destroyed) return done(new Error('the connection was closed'), 0, '');
      waiting = done;
      socket.write(request);
    },
    destroy: () => socket.destroy(),
  };
}

/** Undefined while it is incomplete. */
function readAnswer(bytes: Buffer): { readonly status: number; readonly body: string } | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const head = bytes.toString('latin1', 0, end);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (!head.startsWith('HTTP/1.1 ') || length === undefined) throw new Error(`not an answer with a length: ${head.slice(0, 200)}`);
  const missing = end + 4 + Number(length) - bytes.length;
  if (missing < 0) throw new Error('more bytes than the answer has');
  return missing > 0 ? undefined : { status: Number(head.slice(9, 12)), body: bytes.toString('utf8', end + 4) };
}
