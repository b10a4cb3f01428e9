// Independent OAuth clients and a foreign OpenID Connect issuer against a running Cordon: every flow, from metadata to revocation, and
// tokens held against the rules of RFC 9068 by somebody else's validator.
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as mcp from '@modelcontextprotocol/client';
import * as dpop from 'dpop';
import { createRemoteJWKSet, customFetch as joseFetch, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { ASSERTION, claimsOf, EXCHANGE, type Fetch, JWT_BEARER, TYPE, x5t } from './support/oauth-bed.ts';
import { type ForeignIssuer, openForeignIssuer } from './support/oauth-issuer.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { mandate, openWorld, type World } from './support/oauth-world.ts';

let [opened, foreign]: [World | undefined, ForeignIssuer | undefined] = [undefined, undefined];
const world = (): World => {
  if (opened === undefined) throw new Error('there is no world');
  return opened;
};
const issuer = (): ForeignIssuer => {
  if (foreign === undefined) throw new Error('there is no issuer');
  return foreign;
};

before(async () => {
  foreign = await openForeignIssuer();
  const row = `{ issuer: "${foreign.issuer}", allowPlaintextLoopback: true`;
  opened = await openWorld({ users: `    idp: ${row}, audience: cordon-desk }`, trust: `    foreign: ${row} }` });
});
after(async () => {
  await opened?.close();
  await foreign?.close();
});

const CLIENT = 'spiffe://test.example/agent/caller';
const DETAILS = JSON.stringify(mandate('tool:bench/*'));
const subject = (): Record<string, string> => ({
  subject_token: world().alice,
  subject_token_type: TYPE.access,
  resource: world().gateway,
});

describe('oauth4webapi 3.8.8', () => {
  const discover = async (): Promise<oauth.AuthorizationServer> => {
    const url = new URL(world().issuer);
    const response = await oauth.discoveryRequest(url, { algorithm: 'oauth2', [oauth.customFetch]: world().fetchAs({}) });
    return oauth.processDiscoveryResponse(url, response);
  };
  const client: oauth.Client = { client_id: CLIENT, use_mtls_endpoint_aliases: true };
  const overMtls = (): { [oauth.customFetch]: Fetch } => ({ [oauth.customFetch]: world().fetchAs(world().runs.caller) });

  test('[RFC8414] [RFC8705 §5] metadata, and endpoints for certificates beside them', async () => {
    const as = await discover();
    equal(as.issuer, world().issuer);
    equal(as.token_endpoint, `${world().issuer}/oauth2/token`);
    equal(as.mtls_endpoint_aliases?.token_endpoint, `${world().mtls}/oauth2/token`);
    deepEqual(as.grant_types_supported, [EXCHANGE, JWT_BEARER, 'client_credentials']);
  });

  test('[RFC8693] [RFC9068] [RFC9396] an exchange over mTLS: a token that RFC 9068 calls an access token, narrowed to what was asked for', async () => {
    const as = await discover();
    const response = await oauth.genericTokenEndpointRequest(
      as,
      client,
      oauth.TlsClientAuth(),
      EXCHANGE,
      { ...subject(), authorization_details: DETAILS },
      overMtls(),
    );
    const granted = await oauth.processGenericTokenEndpointResponse(as, client, response);
    deepEqual([granted.token_type, granted['issued_token_type'], granted.expires_in], ['bearer', TYPE.access, 300]);
    deepEqual(granted.authorization_details, mandate('tool:bench/*'));
    const request = new Request(world().gateway, { headers: { authorization: `Bearer ${granted.access_token}` } });
    const claims = await oauth.validateJwtAccessToken(as, request, world().gateway, { [oauth.customFetch]: world().fetchAs({}) });
    deepEqual([claims.sub, claims.client_id, claims['act']], ['corp/alice', CLIENT, { sub: world().ids.caller }]);
  });

  test('[RFC9449] a DPoP key: the challenge is answered, the token is bound, and a validator that requires a proof takes it', async () => {
    const as = await discover();
    const keys = await oauth.generateKeyPair('ES256');
    const DPoP = oauth.DPoP(client, keys);
    const ask = async (): Promise<oauth.TokenEndpointResponse> =>
      oauth.processGenericTokenEndpointResponse(
        as,
        client,
        await oauth.genericTokenEndpointRequest(as, client, oauth.TlsClientAuth(), EXCHANGE, subject(), { ...overMtls(), DPoP }),
      );
    await rejects(ask(), (error: unknown) => oauth.isDPoPNonceError(error));
    const granted = await ask();
    equal(granted.token_type, 'dpop');
    const headers = new Headers({ authorization: `DPoP ${granted.access_token}` });
    const keyPair = { privateKey: keys.privateKey, publicKey: keys.publicKey };
    headers.set('dpop', await dpop.generateProof(keyPair, world().gateway, 'POST', undefined, granted.access_token));
    const options = { requireDPoP: true, [oauth.customFetch]: world().fetchAs({}) };
    const claims = await oauth.validateJwtAccessToken(
      as,
      new Request(world().gateway, { method: 'POST', headers }),
      world().gateway,
      options,
    );
    equal(claims.cnf?.jkt, await dpop.calculateThumbprint(keys.publicKey));
    headers.delete('dpop');
    await rejects(oauth.validateJwtAccessToken(as, new Request(world().gateway, { method: 'POST', headers }), world().gateway, options));
  });

  test('[RFC7662] [RFC7009] introspection shows what is in a token that lives; revocation ends it and all that came from it', async () => {
    const as = await discover();
    const token = await world().task('caller', { scope: 'cordon' });
    const child = await world().task('caller', { subject_token: token });
    const hop = String((await world().hop('callee', await world().txn('caller', child, 'callee'))).json['access_token']);
    const look = async (shown: string): Promise<oauth.IntrospectionResponse> =>
      oauth.processIntrospectionResponse(
        as,
        client,
        await oauth.introspectionRequest(as, client, oauth.TlsClientAuth(), shown, overMtls()),
      );
    for (const shown of [token, child, hop]) {
      const { active, sub, txn, parents, authorization_details: details } = await look(shown);
      deepEqual(
        [active, sub, txn, parents, details],
        [true, ...['sub', 'txn', 'parents', 'authorization_details'].map((name) => claimsOf(shown)[name])],
      );
    }
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, oauth.TlsClientAuth(), token, overMtls()));
    for (const shown of [token, child, hop]) deepEqual(await look(shown), { active: false });
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, oauth.TlsClientAuth(), 'no token', overMtls()));
  });

  test('[RFC7523 §2.2] a JWT-SVID in place of a certificate', async () => {
    const as = await discover();
    const bySvid: oauth.ClientAuth = (_as, { client_id: id }, body) => {
      body.set('client_id', id);
      for (const [name, value] of Object.entries(world().signedIn())) body.set(name, value);
    };
    const options = { [oauth.customFetch]: world().fetchAs({}) };
    const one: oauth.Client = { client_id: CLIENT };
    const response = await oauth.clientCredentialsGrantRequest(as, one, bySvid, {}, options);
    const granted = await oauth.processClientCredentialsResponse(as, one, response);
    deepEqual([claimsOf(granted.access_token)['sub'], claimsOf(granted.access_token)['user']], [CLIENT, undefined]);
  });
});

