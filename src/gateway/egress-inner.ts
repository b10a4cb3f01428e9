// What is said inside a tunnel whose host is registered for interception: the gateway ends TLS as that host, reads the requests, and each is
// a call of its own. INVARIANT: the caller inside is the caller of the tunnel, and the host inside is the host that the tunnel was decided for.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { createSecureContext, TLSSocket } from 'node:tls';
import { Refusal } from '../domain/refusal.ts';
import type { Call } from './call.ts';
import type { Peer } from './connections.ts';
import type { HostPort } from './egress-host.ts';
import { abortReason } from './waiting.ts';

/** The tunnel that a request came through. */
export interface Via {
  readonly to: HostPort;
  readonly peer: Peer;
  /** Of the tunnel: for whom, through whom, within what. */
  readonly task: Pick<Call, 'task'> & Pick<Call['request'], 'delegation'>;
}

/** Serves the requests of intercepted tunnels. */
export interface InnerServer {
  /** Takes a connection on which TLS is ready. */
  serve(socket: TLSSocket, via: Via): void;
  close(): void;
}

/** Milliseconds and bytes; as on the door itself. */
const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 60_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 16_384,
  requireHostHeader: true,
  insecureHTTPParser: false,
};

export interface InnerHandlers {
  readonly handle: (req: IncomingMessage, res: ServerResponse, via: Via) => void;
  /** What came was no HTTP, or did not come to its end; ends the connection. */
  readonly onBroken: (error: Error, socket: Duplex) => void;
}

export function createInnerServer({ handle, onBroken }: InnerHandlers): InnerServer {
  const tunnels = new WeakMap<object, Via>();
  const server = createServer(LIMITS, (req, res) => {
    const via = tunnels.get(req.socket);
    if (via === undefined) req.socket.destroy();
    else handle(req, res, via);
  });
  server.maxHeadersCount = 0;
  server.on('clientError', onBroken);
  server.emit('listening'); // it never listens, and its timers begin with this
  return {
    serve(socket, via): void {
      tunnels.set(socket, via);
      server.emit('connection', socket);
    },
    close(): void {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A certificate for a host, with its key; PEM. */
export interface HostCertificate {
  readonly cert: string;
  readonly key: string;
}

const HANDSHAKE_MS = 5_000;

/** Ends TLS as the host. @throws Refusal CORDON-3010 when the handshake is for another one, CORDON-9010 */
export async function acceptTls(near: Duplex, host: string, { cert, key }: HostCertificate, signal: AbortSignal): Promise<TLSSocket> {
  if (signal.aborted) throw abortReason(signal); // while the certificate was made; nothing would tell of it again
  const secureContext = createSecureContext({ cert, key, minVersion: 'TLSv1.2' });
  const inner = new TLSSocket(near, { isServer: true, secureContext, ALPNProtocols: ['http/1.1'], requestCert: false });
  const late = AbortSignal.any([signal, AbortSignal.timeout(HANDSHAKE_MS)]);
  const ready = Promise.withResolvers<void>();
  const broken = (cause?: unknown): void =>
    ready.reject(new Refusal('CORDON-9010', 'the caller did not complete the TLS handshake', { cause }));
  late.addEventListener('abort', () => (signal.aborted ? ready.reject(abortReason(signal)) : broken()), { once: true });
  inner
    .on('error', broken)
    .on('close', broken)
    .once('secure', () => ready.resolve());
  try {
    await ready.promise;
    if (inner.servername !== host)
      throw new Refusal('CORDON-3010', 'the TLS handshake in the tunnel names another host than was asked for');
    return inner;
  } catch (error) {
    inner.destroy();
    near.destroy();
    throw error;
  }
}

/** Waits until the connection is closed, at most `ms`, and ends it when the call is cut. @throws Refusal why it was ended */
export async function untilClosed(inner: Duplex, near: Duplex, signal: AbortSignal, ms: number): Promise<void> {
  const closed = Promise.withResolvers<void>();
  const stop = (): void => {
    inner.destroy();
    near.destroy();
  };
  const ending = setTimeout(stop, ms).unref();
  near.once('close', () => closed.resolve());
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  if (near.closed) closed.resolve();
  await closed.promise;
  clearTimeout(ending);
  signal.removeEventListener('abort', stop);
  stop();
}
