// Step 1 of a call: who is at the other end of this socket, now. INVARIANT I5
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { Refusal } from '../domain/refusal.ts';
import { trustDomainOf, withoutRun } from '../domain/spiffe-id.ts';
import { readLeaf } from '../identity/chain.ts';
import { checkLifetime, readSvid, type SvidFacts } from '../identity/svid.ts';
import type { ShownRun } from '../pdp/liveness.ts';
import { NOT_FEDERATED } from '../pdp/snapshot.ts';
import type { Peer } from './connections.ts';
import type { Pep } from './pep.ts';

/**
 * Reads the identity of a socket whose chain verified in the handshake, against a root of the domain that it names (trust-anchors.ts); once
 * per connection.
 * @throws Refusal CORDON-1001 no certificate, -1002 outside its lifetime, -1004 another trust domain, -1006 malformed,
 * -1007 the bundle of its domain is too old, -1012 no workload, -1014 no run of an agent
 */
export function readPeer(pep: Pep, socket: TLSSocket): Peer {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined || !socket.authorized) throw new Refusal('CORDON-1001', 'no client certificate');
  const { domains } = pep.snapshot()?.federated ?? NOT_FEDERATED;
  if (domains.size === 0) return ownPeer(readSvid(certificate, pep.trustDomain));
  const leaf = readLeaf(certificate.raw, pep.now());
  return domains.has(trustDomainOf(leaf.id)) ? federatedPeer(pep, leaf) : ownPeer(readSvid(certificate, pep.trustDomain));
}

/** The agent that an SVID of another domain stands for. @throws Refusal CORDON-1004, -1007, -1012 */
export function federatedPeer(pep: Pick<Pep, 'snapshot' | 'now'>, { id, ...svid }: ReturnType<typeof readLeaf>): Peer {
  const { domains, agents } = pep.snapshot()?.federated ?? NOT_FEDERATED;
  const domain = domains.get(trustDomainOf(id));
  if (domain === undefined) throw new Refusal('CORDON-1004', 'SVID of another trust domain', { observed: trustDomainOf(id) });
  if (pep.now() >= domain.until) {
    throw new Refusal('CORDON-1007', 'the bundle of the trust domain is too old', {
      observed: trustDomainOf(id),
      fix: `cordon federation refresh ${trustDomainOf(id)}`,
    });
  }
  const agent = agents.get(withoutRun(id));
  if (agent === undefined) throw new Refusal('CORDON-1012', 'no agent is registered under this SPIFFE ID', { observed: id });
  return { svid: { ...svid, workload: { id, kind: 'agent', name: agent, run: id } }, agent, run: id };
}

/** The run of an agent of this domain. @throws Refusal CORDON-1014 */
export function ownPeer(svid: SvidFacts): Peer {
  const { kind, name, run } = svid.workload;
  if (kind !== 'agent' || run === undefined) {
    throw new Refusal('CORDON-1014', 'only a run of an agent may call the gateway', { observed: svid.workload.id });
  }
  return { svid, agent: name, run };
}

/** A peer in the words of the decision. */
export const shownBy = ({ agent, run, svid }: Peer): ShownRun => ({ id: agent, run, spiffeId: svid.workload.id });

/** The peer of the connection that carries `req`, still inside its lifetime. @throws Refusal CORDON-1001, -1002 */
export function authenticate(pep: Pep, req: IncomingMessage): Peer {
  const peer = pep.connections.peerOf(req.socket);
  if (peer === undefined) throw new Refusal('CORDON-1001', 'no client certificate');
  checkLifetime(peer.svid, pep.now());
  return peer;
}
