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
