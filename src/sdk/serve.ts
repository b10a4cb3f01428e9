// A listener that answers nobody but Cordon's gateway: mTLS with this run's SVID, rotated without a dropped connection. Who comes another
// way is turned away and reported, so that an attempt around the gateway is in the log like any other refusal.
import type { RequestListener, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { mutualTls } from '../crypto/tls.ts';
import { readCertificate } from '../crypto/certificate.ts';
import { checkPeer, postJson, type Trust } from './channel.ts';
import type { Identity, SvidWithKey } from './identity.ts';

export interface Address {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
}

export interface Served {
  readonly port: number;
  close(): Promise<void>;
}

const tls = (own: SvidWithKey): ServerOptions => mutualTls(own, own.bundle);

/** Serves `listener` to the gateway alone. @throws Error when it cannot listen there */
export async function serveGateway(identity: Identity, listener: RequestListener, at: Address): Promise<Served> {
  const fromGateway = new WeakSet<object>();
  const report = createReporter(identity);
  const server = createServer(tls(identity.current()), (req, res) => {
    if (fromGateway.has(req.socket)) listener(req, res);
    else turnAway(res);
  });
  server.requestTimeout = 0; // a call may stream its body for as long as it lives
  server.on('secureConnection', (socket) => {
    const refused = strangerOf(socket);
    if (refused === undefined) fromGateway.add(socket);
    else report(refused.peer, 'not the gateway');
  });
  server.on('tlsClientError', () => report(undefined, 'no identity'));
  const port = await listen(server, at);
  const forget = identity.onRotate(() => server.setSecureContext(tls(identity.current())));
  return {
    port,
    async close(): Promise<void> {
      forget();
      await close(server);
    },
  };
}

/** Who it is when it is not the gateway: the identity that its certificate claims, if it has any. */
function strangerOf(socket: TLSSocket): { readonly peer: string | undefined } | undefined {
  const certificate = socket.getPeerX509Certificate()?.raw;
  if (certificate === undefined) return { peer: undefined };
  return checkPeer(certificate, 'gateway') === undefined ? undefined : { peer: readCertificate(certificate).uris[0] };
}

function listen(server: Server, { host, port }: Address): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

const close = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

const TURNED_AWAY = JSON.stringify({
  type: 'about:blank',
  title: 'segment boundary (no link)',
  status: 403,
  detail: 'this server answers only the gateway',
  code: 'CORDON-3007',
});

function turnAway(res: ServerResponse): void {
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
    const own = identity.current();
    const trust: Trust = { bundle: own.bundle, expect: 'control', own };
    postJson(new URL('/v1/refusals', identity.control), body, trust).catch(() => {
      process.stderr.write('cordon: a refused connection could not be reported\n');
    });
  };
}
