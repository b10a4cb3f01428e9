// The answer to an exchange (RFC 8693 §2.2.1).
import { MAX_TOKEN } from '../crypto/jws.ts';
import { mandateJson } from '../domain/mandate.ts';
import { Refusal } from '../domain/refusal.ts';
import { secondsOf } from './claims.ts';
import type { Exchanged, Issued } from './request.ts';
import type { TokenService } from './service.ts';
import { TOKEN_TYPES } from './token-type.ts';

/** Only an access token can be used as one: what is none is `N_A`. */
export type AccessTokenType = 'Bearer' | 'DPoP' | 'N_A';

/** What was signed for, beside what is recorded. */
type Signed = Issued & { readonly scope?: string | undefined };

/** @throws Refusal CORDON-2003 when the token is longer than one may be */
export function answer({ now }: Pick<TokenService, 'now'>, token: string, type: AccessTokenType, signed: Signed): Exchanged {
  if (token.length > MAX_TOKEN) throw new Refusal('CORDON-2003', 'the mandate is longer than fits in a token');
  const { type: issuedType, jti, txn, sub, chain, audience, mandate, parents, expiresAt, scope = '' } = signed;
  const response = {
    access_token: token,
    issued_token_type: TOKEN_TYPES[issuedType],
    token_type: type,
    expires_in: expiresAt - secondsOf(now),
    ...(scope === '' ? {} : { scope }),
    ...(issuedType === 'txn_token' ? {} : { authorization_details: mandateJson(mandate) }),
  };
  const issued = { type: issuedType, ...(jti === undefined ? {} : { jti }), txn, sub, chain, audience, mandate, parents, expiresAt };
  return { response, issued };
}
