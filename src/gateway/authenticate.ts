// Step 1 of a call: who is at the other end of this socket, now. INVARIANT I5
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { Refusal } from '../domain/refusal.ts';
import type { TrustDomain } from '../domain/spiffe-id.ts';
import { checkLifetime, readSvid } from '../identity/svid.ts';
import type { Peer } from './connections.ts';
import type { Pep } from './pep.ts';

/**
 * Reads the identity of a socket whose chain verified against the bundle; once per connection.
 * @throws Refusal CORDON-1001 no certificate, -1004 another trust domain, -1006 malformed, -1012 no workload, -1014 no run of an agent
 */
export function readPeer(socket: TLSSocket, trustDomain: TrustDomain): Peer {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined || !socket.authorized) throw new Refusal('CORDON-1001', 'no client certificate');
  const svid = readSvid(certificate, trustDomain);
  const { kind, name, run } = svid.workload;
  if (kind !== 'agent' || run === undefined) {
    throw new Refusal('CORDON-1014', 'only a run of an agent may call the gateway', { observed: svid.workload.id });
  }
  return { svid, agent: name, run };
}

/** The peer of the connection that carries `req`, still inside its lifetime. @throws Refusal CORDON-1001, -1002 */
export function authenticate(pep: Pep, req: IncomingMessage): Peer {
  const peer = pep.connections.peerOf(req.socket);
  if (peer === undefined) throw new Refusal('CORDON-1001', 'no client certificate');
  checkLifetime(peer.svid, pep.now());
  return peer;
}
