// Which runs stand behind a request.
import type { AccessRequest } from '../domain/access.ts';
import { parseWorkload } from '../domain/spiffe-id.ts';

/** That calls. One that is known by its certificate alone goes by its SPIFFE ID. */
export const runOf = ({ subject }: AccessRequest): string => subject.run ?? subject.spiffeId;

/** With which its task began: itself, where it acts for itself. */
export function firstRunOf({ subject, delegation }: AccessRequest): string | undefined {
  const [first] = delegation?.chain ?? [];
  return first === undefined ? subject.run : parseWorkload(first).run;
}

/** A run that acts for itself has one task, however many tokens it asks for: else each would be a budget of its own. */
export const taskNameOf = ({ delegation }: AccessRequest): string =>
  delegation === undefined || (delegation.user === undefined && delegation.chain.length < 2) ? '' : delegation.txn;
