// The OIDC attestor: a token of an issuer that cordon.yaml names, verified with the keys that the issuer publishes.
import { Refusal } from '../../domain/refusal.ts';
import { readTokenClaim, tokenFacts, verifyToken } from '../../identity/oidc.ts';
import { selectorsOf } from '../../identity/selectors.ts';
import type { WorkloadIssuerConfig } from '../config.ts';
import type { IssuerKeys } from '../oidc-keys.ts';
import type { Seen } from './seen.ts';

export interface OidcParts {
  readonly issuers: readonly WorkloadIssuerConfig[];
  readonly keys: IssuerKeys;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/**
 * attacker-controlled
 * @throws Refusal CORDON-1005 nobody here trusts its issuer, CORDON-1009, -1010, -1011 of the token, CORDON-9010 its keys cannot be had
 */
export async function seenByIssuer({ issuers, keys, now }: OidcParts, token: string): Promise<Seen> {
  const claim = readTokenClaim(token);
  const issuer = issuers.find((each) => each.issuer === claim.issuer);
  if (issuer === undefined) {
    throw new Refusal('CORDON-1005', 'the issuer of the token is not one that attests workloads', {
      observed: claim.issuer.slice(0, 200),
      fix: 'name it under `attestation.issuers` in cordon.yaml, letter for letter',
    });
  }
  const found = await keys.keysOf(issuer, claim.kid);
  const claims = verifyToken(token, { issuer: issuer.issuer, audience: issuer.audience, keys: found, now: now() });
  return { attestor: 'oidc', selectors: selectorsOf(tokenFacts(claims)), composition: {} };
}
