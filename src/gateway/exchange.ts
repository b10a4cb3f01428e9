// One HTTP exchange on its way through the gateway: what is known of it so far, and how to answer.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Refusal } from '../domain/refusal.ts';
import type { Reply, Wire } from './call.ts';
import type { Peer } from './connections.ts';
import { problem } from './problem.ts';

export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly startedAt: number;
  /** Aborted when either side is gone or the call is cut. */
  readonly abort: AbortController;
  peer: Peer | undefined;
  action: string;
  resource: string;
  wire: Wire;
  bytesOut: number;
}

export function openExchange(req: IncomingMessage, res: ServerResponse, startedAt: number): Exchange {
  const abort = new AbortController();
  res.once('close', () => {
    if (!res.writableFinished) abort.abort(new Refusal('CORDON-9010', 'the caller went away'));
  });
  return { req, res, startedAt, abort, peer: undefined, action: 'http', resource: 'gateway', wire: problem, bytesOut: 0 };
}

/** Sends an answer whole. */
export function sendReply(exchange: Exchange, reply: Reply): void {
  const { res } = exchange;
  if (res.headersSent || res.destroyed) return void res.destroy();
  exchange.bytesOut += reply.body.length;
  res.writeHead(reply.status, { ...reply.headers, 'content-length': Buffer.byteLength(reply.body) });
  res.end(reply.body);
}

/** Sends one message of an event stream and waits while the caller is slower than the upstream. */
export async function sendEvent(exchange: Exchange, data: string): Promise<void> {
  const { res } = exchange;
  if (!res.headersSent) {
    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
  }
  exchange.bytesOut += data.length;
  if (res.write(`event: message\ndata: ${data}\n\n`)) return;
  await new Promise<void>((resolve, reject) => {
    const { signal } = exchange.abort;
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    res.once('drain', () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
  });
}
