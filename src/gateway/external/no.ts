// How a data plane is told no: a status that it can act on, and the words for the caller (RFC 9457). INVARIANT I9: what is hidden from
// the caller looks like what does not exist.
import { CODES, type Code } from '../../domain/codes.ts';
import type { PlaneProtocol } from '../../domain/data-plane.ts';
import { HIDDEN, type No } from '../call.ts';
import type { Exchange } from '../exchange.ts';
import type { Pep } from '../pep.ts';
import { problem } from '../problem.ts';
import { challengeOf } from '../protected-resource.ts';
import type { Plane } from './plane.ts';

/** The data plane may not forward. */
export interface Denied {
  readonly allowed: false;
  /** For the log of the data plane; absent when nothing could be recorded. */
  readonly decisionId: string | undefined;
  readonly code: Code;
  readonly status: Status;
  /** For the caller. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Those that every data plane passes on; nginx makes 500 of any other than 401 and 403. */
export type Status = 401 | 403 | 404 | 429 | 503;

/** Protocols that pass on what hides and what asks to slow down; the others have 403 for both. */
const RICH: Readonly<Record<PlaneProtocol, boolean>> = { auth_request: false, forward_auth: false, spoe: true, ext_authz: true };

export function noFor(pep: Pep, { protocol }: Plane, exchange: Exchange, no: Omit<No, 'challenge'>): Denied {
  const { code } = no;
  const status = statusOf(code, RICH[protocol]);
  const { headers, body } = problem({ ...no, challenge: challengeOf(pep, exchange, code) });
  return { allowed: false, decisionId: no.decisionId, code, status, headers, body };
}

function statusOf(code: Code, rich: boolean): Status {
  const { status, kind } = CODES[code];
  if (status === 401) return 401;
  if (rich && HIDDEN.has(code)) return 404;
  if (rich && status === 429) return 429;
  return kind === 'system' && status >= 500 ? 503 : 403;
}
