// A call on behalf of a user that is only asked about, in a test or by an operator: no token stands behind it.
import type { Delegation } from '../domain/access.ts';
import type { Json } from '../domain/json.ts';
import { EVERYTHING, parseMandate } from '../domain/mandate.ts';
import type { SpiffeId } from '../domain/spiffe-id.ts';

export interface OnBehalf {
  readonly user: string;
  readonly issuer?: string;
  readonly groups?: readonly string[];
  /** As in a token; without one the mandate allows everything. */
  readonly mandate?: Json;
}

/** @throws Refusal for a mandate that is none */
export const onBehalfOf = ({ user, issuer = '', groups = [], mandate }: OnBehalf, caller: SpiffeId): Delegation => ({
  user: { id: user, issuer, groups },
  chain: [caller],
  mandate: mandate === undefined ? EVERYTHING : parseMandate(mandate),
  txn: '',
  token: '',
  parents: [],
  expiresAt: Number.MAX_SAFE_INTEGER,
});
