// Who calls the control plane: an operator, or a workload about its own identity; read from the client certificate of the connection.
// INVARIANT I7: an agent is refused on every operator route, whatever it sends.
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { roleHolds, type OperatorRole } from '../domain/operators.ts';
import { Refusal } from '../domain/refusal.ts';
import { checkLifetime, readSvid, type SvidFacts } from '../identity/svid.ts';
import type { Control } from './control.ts';

/** What a route asks of its caller: an operator of this role, or a workload about itself. */
export type Role = OperatorRole | 'workload';

/** Whose run was not revoked. INVARIANT I6 @throws Refusal CORDON-1001, -1002, -1004, -1006, -1012, -4005 */
export function readCaller(socket: Duplex, { config, publisher, now }: Pick<Control, 'config' | 'publisher' | 'now'>): SvidFacts {
  const certificate = socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate() : undefined;
  if (certificate === undefined) throw new Refusal('CORDON-1001', 'no client certificate');
  const svid = readSvid(certificate, config.trustDomain);
  checkLifetime(svid, now());
  const { id, run } = svid.workload;
  if (run === undefined || !publisher.current().revoked.runs.has(run)) return svid;
  throw new Refusal('CORDON-4005', 'the run was revoked', { observed: id });
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
