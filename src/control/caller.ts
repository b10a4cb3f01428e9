// Who calls the control plane: an operator, or a workload about its own identity; read from the client certificate of the connection.
// INVARIANT I7: an agent is refused on every operator route, whatever it sends.
import type { TLSSocket } from 'node:tls';
import { Refusal } from '../domain/refusal.ts';
import type { TrustDomain } from '../domain/spiffe-id.ts';
import { checkLifetime, readSvid, type SvidFacts } from '../identity/svid.ts';

export type Role = 'operator' | 'workload';

const KINDS: Readonly<Record<Role, readonly string[]>> = {
  operator: ['operator'],
  workload: ['agent', 'resource'],
};

/** @throws Refusal CORDON-1001, -1002, -1004, -1006, -1014 */
export function readCaller(socket: TLSSocket, trustDomain: TrustDomain, now: number, role: Role): SvidFacts {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined || !socket.authorized) throw new Refusal('CORDON-1001', 'no client certificate');
  const svid = readSvid(certificate, trustDomain);
  checkLifetime(svid, now);
  if (!KINDS[role].includes(svid.workload.kind)) {
    throw new Refusal('CORDON-1014', `this route is for ${role}s`, { observed: svid.workload.id });
  }
  return svid;
}
