// The mTLS door of the gateway. TLS 1.3 only, client certificate required, no resumption (a resumed session would skip the chain check),
// short timers. What fails in the handshake is recorded like any other refusal.
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { Refusal, asRefusal } from '../domain/refusal.ts';
import { claimedId } from '../identity/svid.ts';
import { NO_TICKETS } from '../crypto/tls.ts';
import { readPeer } from './authenticate.ts';
import type { Credentials } from './channel.ts';
import { enforce } from './enforce.ts';
import { openExchange } from './exchange.ts';
import type { Pep } from './pep.ts';
import { recordRefusal } from './record.ts';

export interface Listener {
  readonly server: Server;
  /** New handshakes use the new SVID; connections that are open stay open. */
  rotate(credentials: Credentials): void;
  close(): Promise<void>;
}

const tlsOf = (credentials: Credentials): ServerOptions => ({
  cert: credentials.chain,
  key: credentials.privateKey,
  ca: credentials.bundle,
  requestCert: true,
  rejectUnauthorized: true,
  minVersion: 'TLSv1.3',
  secureOptions: NO_TICKETS,
});

const LIMITS: ServerOptions = {
  handshakeTimeout: 5_000,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 60_000,
  maxHeaderSize: 16_384,
  requireHostHeader: true,
  insecureHTTPParser: false,
};

export function createListener(pep: Pep, credentials: Credentials): Listener {
  const server = createServer({ ...tlsOf(credentials), ...LIMITS }, (req, res) => {
    void enforce(pep, openExchange(req, res, performance.now()));
  });
  const failures = createFailureRecorder(pep);
  server.maxHeadersCount = 100;
  server.on('secureConnection', (socket) => admit(pep, socket, failures));
  server.on('tlsClientError', (error, socket) => failures(handshakeRefusal(error, socket), claimOf(socket)));
  server.on('clientError', (_error, socket) => socket.destroy());
  return {
    server,
    rotate: (next) => server.setSecureContext(tlsOf(next)),
    close: () => closeServer(server),
  };
}

/** Registers a connection under the identity that its certificate proves, or closes it. */
function admit(pep: Pep, socket: TLSSocket, failures: FailureRecorder): void {
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  try {
    const peer = readPeer(socket, pep.trustDomain);
    pep.connections.add(socket, peer);
    closeAtExpiry(pep, socket, peer.run, peer.svid.notAfter);
  } catch (error) {
    failures(asRefusal(error, 'CORDON-1006', 'SVID malformed'), claimOf(socket));
    socket.destroy();
  }
}

/** A connection may outlive its certificate only while its run holds a newer one; then it carries on what is open, nothing new. */
function closeAtExpiry(pep: Pep, socket: TLSSocket, run: string, notAfter: number): void {
  const timer = setTimeout(
    () => {
      const renewed = pep.snapshot()?.runs.get(run)?.notAfter ?? 0;
      if (renewed > pep.now()) closeAtExpiry(pep, socket, run, renewed);
      else socket.destroy();
    },
    Math.max(0, notAfter - pep.now()),
  );
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}

/** Verification errors of OpenSSL, and what they mean here. */
const HANDSHAKE: Readonly<Record<string, () => Refusal>> = {
  CERT_HAS_EXPIRED: () => new Refusal('CORDON-1002', 'certificate expired'),
  CERT_NOT_YET_VALID: () => new Refusal('CORDON-1002', 'certificate not yet valid'),
  UNABLE_TO_GET_ISSUER_CERT: () => new Refusal('CORDON-1001', 'no client certificate'),
};

function handshakeRefusal(error: Error, socket: TLSSocket): Refusal {
  const verification = socket.authorizationError as unknown;
  const why = typeof verification === 'string' ? verification : String((error as { code?: unknown }).code ?? '');
  const known = HANDSHAKE[why];
  if (known !== undefined) return known();
  if (claimOf(socket) !== undefined || verification !== null) {
    return new Refusal('CORDON-1004', 'the certificate is not of this trust domain', { observed: why.slice(0, 60) });
  }
  return new Refusal('CORDON-1001', 'the TLS handshake failed', { observed: why.slice(0, 60) });
}

function claimOf(socket: TLSSocket): string | undefined {
  try {
    const certificate = socket.getPeerX509Certificate();
    return certificate === undefined ? undefined : claimedId(certificate);
  } catch {
    return undefined; // nothing readable was presented
  }
}

type FailureRecorder = (refusal: Refusal, claimed: string | undefined) => void;

const RECORDED_PER_SECOND = 50;

/** Handshakes cost a stranger nothing, so their records are capped; the cap says itself how many it swallowed. */
function createFailureRecorder(pep: Pep): FailureRecorder {
  let second = 0;
  let count = 0;
  return (refusal, claimed) => {
    const now = Math.floor(pep.now() / 1000);
    if (now !== second) [second, count] = [now, 0];
    if (++count > RECORDED_PER_SECOND) return;
    const seen = { peer: undefined, action: 'tls/handshake', resource: 'gateway', ...(claimed === undefined ? {} : { claimed }) };
    try {
      recordRefusal(pep, refusal, seen);
    } catch {
      // the connection is refused either way; a log that cannot record also refuses every call
    }
  };
}

const closeServer = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
