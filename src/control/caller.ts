// Who calls the control plane: an operator, or a workload about its own identity; read from the client certificate of the connection.
// INVARIANT I7: an agent is refused on every operator route, whatever it sends.
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { roleHolds, type OperatorRole } from '../domain/operators.ts';
import { Refusal } from '../domain/refusal.ts';
import type { TrustDomain } from '../domain/spiffe-id.ts';
import { checkLifetime, readSvid, type SvidFacts } from '../identity/svid.ts';

/** What a route asks of its caller: an operator of this role, or a workload about itself. */
export type Role = OperatorRole | 'workload';

/** `now`: Unix milliseconds. @throws Refusal CORDON-1001, -1002, -1004, -1006, -1012 */
export function readCaller(socket: Duplex, trustDomain: TrustDomain, now: number): SvidFacts {
  const certificate = socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate() : undefined;
  if (certificate === undefined) throw new Refusal('CORDON-1001', 'no client certificate');
  const svid = readSvid(certificate, trustDomain);
  checkLifetime(svid, now);
  return svid;
}

/** `roleOf`: what an operator is now. @throws Refusal CORDON-1014 */
export function checkRole(
  { workload: { id, kind, name } }: SvidFacts,
  role: Role,
  roleOf: (operator: string) => OperatorRole | undefined,
): void {
  if (role === 'workload') {
    if (kind === 'agent' || kind === 'resource') return;
    throw new Refusal('CORDON-1014', 'this route is for workloads', { observed: id });
  }
  if (kind !== 'operator')
    throw new Refusal('CORDON-1014', 'this route is for operators', { observed: id, fix: 'act as an operator: `cordon login`' });
  const has = roleOf(name);
  if (has !== undefined && roleHolds(has, role)) return;
  throw new Refusal('CORDON-1017', has === undefined ? `\`${name}\` is no operator any more` : `this needs the role ${role}`, {
    observed: has === undefined ? id : `\`${name}\` is ${has}`,
    expected: role,
  });
}
