// A real oidc-provider as a company's issuer: access tokens of RFC 9068, and assertions for other domains (ID-JAG) by token exchange.
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { Provider } from 'oidc-provider';
import { CORP, EXCHANGE, now } from './oauth-bed.ts';

export interface ForeignIssuer {
  readonly issuer: string;
  readonly tokenEndpoint: string;
  readonly client: string;
  readonly secret: string;
  /** An access token for the audience of the bed, by client credentials. */
  accessToken(): Promise<string>;
  idJag(audience: string, clientId: string): Promise<string>;
  close(): Promise<void>;
}

const CLIENT = 'desk';
const SECRET = 'secret-of-the-desk-at-its-own-issuer';
/** How the client is called by the authorization servers to which it is introduced. */
const ELSEWHERE = 'spiffe://test.example/agent/caller';
const RESOURCE = 'https://desk.example';

export async function openForeignIssuer(): Promise<ForeignIssuer> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(privateKey)), kid: 'foreign-1', alg: 'ES256', use: 'sig' };
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const idJag = (audience: string, clientId: string, more: object = {}): Promise<string> =>
    new SignJWT({ client_id: clientId, jti: crypto.randomUUID(), iat: now(), exp: now() + 120, ...more })
      .setProtectedHeader({ alg: 'ES256', kid: 'foreign-1', typ: 'oauth-id-jag+jwt' })
      .setIssuer(issuer)
      .setSubject('bob')
      .setAudience(audience)
      .sign(privateKey);

  const provider = new Provider(issuer, {
    jwks: { keys: [jwk] },
    clients: [
      {
        client_id: CLIENT,
        client_secret: SECRET,
        grant_types: ['client_credentials', EXCHANGE],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({ scope: '', audience: CORP.audience, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }),
      },
    },
  });
  provider.registerGrantType(
    EXCHANGE,
    async (ctx) => {
      const { audience = '', resource } = ctx.oidc.params as Record<string, string>;
      ctx.body = {
        access_token: await idJag(audience, ELSEWHERE, { resource }),
        issued_token_type: 'urn:ietf:params:oauth:token-type:id-jag',
        token_type: 'N_A',
        expires_in: 120,
      };
    },
    ['audience', 'resource', 'subject_token', 'subject_token_type', 'requested_token_type'],
  );
  const answer = provider.callback();
  server.on('request', (request, response) => void answer(request, response));

  return {
    issuer,
    tokenEndpoint: `${issuer}/token`,
    client: CLIENT,
    secret: SECRET,
    idJag,
    async accessToken(): Promise<string> {
      const body = new URLSearchParams({ grant_type: 'client_credentials', resource: RESOURCE });
      const headers = { authorization: `Basic ${btoa(`${CLIENT}:${SECRET}`)}` };
      const reply = (await (await fetch(`${issuer}/token`, { method: 'POST', body, headers })).json()) as { access_token?: string };
      if (reply.access_token === undefined) throw new Error(JSON.stringify(reply));
      return reply.access_token;
    },
    async close(): Promise<void> {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
