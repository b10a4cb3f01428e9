// The token service of a running Cordon: its keys, the issuers it knows, and what it remembers.
import { createIssuedTokens } from '../control/oauth/issued.ts';
import { createNonces } from '../control/oauth/nonces.ts';
import { createRates } from '../control/oauth/rates.ts';
import { createReplays } from '../control/oauth/replays.ts';
import type { ShownSvid, Tokens } from '../control/oauth/tokens.ts';
import { createUsers } from '../control/oauth/users.ts';
import { createIssuerKeys } from '../control/oidc-keys.ts';
import { type JwtSvidCheck, validateJwtSvid } from '../identity/jwt-svid.ts';
import { isJsonArray } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Setting } from './setting.ts';
import type { State } from './state.ts';

/** Opens it. What it remembers ends with the process, and so does what could be replayed. */
export function openTokens({ config: { tokens, trustDomain }, now }: Setting, { authority }: State): Tokens {
  const issuerKeys = createIssuerKeys({ now });
  return {
    keys: authority.sts,
    issuerKeys,
    users: createUsers({ ...tokens, keys: issuerKeys, now }),
    nonces: createNonces(now),
    replays: createReplays(),
    issued: createIssuedTokens(now()),
    addresses: createRates({ rate: 1000, burst: 2000 }),
    clients: createRates({ rate: 100, burst: 500 }),
    svidOf: (token, audience) =>
      svidOf(token, { keysOf: (domain) => (domain === trustDomain ? authority.jwt.jwks() : undefined), audiences: [audience], now: now() }),
  };
}

/** One that is for others too could be sent on by them, so it shows nothing here (RFC 7523 §3, as its update has it). */
function svidOf(token: string, check: JwtSvidCheck): ShownSvid {
  const { id, claims } = validateJwtSvid(token, check);
  const { aud = null, exp } = claims;
  if (isJsonArray(aud) && aud.length > 1)
    throw new Refusal('CORDON-1011', 'the JWT-SVID is for others too', { expected: check.audiences.join() });
  return { id, expiresAt: typeof exp === 'number' ? exp * 1000 : 0 };
}
