// A listener that answers nobody but Cordon's gateway: mTLS with this run's SVID, rotated without a dropped connection. Who comes another
// way is turned away and reported, so that an attempt around the gateway is in the log like any other refusal.
import type { RequestListener, IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { NO_TICKETS } from '../crypto/tls.ts';
import { readCertificate } from '../crypto/x509.ts';
import { checkPeer, postJson } from './channel.ts';
import type { Identity } from './identity.ts';

const tls = (identity: Identity): ServerOptions => ({
  cert: identity.current().chain,
  key: identity.current().privateKey,
  ca: identity.bundle,
  requestCert: true,
  rejectUnauthorized: true,
  minVersion: 'TLSv1.3',
  secureOptions: NO_TICKETS,
});

export interface Served {
  readonly port: number;
  close(): Promise<void>;
}

export async function serveGateway(identity: Identity, listener: RequestListener, at: { host: string; port: number }): Promise<Served> {
  const fromGateway = new WeakSet<object>();
  const report = createReporter(identity);
  const server = createServer(tls(identity), (req, res) => {
    if (fromGateway.has(req.socket)) listener(req, res);
    else turnAway(req, res);
  });
  server.requestTimeout = 0;
  server.on('secureConnection', (socket: TLSSocket) => {
    const certificate = socket.getPeerX509Certificate()?.raw;
    if (certificate !== undefined && checkPeer(certificate, 'gateway') === undefined) return void fromGateway.add(socket);
    report(certificate === undefined ? undefined : readCertificate(certificate).uris[0], 'not the gateway');
  });
  server.on('tlsClientError', () => report(undefined, 'no identity'));
  identity.onRotate(() => server.setSecureContext(tls(identity)));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : at.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const TURNED_AWAY = JSON.stringify({
  type: 'about:blank',
  title: 'segment boundary (no link)',
  status: 403,
  detail: 'this server answers only the gateway',
  code: 'CORDON-3007',
});

function turnAway(_req: IncomingMessage, res: ServerResponse): void {
  res.writeHead(403, { 'content-type': 'application/problem+json', connection: 'close' });
  res.end(TURNED_AWAY);
}

const REPORTS_PER_MINUTE = 60;

/** Reports to the control plane; capped, and never in the way of the refusal itself. */
function createReporter(identity: Identity): (peer: string | undefined, reason: string) => void {
  let minute = 0;
  let count = 0;
  return (peer, reason) => {
    const now = Math.floor(Date.now() / 60_000);
    if (now !== minute) [minute, count] = [now, 0];
    if (++count > REPORTS_PER_MINUTE) return;
    const body = { reason, ...(peer === undefined ? {} : { peer: peer.slice(0, 300) }) };
    const trust = { bundle: identity.bundle, expect: 'control', own: identity.current() } as const;
    postJson(new URL('/v1/refusals', identity.control), body, trust).catch(() => {
      process.stderr.write('cordon: a refused connection could not be reported\n');
    });
  };
}
