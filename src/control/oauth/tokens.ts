// The token service as its endpoints see it. The composition root builds it.
import type { SpiffeId } from '../../domain/spiffe-id.ts';
import type { IssuerKeys } from '../oidc-keys.ts';
import type { IssuedTokens } from './issued.ts';
import type { Nonces } from './nonces.ts';
import type { Rates } from './rates.ts';
import type { Replays } from './replays.ts';
import type { TokenKeys } from '../token-keyring.ts';
import type { Users } from './users.ts';

/** What a JWT-SVID shows. */
export interface ShownSvid {
  readonly id: SpiffeId;
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

export interface Tokens {
  readonly keys: TokenKeys;
  readonly users: Users;
  /** Of issuers elsewhere. */
  readonly issuerKeys: IssuerKeys;
  readonly nonces: Nonces;
  readonly replays: Replays;
  readonly issued: IssuedTokens;
  /** What one address may ask, whoever it says it is. */
  readonly addresses: Rates;
  readonly clients: Rates;
  /** Verifies a JWT-SVID that is for `audience` and nobody else. @throws Refusal CORDON-1004, -1009, -1010, -1011 */
  svidOf(token: string, audience: string): ShownSvid;
}
