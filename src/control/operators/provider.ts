// Operators sign in at an OpenID Connect provider: authorization code flow with PKCE, state and nonce (OpenID Connect Core §3.1, RFC 9700).
// Who that is here, the directory says: an account is bound to the name that it first signed in with, and to no other.
import * as oidc from 'openid-client';
import { Refusal } from '../../domain/refusal.ts';
import { isName, NAME_FORM } from '../input.ts';

/** Milliseconds. */
const ROUND_TRIP = 5 * 60_000;
const MOST = 200;
const TIMEOUT_S = 10;

export interface ProviderConfig {
  readonly issuer: URL;
  readonly clientId: string;
  readonly clientSecret?: string;
  /** The claim that names the operator, for an account that cordon.yaml does not name by its `sub`. */
  readonly nameClaim: string;
  /** A provider on loopback without TLS. */
  readonly plaintext: boolean;
}

export interface ProviderParts {
  readonly config: ProviderConfig;
  /** Where the provider sends the browser back to. */
  readonly redirectUri: URL;
  /** The operator that cordon.yaml names for this `sub`. */
  readonly nameOf: (subject: string) => string | undefined;
  /** @throws Refusal CORDON-1012, -1013 */
  readonly bind: (name: string, subject: string) => Promise<void>;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export interface Provider {
  /** Where the browser goes. @throws Refusal CORDON-9010 when the provider cannot be reached */
  begin(login: string): Promise<URL>;
  /** @returns who came back, for which sign-in. @throws Refusal CORDON-1005, -1009, -1012, -1013 */
  finish(url: URL): Promise<{ readonly login: string; readonly name: string }>;
}

interface RoundTrip {
  readonly login: string;
  readonly verifier: string;
  readonly nonce: string;
  readonly until: number;
}

export function createProvider({ config, redirectUri, nameOf, bind, now }: ProviderParts): Provider {
  const trips = new Map<string, RoundTrip>();
  let discovered: Promise<oidc.Configuration> | undefined;

  /** Asked once it works; a provider that is away is asked again. */
  const configuration = async (): Promise<oidc.Configuration> => {
    discovered ??= discover(config);
    try {
      return await discovered;
    } catch (cause) {
      discovered = undefined;
      throw new Refusal('CORDON-9010', 'the OpenID Connect provider cannot be reached', {
        cause,
        fix: 'look at `operators.oidc.issuer` in cordon.yaml',
      });
    }
  };

  return {
    async begin(login): Promise<URL> {
      for (const [state, { until }] of trips) if (until <= now()) trips.delete(state);
      if (trips.size >= MOST) throw new Refusal('CORDON-4003', 'too many sign-ins are under way');
      const [state, nonce, verifier] = [oidc.randomState(), oidc.randomNonce(), oidc.randomPKCECodeVerifier()];
      const url = oidc.buildAuthorizationUrl(await configuration(), {
        redirect_uri: redirectUri.href,
        scope: 'openid profile email',
        code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        state,
        nonce,
      });
      trips.set(state, { login, verifier, nonce, until: now() + ROUND_TRIP });
      return url;
    },

    async finish(url) {
      const state = url.searchParams.get('state') ?? '';
      const trip = trips.get(state);
      trips.delete(state); // once
      if (trip === undefined || trip.until <= now())
        throw new Refusal('CORDON-1005', 'this sign-in was not begun here, or is done', { fix: 'begin again: `cordon login`' });
      const checks = { pkceCodeVerifier: trip.verifier, expectedState: state, expectedNonce: trip.nonce, idTokenExpected: true };
      const claims = await grant(await configuration(), url, checks);
      const subject = `${claims.iss} ${claims.sub}`;
      const name = nameOf(claims.sub) ?? claimed(claims[config.nameClaim]);
      await bind(name, subject);
      return { login: trip.login, name };
    },
  };
}

function discover({ issuer, clientId, clientSecret, plaintext }: ProviderConfig): Promise<oidc.Configuration> {
  const authentication = clientSecret === undefined ? oidc.None() : oidc.ClientSecretBasic(clientSecret);
  // oxlint-disable-next-line typescript/no-deprecated -- marked so to stand out: a provider on loopback, where cordon.yaml asks for it
  const options = { timeout: TIMEOUT_S, ...(plaintext ? { execute: [oidc.allowInsecureRequests] } : {}) };
  return oidc.discovery(issuer, clientId, undefined, authentication, options);
}

async function grant(configuration: oidc.Configuration, url: URL, checks: oidc.AuthorizationCodeGrantChecks): Promise<oidc.IDToken> {
  try {
    const claims = (await oidc.authorizationCodeGrant(configuration, url, checks)).claims();
    if (claims !== undefined) return claims;
  } catch (cause) {
    throw new Refusal('CORDON-1009', 'the provider did not sign anybody in', { cause, fix: 'begin again: `cordon login`' });
  }
  throw new Refusal('CORDON-1009', 'the provider sent no ID token');
}

function claimed(value: unknown): string {
  if (typeof value === 'string' && isName(value)) return value;
  throw new Refusal('CORDON-1012', 'no operator is named by this account', {
    expected: NAME_FORM,
    fix: 'name the account by its `sub` under `operators.people` in cordon.yaml',
  });
}