describe('openid-client 6.8.9', () => {
  const configured = async (): Promise<openid.Configuration> => {
    const metadata = { use_mtls_endpoint_aliases: true };
    const url = new URL(world().issuer);
    const options = { algorithm: 'oauth2' as const, [openid.customFetch]: world().fetchAs(world().runs.caller) };
    return openid.discovery(url, CLIENT, metadata, openid.TlsClientAuth(), options);
  };

  test('exchange, introspection, revocation', async () => {
    const config = await configured();
    const granted = await openid.genericGrantRequest(config, EXCHANGE, { ...subject(), authorization_details: DETAILS });
    equal((await openid.tokenIntrospection(config, granted.access_token)).active, true);
    await openid.tokenRevocation(config, granted.access_token);
    equal((await openid.tokenIntrospection(config, granted.access_token)).active, false);
  });

  test('DPoP: it retries with the nonce by itself', async () => {
    const config = await configured();
    const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256'));
    const granted = await openid.clientCredentialsGrant(config, { resource: world().gateway }, { DPoP });
    deepEqual([granted.token_type, typeof claimsOf(granted.access_token)['cnf']], ['dpop', 'object']);
  });
});

describe('the MCP SDK 2.4.0', () => {
  /** The gateway asks for a certificate before it says where its tokens come from. */
  const fetchFn = (): mcp.FetchLike => world().fetchAs(world().runs.caller);

  test('it finds the token service and gets a token with a JWT-SVID', async () => {
    const options = { clientId: CLIENT, jwtBearerAssertion: world().assertions.caller, expectedIssuer: world().issuer };
    const provider = new mcp.StaticPrivateKeyJwtProvider(options);
    equal(await mcp.auth(provider, { serverUrl: world().gateway, fetchFn: fetchFn() }), 'AUTHORIZED');
    const { sub, aud } = claimsOf(provider.tokens()?.access_token);
    deepEqual([sub, aud], [CLIENT, world().gateway]);
  });

  test('[RFC7523 §2.1] a user of another domain: its issuer’s assertion becomes a task token', async () => {
    const provider = new mcp.CrossAppAccessProvider({
      clientId: CLIENT,
      clientSecret: 'none',
      expectedIssuer: world().issuer,
      fetchFn: fetchFn(),
      assertion: async ({ authorizationServerUrl, resourceUrl }) =>
        (
          await mcp.requestJwtAuthorizationGrant({
            tokenEndpoint: issuer().tokenEndpoint,
            audience: authorizationServerUrl,
            resource: resourceUrl,
            idToken: 'of bob',
            clientId: issuer().client,
            clientSecret: issuer().secret,
          })
        ).jwtAuthGrant,
    });
    const signed = Object.assign(provider, {
      addClientAuthentication: (_headers: Headers, params: URLSearchParams): void => {
        for (const [name, value] of Object.entries({ ...world().signedIn(), client_assertion_type: ASSERTION.bearer }))
          params.set(name, value);
      },
    });
    equal(await mcp.auth(signed, { serverUrl: world().gateway, fetchFn: fetchFn() }), 'AUTHORIZED');
    const { sub, user, act } = claimsOf(provider.tokens()?.access_token);
    deepEqual([sub, user, act], ['foreign/bob', { iss: issuer().issuer, sub: 'bob' }, { sub: world().ids.caller }]);
  });

  test('its DPoP session answers the challenge', async () => {
    const options = { clientId: CLIENT, jwtBearerAssertion: world().assertions.caller, expectedIssuer: world().issuer };
    const session = await mcp.DpopSession.create();
    const provider = Object.assign(new mcp.StaticPrivateKeyJwtProvider(options), { dpop: () => session });
    equal(await mcp.auth(provider, { serverUrl: world().gateway, fetchFn: fetchFn() }), 'AUTHORIZED');
    equal(provider.tokens()?.token_type.toLowerCase(), 'dpop');
  });
});

