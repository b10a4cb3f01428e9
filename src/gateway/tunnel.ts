// Connections that stop being HTTP: a WebSocket, or what a CONNECT asked for. Until it was decided they are answered as any request is;
// then bytes go both ways, each side no faster than the other reads, until either ends, time is over, or the call is cut. INVARIANT I6
import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Refusal } from '../domain/refusal.ts';
import type { InnerServer } from './egress-inner.ts';
import { openExchange, type Exchange } from './exchange.ts';
import { abortReason } from './waiting.ts';

/** An exchange over a socket that Node's HTTP parser has let go. `head`: what it read beyond the request. @throws Refusal CORDON-9011 */
export function openTunnelExchange(
  req: IncomingMessage,
  socket: Socket,
  door: { readonly kind: 'upgrade' | 'connect'; readonly head: Buffer; readonly inner: InnerServer },
): Exchange {
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  try {
    res.assignSocket(socket);
  } catch (cause) {
    // pipelined: the answer to the request before it would be written into the tunnel (RFC 9110 §7.8)
    throw new Refusal('CORDON-9011', 'a tunnel was asked for before the last request was answered', { cause });
  }
  res.once('finish', () => socket.destroySoon()); // as Node does after a last answer: the other end may leave its half open
  return openExchange(req, res, { door: { ...door, socket } });
}

/** The socket, which from now on carries what is no HTTP. */
export function takeOver(exchange: Exchange): Duplex {
  const { door } = exchange;
  if (door.kind === 'request') throw new Refusal('CORDON-9001', 'the connection still carries requests');
  exchange.taken = true;
  if (door.head.byteLength > 0) door.socket.unshift(door.head);
  return door.socket;
}

/** Milliseconds. */
export interface TunnelBounds {
  /** Without a byte either way. */
  readonly idle: number;
  /** From the first byte to the last. */
  readonly total: number;
}

/** Carries bytes both ways until both sides have closed. @throws Refusal why it ended early */
export async function splice(exchange: Exchange, near: Duplex, far: Duplex, { idle, total }: TunnelBounds): Promise<void> {
  const { signal } = exchange.abort;
  const over = (why: string) => (): void => exchange.abort.abort(new Refusal('CORDON-9010', why));
  const idling = setTimeout(over('the tunnel was idle for too long'), idle).unref();
  const ending = setTimeout(over('the tunnel was open for too long'), total).unref();
  let isCut = false;
  const stop = (): void => {
    // that the caller has closed what both had ended is no news
    isCut ||= signal.aborted && (abortReason(signal).code !== 'CORDON-9010' || !(near.readableEnded || far.readableEnded));
    for (const side of [near, far]) side.destroy();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    const ended = [carry(near, far), carry(far, near)];
    near.on('data', (chunk: Buffer) => {
      exchange.bytesIn += chunk.byteLength;
      idling.refresh();
    });
    far.on('data', (chunk: Buffer) => {
      exchange.bytesOut += chunk.byteLength;
      idling.refresh();
    });
    await Promise.all(ended);
  } catch (cause) {
    if (!signal.aborted) throw new Refusal('CORDON-9010', 'the tunnel broke', { cause });
    isCut = true;
  } finally {
    clearTimeout(idling);
    clearTimeout(ending);
    signal.removeEventListener('abort', stop);
    for (const side of [near, far]) side.destroy();
  }
  if (isCut) throw abortReason(signal);
}

/** How long what was already taken may still be on its way to a side that is not reading. */
const LINGER_MS = 10_000;

/** One way: an end goes on as an end, and what one side has closed the other has no use for once it has taken the rest. */
function carry(from: Duplex, to: Duplex): Promise<void> {
  return new Promise((resolve, reject) => {
    from.once('error', reject);
    const onClose = (): void => {
      const lingering = setTimeout(() => to.destroy(), LINGER_MS).unref();
      to.once('close', () => clearTimeout(lingering));
      if (to.writableFinished) to.destroy();
      else to.end(() => to.destroy());
      resolve();
    };
    if (from.closed) return onClose(); // while the other side was waited for
    from.once('close', onClose);
    from.pipe(to);
  });
}
