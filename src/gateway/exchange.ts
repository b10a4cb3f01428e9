// One HTTP exchange on its way through the gateway: what is known of it so far, and how to answer.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { readCertificate } from '../crypto/certificate.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Reply, TokenScheme, Wire } from './call.ts';
import type { Peer } from './connections.ts';
import type { InnerServer, Via } from './egress-inner.ts';
import { problem } from './problem.ts';
import { abortReason } from './waiting.ts';

/** What came in: a request, or one that asks for the connection itself; `head` is what was read beyond it. */
export type Door =
  | { readonly kind: 'request' }
  | { readonly kind: 'upgrade' | 'connect'; readonly socket: Duplex; readonly head: Buffer; readonly inner: InnerServer };

export interface UsedProof {
  readonly name: string;
  /** Until it is too old anyway. Unix milliseconds. */
  readonly until: number;
}

export interface Exchange {
  readonly door: Door;
  /** The intercepted tunnel that it came through. */
  readonly via?: Via;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** `performance.now()` of the first byte. */
  readonly startedAt: number;
  /** How long an answer may wait for a caller that reads nothing. Milliseconds. */
  readonly stallMs: number;
  /** Aborted when either side is gone or the call is cut; the reason is a refusal. */
  readonly abort: AbortController;
  peer: Peer | undefined;
  action: string;
  resource: string;
  wire: Wire;
  /** How the caller shows a task token. */
  scheme: TokenScheme;
  /** The proof of a key that came with it, which may be used once. */
  proof: UsedProof | undefined;
  /** May what is asked of the callee be asked again, when no answer came? */
  mayRepeat: boolean;
  /** Bytes of body that were sent to the caller. */
  bytesOut: number;
  /** Bytes of the caller that went through a tunnel. */
  bytesIn: number;
  /** The connection carries no HTTP any more: nothing can be answered. */
  taken: boolean;
  /** The certificate whose key the caller has shown. */
  readonly leaf: () => Parameters<typeof readCertificate>[0] | undefined;
  /** `https://host:port` that the caller called; undefined: ours. */
  readonly origin?: string;
}

/** Is it for another host than the gateway? */
export const isForOutside = ({ door, req }: Exchange): boolean => door.kind === 'connect' || !(req.url ?? '').startsWith('/');

interface Opening {
  readonly door?: Door;
  readonly stallMs?: number;
}

const STALL_MS = 60_000;

export function openExchange(
  req: IncomingMessage,
  res: ServerResponse,
  { door = { kind: 'request' }, stallMs = STALL_MS }: Opening = {},
): Exchange {
  const abort = new AbortController();
  res.once('close', () => {
    if (res.writableFinished) return;
    // whoever ends connections because a call is no longer allowed says so in the same turn: that is then why it ended
    queueMicrotask(() => abort.abort(new Refusal('CORDON-9010', 'the caller went away')));
  });
  return {
    door,
    req,
    res,
    startedAt: performance.now(),
    stallMs,
    abort,
    peer: undefined,
    action: 'http',
    resource: 'gateway',
    wire: problem,
    scheme: 'Bearer',
    proof: undefined,
    mayRepeat: false,
    bytesOut: 0,
    bytesIn: 0,
    taken: false,
    leaf: () => (req.socket instanceof TLSSocket ? req.socket.getPeerX509Certificate() : undefined),
  };
}

/** Sends an answer whole; one that comes too late, because another was begun or nobody is there, ends the connection. */
export function sendReply(exchange: Exchange, reply: Reply): void {
  const { res } = exchange;
  if (res.headersSent || res.destroyed || exchange.taken) {
    res.destroy();
    return;
  }
  const length = Buffer.byteLength(reply.body);
  exchange.bytesOut += length;
  res.writeHead(reply.status, { ...reply.headers, 'content-length': length });
  res.end(reply.body);
}

/**
 * Sends one message of an event stream and waits while the caller is slower than the upstream.
 * @throws Refusal why the call was ended, when it is ended meanwhile
 */
export async function sendEvent(exchange: Exchange, data: string, id?: string, name = 'message'): Promise<void> {
  const { res } = exchange;
  if (!res.headersSent) {
    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
  }
  const event = `event: ${name}\n${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`;
  exchange.bytesOut += Buffer.byteLength(event);
  if (!res.write(event)) await drained(exchange);
}

/** Waits until the caller has read; one that reads nothing for too long ends its call. @throws Refusal why the call was ended */
export const drained = ({ res, abort, stallMs }: Exchange): Promise<void> =>
  new Promise((resolve, reject) => {
    const { signal } = abort;
    const onAbort = (): void => {
      clearTimeout(stalled);
      res.off('drain', onDrain);
      res.destroy();
      reject(abortReason(signal));
    };
    const onDrain = (): void => {
      clearTimeout(stalled);
      signal.removeEventListener('abort', onAbort);
      resolve();
    };
    const stall = (): void => abort.abort(new Refusal('CORDON-9010', 'the caller reads nothing', { observed: `for ${stallMs} ms` }));
    const stalled = setTimeout(stall, stallMs).unref();
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    res.once('drain', onDrain);
  });