describe('oidc-provider 9.13.3 as the issuer of users', () => {
  test('its access token is exchanged, by its keys as it publishes them', async () => {
    const token = await issuer().accessToken();
    equal(claimsOf(token)['iss'], issuer().issuer);
    const { sub, user } = claimsOf(await world().task('caller', { subject_token: token }));
    deepEqual([sub, (user as { iss: string }).iss], [`idp/${issuer().client}`, issuer().issuer]);
  });

  test('an assertion for another client is worth nothing', async () => {
    const assertion = await issuer().idJag(world().issuer, 'spiffe://test.example/agent/callee');
    const { json } = await world().post({ grant_type: JWT_BEARER, assertion }, { as: world().runs.caller });
    equal(json['error'], 'invalid_grant');
  });
});

describe('what a token says', () => {
  test('[RFC8705 §3] jose verifies it with the published keys; the certificate that it was asked to be bound to is in it', async () => {
    const keys = createRemoteJWKSet(new URL(`${world().issuer}/oauth2/jwks`), { [joseFetch]: world().fetchAs({}) });
    const token = await world().task('caller', { certificate_bound: 'true' });
    const { payload } = await jwtVerify(token, keys, {
      issuer: world().issuer,
      audience: world().gateway,
      typ: 'at+jwt',
      algorithms: ['ES256'],
    });
    deepEqual(payload['cnf'], { 'x5t#S256': x5t(world().runs.caller) });
  });

  test('[I4] the chain grows by one at each hop; the task keeps its name, its user and its parents', async () => {
    const first = await world().task('caller', {
      scope: 'cordon',
      authorization_details: DETAILS.replace('"tool:bench/*"', '"tool:bench/*","agent:callee"'),
    });
    const second = String((await world().hop('callee', await world().txn('caller', first, 'callee'))).json['access_token']);
    const [a, b] = [claimsOf(first), claimsOf(second)];
    deepEqual(b['act'], { sub: world().ids.callee, act: { sub: world().ids.caller } });
    deepEqual(
      [b['txn'], b['sub'], b['user'], b['parents'], b['authorization_details']],
      [a['txn'], a['sub'], a['user'], [a['jti']], a['authorization_details']],
    );
    ok(Number(b['exp']) <= Number(a['exp']));
  });

  test('[I3] every issue is on record before the token is out, without the token', async () => {
    const token = await world().task('caller', { authorization_details: DETAILS });
    const { jti } = claimsOf(token);
    match(String(jti), /^[0-9A-Z]{26}$/);
    await signedAll(world());
    const acts = (await readLog(world())).acts.filter(({ target }) => target === jti);
    equal(acts.length, 1);
    const [{ act, actor, detail } = { act: '', actor: '', detail: {} }] = acts;
    const { sub, aud } = (detail ?? {}) as Record<string, unknown>;
    deepEqual([act, actor, sub, aud], ['token.issue', world().ids.caller, 'corp/alice', world().gateway]);
    ok(!JSON.stringify(acts).includes('eyJ'));
  });
});
