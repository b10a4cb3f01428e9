// Who calls the control plane: an operator, or a workload about its own identity; read from the client certificate of the connection.
// INVARIANT I7: an agent is refused on every operator route, whatever it sends.
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { Refusal } from '../domain/refusal.ts';
import type { TrustDomain } from '../domain/spiffe-id.ts';
import { checkLifetime, readSvid, type SvidFacts } from '../identity/svid.ts';

export type Role = 'operator' | 'workload';

const KINDS: Readonly<Record<Role, readonly string[]>> = {
  operator: ['operator'],
  workload: ['agent', 'resource'],
};

/** `now`: Unix milliseconds. @throws Refusal CORDON-1001, -1002, -1004, -1006, -1012 */
export function readCaller(socket: Duplex, trustDomain: TrustDomain, now: number): SvidFacts {
  const certificate = socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate() : undefined;
  if (certificate === undefined) throw new Refusal('CORDON-1001', 'no client certificate');
  const svid = readSvid(certificate, trustDomain);
  checkLifetime(svid, now);
  return svid;
}

/** @throws Refusal CORDON-1014 */
export function checkRole(svid: SvidFacts, role: Role): void {
  if (KINDS[role].includes(svid.workload.kind)) return;
  throw new Refusal('CORDON-1014', `this route is for ${role}s`, { observed: svid.workload.id });
}
