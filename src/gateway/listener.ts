// The mTLS door of the gateway. TLS 1.3 only, client certificate required, no resumption (a resumed session would skip the chain check),
// short timers. What fails before there is a request is recorded like any other refusal.
import type { IncomingMessage } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { Refusal, asRefusal, errorCodeOf } from '../domain/refusal.ts';
import { mutualTls } from '../crypto/tls.ts';
import type { TrustDomain } from '../domain/spiffe-id.ts';
import { NOT_FEDERATED, type Federated } from '../pdp/snapshot.ts';
import { readPeer } from './authenticate.ts';
import type { Credentials } from './channel.ts';
import type { Peer } from './connections.ts';
import { createInnerServer } from './egress-inner.ts';
import { enforce } from './enforce.ts';
import { openExchange } from './exchange.ts';
import { createFailureRecorder, handshakeRefusal, type FailureRecorder } from './failures.ts';
import { createHandshakes } from './handshakes.ts';
import type { DoorLimits } from './limits.ts';
import type { Pep } from './pep.ts';
import { trustAnchors } from './trust-anchors.ts';
import { openTunnelExchange } from './tunnel.ts';
import { soonAfter, within } from './waiting.ts';

export interface Listener {
  readonly server: Server;
  /** New handshakes use the new SVID; connections that are open stay open. */
  rotate(credentials: Credentials): void;
  /** SVIDs of these trust domains too are accepted in new handshakes. */
  trust(federated: Federated): void;
  /** Accepts no connection more, and has each answer end its own. @returns waits until all are gone, at most so many milliseconds */
  drain(): (withinMs: number) => Promise<void>;
  close(): Promise<void>;
}

// INVARIANT I5: refused inside the handshake, at the price of not knowing whom a forged certificate names (docs/decisions/0004)
const tlsOf = (credentials: Credentials, trustDomain: TrustDomain, federated: Federated): ServerOptions =>
  mutualTls(credentials, [...trustAnchors(credentials.bundle, trustDomain, federated)]);

/** How often times are looked at: the default of 30 s would make 10 s up to 40. Milliseconds. */
const LOOK_AT_TIMES_MS = 2_000;

/** Milliseconds and bytes. */
const optionsOf = ({ handshakeMs, headMs, requestMs, idleMs }: DoorLimits): ServerOptions => ({
  handshakeTimeout: handshakeMs,
  headersTimeout: Math.min(headMs, requestMs),
  requestTimeout: requestMs,
  keepAliveTimeout: idleMs,
  connectionsCheckingInterval: Math.min(LOOK_AT_TIMES_MS, headMs / 4),
  maxHeaderSize: 16_384,
  requireHostHeader: false, // `checkHeaders` asks for it, with an answer and a record
  insecureHTTPParser: false,
});

