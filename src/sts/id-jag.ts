// Identity assertion authorization grants (draft-ietf-oauth-identity-assertion-authz-grant): a task crosses into another domain. Here the
// authorization server of that domain is told for whom and through whom; there the assertion is a grant (RFC 7523 §2.1).
// Promises: what is accepted was signed by an issuer that is trusted for it, for this authorization server and this client, once.
import { type JwsSigner, type KeysFor, verifyJws } from '../crypto/jws.ts';
import type { JsonObject } from '../domain/json.ts';
import { type Mandate, mandateJson } from '../domain/mandate.ts';
import { Refusal } from '../domain/refusal.ts';
import type { SpiffeId } from '../domain/spiffe-id.ts';
import { actClaim, audienceClaim, type Clock, type Lifetime, lifetimeOf, optionalText, textClaim } from './claims.ts';
import { type Confirmation, confirmationIn } from './confirm.ts';
import type { Replays } from './dpop.ts';
import { mandateIn } from './task-token.ts';
import { TYP } from './token-type.ts';

/** What an assertion to another domain says. Times are Unix seconds. */
export interface OutgoingJag extends Lifetime {
  readonly issuer: string;
  readonly sub: string;
  /** The issuer of the authorization server there. */
  readonly audience: string;
  /** The client of the agent there. */
  readonly clientId: string;
  readonly resource: string | undefined;
  readonly jti: string;
  readonly txn: string;
  readonly scope: string | undefined;
  readonly mandate: Mandate;
  readonly chain: readonly SpiffeId[];
  readonly confirmation: Confirmation | undefined;
}

/** @returns the compact form */
export const writeIdJag = (signer: JwsSigner, jag: OutgoingJag): string =>
  signer.sign(
    {
      iss: jag.issuer,
      sub: jag.sub,
      aud: jag.audience,
      client_id: jag.clientId,
      jti: jag.jti,
      exp: jag.expiresAt,
      iat: jag.issuedAt,
      txn: jag.txn,
      act: actClaim(jag.chain),
      authorization_details: mandateJson(jag.mandate),
      ...(jag.resource === undefined ? {} : { resource: jag.resource }),
      ...(jag.scope === undefined || jag.scope === '' ? {} : { scope: jag.scope }),
      ...(jag.confirmation === undefined ? {} : { cnf: jag.confirmation }),
    },
    TYP.idJag,
  );

/** What an assertion from another domain says. */
export interface IncomingJag extends Lifetime {
  readonly issuer: string;
  /** Unique at its issuer alone. */
  readonly sub: string;
  readonly resource: string | undefined;
  readonly scope: string | undefined;
  /** Undefined when it does not say. */
  readonly mandate: Mandate | undefined;
  readonly confirmation: Confirmation | undefined;
  /** All of it, for whoever maps users. */
  readonly claims: JsonObject;
}

export interface ExpectedJag extends Clock {
  /** An issuer that is trusted for assertions, whose keys are given. */
  readonly from: string;
  /** The issuer of this authorization server. */
  readonly issuer: string;
  /** The client that shows it, as it is called here. */
  readonly clientId: string;
  readonly replays: Replays;
}

/** Seconds that an assertion may live. */
const MOST_LIFE = 600;

/**
 * Verifies and reads an assertion, and uses it up. attacker-controlled
 * @throws Refusal CORDON-1009 not signed by its issuer, or for another client; CORDON-1010, CORDON-1011; CORDON-1016 used before
 */
export function acceptIdJag(token: string, keys: KeysFor, expected: ExpectedJag): IncomingJag {
  const claims = verifyJws(token, keys, [TYP.idJag]).payload;
  const [issuer, jti] = [textClaim(claims, 'iss'), textClaim(claims, 'jti')];
  if (issuer !== expected.from) throw new Refusal('CORDON-1009', 'assertion of another issuer');
  const [audience, ...more] = audienceClaim(claims);
  if (audience !== expected.issuer || more.length > 0) {
    throw new Refusal('CORDON-1011', 'assertion for another authorization server', { expected: expected.issuer });
  }
  if (claims['client_id'] !== expected.clientId)
    throw new Refusal('CORDON-1009', 'assertion for another client', { expected: expected.clientId });
  const lifetime = lifetimeOf(claims, expected, MOST_LIFE);
  const read = {
    issuer,
    sub: textClaim(claims, 'sub'),
    resource: optionalText(claims, 'resource'),
    scope: optionalText(claims, 'scope'),
    mandate: claims['authorization_details'] === undefined ? undefined : mandateIn(claims),
    confirmation: confirmationIn(claims),
    claims,
    ...lifetime,
  };
  expected.replays.use(`id-jag ${issuer}`, jti, (lifetime.expiresAt + expected.skew) * 1000, expected.now);
  return read;
}
