// A WebSocket server for tests, written from RFC 6455 §5 alone: it echoes frames, counts bytes, and can answer a handshake wrongly.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

export interface WebSocketUpstream {
  readonly port: number;
  readonly handshakes: IncomingMessage[];
  /** Open sockets. */
  readonly open: Set<Duplex>;
  /** Bytes that were taken from callers. */
  taken(): number;
  close(): Promise<void>;
}

const accept = (key: string): string => createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

export async function openWebSocketUpstream(): Promise<WebSocketUpstream> {
  const handshakes: IncomingMessage[] = [];
  const open = new Set<Duplex>();
  let taken = 0;
  const server = createServer((_req, res) => res.writeHead(426).end());
  server.on('upgrade', (req, socket: Duplex) => {
    handshakes.push(req);
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.end());
    const mode = /mode=(\w+)/.exec(req.url ?? '')?.[1];
    const [protocol] = (req.headers['sec-websocket-protocol'] ?? '').split(', ');
    const lines = [
      'HTTP/1.1 101 Switching Protocols',
      'upgrade: websocket',
      'connection: upgrade',
      `sec-websocket-accept: ${mode === 'forged' ? accept('other') : accept(req.headers['sec-websocket-key'] ?? '')}`,
      ...(mode === 'extension' ? ['sec-websocket-extensions: permessage-deflate'] : []),
      ...(mode === 'protocol'
        ? ['sec-websocket-protocol: nobody-asked']
        : protocol === '' || protocol === undefined
          ? []
          : [`sec-websocket-protocol: ${protocol}`]),
      'set-cookie: session=1',
      '\r\n',
    ];
    socket.write(lines.join('\r\n'));
    if (mode === 'silent') return; // never reads
    socket.on('data', (chunk: Buffer) => {
      taken += chunk.byteLength;
    });
    if (mode === 'sink') return;
    if (mode === 'flood') {
      const more = (): void => {
        while (!socket.destroyed && socket.write(frame(Buffer.alloc(60_000, 65))));
      };
      socket.on('drain', more);
      more();
      return;
    }
    echo(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    handshakes,
    open,
    taken: () => taken,
    async close(): Promise<void> {
      for (const socket of open) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A whole text frame of a server. */
export function frame(payload: Buffer): Buffer {
  const head =
    payload.byteLength < 126
      ? Buffer.from([0x81, payload.byteLength])
      : Buffer.from([0x81, 126, payload.byteLength >> 8, payload.byteLength & 255]);
  return Buffer.concat([head, payload]);
}

/** Short text frames come back, a close is answered. */
function echo(socket: Duplex): void {
  let pending = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      const length = (pending[1] ?? 0) & 127;
      if (pending.byteLength < 6 || pending.byteLength < 6 + length) return;
      const mask = pending.subarray(2, 6);
      const payload = Buffer.from(pending.subarray(6, 6 + length).map((byte, at) => byte ^ (mask[at % 4] ?? 0)));
      if (((pending[0] ?? 0) & 15) === 8) {
        socket.end(Buffer.concat([Buffer.from([0x88, payload.byteLength]), payload]));
        return;
      }
      socket.write(frame(payload));
      pending = pending.subarray(6 + length);
    }
  });
}