export function createListener(pep: Pep, credentials: Credentials, limits: DoorLimits): Listener {
  let own = credentials;
  let believed = NOT_FEDERATED;
  let draining = false;
  const { stallMs } = limits;
  const server = createServer({ ...tlsOf(own, pep.trustDomain, believed), ...optionsOf(limits) }, (req, res) => {
    if (pep.connections.peerOf(req.socket) === undefined) return void req.socket.destroy(); // `admit` has refused and recorded it
    if (draining) res.setHeader('connection', 'close');
    enforce(pep, openExchange(req, res, { stallMs })).catch(() => res.destroy()); // INVARIANT I1: never a half-made answer
  });
  const failures = createFailureRecorder(pep);
  server.maxHeadersCount = 0; // the size is bounded; `checkHeaders` bounds the number, with an answer and a record
  const handshakes = createHandshakes(limits.handshakes, () =>
    failures.crowd(new Refusal('CORDON-4003', `more than ${limits.handshakes} connections at once have not shown who they are`)),
  );
  server.on('connection', (socket) => void (socket instanceof Socket && handshakes.began(socket)));
  server.on('secureConnection', (socket) => {
    handshakes.done(socket);
    admit(pep, socket, { failures, most: limits.connections });
  });
  server.on('tlsClientError', (error, socket) => failures.handshake(handshakeRefusal(error, socket), socket));
  server.on('clientError', (error, socket) => endBroken(error, socket, failures));
  const tunnels = new Set<Duplex>();
  const inner = createInnerServer({
    handle: (req, res, via) => {
      if (draining) res.setHeader('connection', 'close');
      enforce(pep, { ...openExchange(req, res, { stallMs }), via }).catch(() => res.destroy());
    },
    onBroken: (error, socket) => endBroken(error, socket, failures),
  });
  const admitTunnel = (kind: 'upgrade' | 'connect') => (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (!(socket instanceof TLSSocket) || pep.connections.peerOf(socket) === undefined) return void socket.destroy();
    keep(tunnels, socket);
    try {
      enforce(pep, openTunnelExchange(req, socket, { kind, head, inner })).catch(() => socket.destroy());
    } catch (error) {
      failures.http(asRefusal(error, 'CORDON-9011', 'malformed HTTP'), socket);
      socket.destroy();
    }
  };
  server.on('upgrade', admitTunnel('upgrade'));
  server.on('connect', admitTunnel('connect'));
  return {
    server,
    rotate(next): void {
      own = next;
      server.setSecureContext(tlsOf(own, pep.trustDomain, believed));
    },
    trust(federated): void {
      believed = federated;
      server.setSecureContext(tlsOf(own, pep.trustDomain, believed));
    },
    drain(): (withinMs: number) => Promise<void> {
      draining = true;
      return drainServer(server);
    },
    close(): Promise<void> {
      inner.close();
      return closeServer(server, tunnels);
    },
  };
}

/** Registers a connection under the identity that its certificate proves, or closes it. */
function admit(pep: Pep, socket: TLSSocket, { failures, most }: { readonly failures: FailureRecorder; readonly most: number }): void {
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  try {
    const peer = readPeer(pep, socket);
    if (pep.connections.countOf(peer.run) >= most) throw new Refusal('CORDON-4003', `more than ${most} connections at once`);
    pep.connections.add(socket, peer);
    closeAtExpiry(pep, socket, peer);
  } catch (error) {
    failures.handshake(asRefusal(error, 'CORDON-1006', 'SVID malformed'), socket);
    socket.destroy();
  }
}

/** What the parser refused, and a request that does not come to its end, is recorded; a connection that merely ended is not. */
function endBroken(error: Error, socket: Duplex, failures: FailureRecorder): void {
  const code = errorCodeOf(error) ?? '';
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    failures.http(new Refusal('CORDON-9011', 'the request did not end in time', { observed: code }), socket);
  } else if (code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE') {
    failures.http(new Refusal('CORDON-9011', 'malformed HTTP', { observed: code, cause: error }), socket);
  }
  socket.destroy();
}

/** A connection may outlive its certificate only while its run holds a newer one; then it carries on what is open, nothing new. */
function closeAtExpiry(pep: Pep, socket: TLSSocket, { run, svid }: Peer): void {
  let stop: (() => void) | undefined;
  const wait = (until: number): void => {
    stop = soonAfter(until, pep.now(), expire); // new calls are refused on time anyway
  };
  const expire = (): void => {
    const renewed = pep.snapshot()?.runs.get(run)?.notAfter ?? 0;
    if (renewed > pep.now()) wait(renewed);
    else socket.destroy();
  };
  wait(svid.notAfter);
  socket.once('close', () => stop?.());
}

/** A connection that is no HTTP any more, which the server does not count as one. */
function keep(tunnels: Set<Duplex>, socket: Duplex): void {
  tunnels.add(socket);
  socket.once('close', () => tunnels.delete(socket));
}

/** How often connections are looked at whose last answer was begun before. Milliseconds. */
const LOOK_MS = 25;

function drainServer(server: Server): (withinMs: number) => Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve())); // those without a request are closed too
  const look = setInterval(() => server.closeIdleConnections(), LOOK_MS);
  return async (withinMs) => {
    await within(withinMs, closed);
    clearInterval(look);
  };
}

const closeServer = (server: Server, tunnels: ReadonlySet<Duplex>): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
    for (const socket of tunnels) socket.destroy();
  });
