// A client that says any bytes and hears any: on a TLS connection, or on a bare one.
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';

/** `open`: nothing was answered in the time that it was given. */
export interface Heard {
  /** Of each answer that came whole. */
  readonly statuses: readonly number[];
  readonly text: string;
  readonly end: 'closed' | 'answered' | 'open';
}

export interface Speech {
  readonly port: number;
  /** Undefined: bare TCP. */
  readonly tls?: ConnectionOptions;
  /** Latin-1; the pieces are written one by one. */
  readonly say: readonly string[] | string;
  /** Bytes are said before the handshake is over. */
  readonly atOnce?: boolean;
  /** How long an answer is waited for. Milliseconds. */
  readonly withinMs?: number;
  /** Ends its own side after the last byte. */
  readonly end?: boolean;
}

const WITHIN_MS = 4_000;

export function speak({ port, tls, say, atOnce = false, withinMs = WITHIN_MS, end = false }: Speech): Promise<Heard> {
  const socket = open(port, tls);
  return new Promise((resolve) => {
    let text = '';
    const finish = (how: Heard['end']): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ statuses: answersIn(text), text, end: how });
    };
    const timer = setTimeout(() => finish('open'), withinMs);
    const begin = (): void => {
      for (const piece of typeof say === 'string' ? [say] : say) socket.write(piece, 'latin1');
      if (end) socket.end();
    };
    socket.on('error', () => undefined); // `close` comes after it
    socket.once('close', () => finish('closed'));
    socket.on('data', (data: Buffer) => {
      text += data.toString('latin1');
      if (answersIn(text).length > 0) setImmediate(finish, 'answered');
    });
    if (tls === undefined || atOnce) begin();
    else socket.once('secureConnect', begin);
  });
}

function open(port: number, tls: ConnectionOptions | undefined): Socket | TLSSocket {
  if (tls === undefined) return connectTcp({ port, host: '127.0.0.1' });
  return connectTls({ host: '127.0.0.1', port, servername: '', checkServerIdentity: () => undefined, ...tls });
}

/** Statuses of the answers that are whole. */
function answersIn(text: string): readonly number[] {
  const statuses: number[] = [];
  let rest = text;
  for (;;) {
    const head = /^HTTP\/1\.1 (\d{3})[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(rest);
    if (head === null) return statuses;
    const length = Number(/^content-length: (\d+)/im.exec(head[0])?.[1] ?? 0);
    if (rest.length < head[0].length + length) return statuses;
    const status = Number(head[1]);
    if (status >= 200) statuses.push(status);
    rest = rest.slice(head[0].length + length);
  }
}
