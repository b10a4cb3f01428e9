// mTLS for a data plane: TLS 1.3, and of all SVIDs of the trust domain that of one registered workload. A connection ends with the
// certificate that it was made with, and as soon as that is revoked. INVARIANTS I5, I6
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { mutualTls } from '../../crypto/tls.ts';
import { asRefusal, Refusal } from '../../domain/refusal.ts';
import { checkLifetime, readSvid, type SvidFacts } from '../../identity/svid.ts';
import type { Credentials } from '../channel.ts';
import { createFailureRecorder, handshakeRefusal } from '../failures.ts';
import type { Pep } from '../pep.ts';
import { soonAfter } from '../waiting.ts';
import type { Door } from './door.ts';

export interface TlsDoor {
  /** @returns the port */
  listen(host: string, port: number): Promise<number>;
  rotate(credentials: Credentials): void;
  /** Ends connections whose certificate was revoked. */
  recheck(): void;
  close(): Promise<void>;
}

const optionsOf = (credentials: Credentials): TlsOptions => ({
  ...mutualTls(credentials, credentials.bundle),
  handshakeTimeout: 5_000,
  ALPNProtocols: ['h2', 'http/1.1', 'spop/2.0'],
});

/** `workload`: the resource whose SVID must call. */
export function openTlsDoor(pep: Pep, door: Door, workload: string, credentials: Credentials): TlsDoor {
  const peers = new Map<TLSSocket, SvidFacts>();
  const failures = createFailureRecorder(pep);
  const admit = (socket: TLSSocket): void => {
    socket.on('error', () => socket.destroy());
    try {
      const svid = readPlane(pep, socket, workload);
      peers.set(socket, svid);
      const stop = soonAfter(svid.notAfter, pep.now(), () => socket.destroy());
      socket.once('close', () => {
        stop();
        peers.delete(socket);
      });
      door.accept(socket);
    } catch (error) {
      failures.handshake(asRefusal(error, 'CORDON-1006', 'SVID malformed'), socket);
      socket.destroy();
    }
  };
  const server = createServer(optionsOf(credentials), admit);
  server.on('tlsClientError', (error, socket) => failures.handshake(handshakeRefusal(error, socket), socket));
  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          server.off('error', reject);
          const address = server.address();
          resolve(typeof address === 'object' && address !== null ? address.port : port);
        });
      }),
    rotate: (next) => server.setSecureContext(optionsOf(next)),
    recheck(): void {
      for (const [
        socket,
        {
          workload: { run },
        },
      ] of peers)
        if (isRevoked(pep, run)) socket.destroy();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        door.close();
        for (const socket of peers.keys()) socket.destroy();
      }),
  };
}

const isRevoked = (pep: Pep, run: string | undefined): boolean => run !== undefined && pep.snapshot()?.revoked.runs.has(run) === true;

/** @throws Refusal CORDON-1001, -1002, -1004, -1006, -1012, -1014, -4005 */
function readPlane(pep: Pep, socket: TLSSocket, expected: string): SvidFacts {
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  if (certificate === undefined) throw new Refusal('CORDON-1001', 'no client certificate');
  const svid = readSvid(certificate, pep.trustDomain);
  checkLifetime(svid, pep.now());
  const { kind, name, run, id } = svid.workload;
  if (kind !== 'resource' || name !== expected) {
    throw new Refusal('CORDON-1014', 'only the data plane may ask here', { observed: id, expected: `the resource \`${expected}\`` });
  }
  if (isRevoked(pep, run)) throw new Refusal('CORDON-4005', 'the run was revoked', { observed: id });
  return svid;
}
