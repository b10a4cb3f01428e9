// Who does not get in: RFC 6749 §2.3, RFC 8705, RFC 7523, SPIFFE client authentication, and the types of tokens that are no credentials.
import { ASSERTION, jwt, now, proof } from '../support/oauth-bed.ts';
import type { World } from '../support/oauth-world.ts';
import { type Case, under } from './case.ts';

const GRANT = { grant_type: 'client_credentials' };

/** At the identity listener with this as the assertion. */
const asserting =
  (make: (world: World) => string | Promise<string>, type: string = ASSERTION.spiffe): Case['ask'] =>
  async (world) => ({ form: { ...GRANT, client_assertion_type: type, client_assertion: await make(world) } });

const claims = (world: World, over: object = {}): Record<string, unknown> => ({
  sub: world.ids.caller,
  aud: world.issuer,
  iat: now(),
  exp: now() + 60,
  ...over,
});

/** The assertion of `caller` with parts of another token in place of its own. */
const parts = (token: string, change: (parts: [string, string, string]) => readonly string[]): string =>
  change(token.split('.') as [string, string, string]).join('.');
const encoded = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url');

export const CLIENT_CASES: readonly Case[] = [
  ...under('RFC 6749 §2.3', [
    ['nobody', 'invalid_client', 1001, () => ({ form: GRANT })],
    ['a name and nothing else', 'invalid_client', 1001, (world) => ({ form: { ...GRANT, client_id: world.ids.caller } })],
    ['a secret in the form', 'invalid_client', 1013, () => ({ form: { ...GRANT, client_id: 'caller', client_secret: 'secret' } })],
    [
      'a secret in the header',
      'invalid_client',
      1013,
      () => ({ form: GRANT, headers: { authorization: `Basic ${btoa('caller:secret')}` } }),
    ],
    [
      'a secret beside a certificate',
      'invalid_client',
      1013,
      (world) => ({ form: { ...GRANT, client_secret: 'secret' }, as: world.runs.caller }),
    ],
    [
      'a bearer token beside a certificate',
      'invalid_client',
      1013,
      async (world) => ({ form: GRANT, as: world.runs.caller, headers: { authorization: `Bearer ${world.alice}` } }),
    ],
    [
      'a certificate and an assertion',
      'invalid_request',
      9011,
      (world) => ({ form: { ...GRANT, ...world.signedIn() }, as: world.runs.caller }),
    ],
    ['a type of assertion without one', 'invalid_client', 1013, () => ({ form: { ...GRANT, client_assertion_type: ASSERTION.spiffe } })],
    [
      'an assertion without its type',
      'invalid_client',
      1013,
      (world) => ({ form: { ...GRANT, client_assertion: world.assertions.caller } }),
    ],
    [
      'a SAML assertion',
      'invalid_client',
      1013,
      asserting(({ assertions }) => assertions.caller, 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer'),
    ],
  ]),
  ...under('RFC 8705 §2', [
    [
      '`client_id` of another agent',
      'invalid_client',
      1013,
      (world) => ({ form: { ...GRANT, client_id: 'spiffe://test.example/agent/callee' }, as: world.runs.caller }),
    ],
    [
      '`client_id` of another run',
      'invalid_client',
      1013,
      (world) => ({
        form: { ...GRANT, client_id: `spiffe://test.example/agent/caller/run/${world.runs.callee.run}` },
        as: world.runs.caller,
      }),
    ],
    [
      '`client_id` of another trust domain',
      'invalid_client',
      1013,
      (world) => ({ form: { ...GRANT, client_id: 'spiffe://test.example.evil/agent/caller' }, as: world.runs.caller }),
    ],
    [
      'an assertion with the `client_id` of another',
      'invalid_client',
      1013,
      (world) => ({ form: { ...GRANT, ...world.signedIn(), client_id: 'spiffe://test.example/agent/callee' } }),
    ],
    [
      'a token bound to a certificate, without one',
      'invalid_request',
      1013,
      (world) => ({ form: { ...world.exchange(), ...world.signedIn(), certificate_bound: 'true' } }),
    ],
    ['an operator, who is no agent', 'unauthorized_client', 2005, (world) => ({ form: GRANT, as: world.operator })],
  ]),
  ...under('RFC 7523 §3', [
    ['no JWT', 'invalid_client', 1009, asserting(() => 'assertion')],
    ['two parts', 'invalid_client', 1009, asserting(({ assertions }) => assertions.caller.split('.').slice(0, 2).join('.'))],
    ['five parts', 'invalid_client', 1009, asserting(({ assertions }) => `${assertions.caller}.a.b`)],
    ['a padded signature', 'invalid_client', 1009, asserting(({ assertions }) => `${assertions.caller}=`)],
    [
      'another signature',
      'invalid_client',
      1009,
      asserting(({ assertions }) => parts(assertions.caller, ([head, body, tail]) => [head, body, tail.split('').toReversed().join('')])),
    ],
    [
      'the signature of another',
      'invalid_client',
      1009,
      asserting(({ assertions: { caller, callee } }) => parts(caller, ([head, body]) => [head, body, callee.split('.')[2] ?? ''])),
    ],
    [
      'the subject of another',
      'invalid_client',
      1009,
      asserting((world) =>
        parts(world.assertions.caller, ([head, , tail]) => [head, encoded(claims(world, { sub: world.ids.callee })), tail]),
      ),
    ],
    ['no algorithm', 'invalid_client', 1009, asserting((world) => `${encoded({ alg: 'none' })}.${encoded(claims(world))}.`)],
    [
      'no algorithm, with a signature',
      'invalid_client',
      1009,
      asserting((world) => parts(world.assertions.caller, ([, body, tail]) => [encoded({ alg: 'none' }), body, tail])),
    ],
    [
      'HMAC in place of a key',
      'invalid_client',
      1009,
      asserting((world) => parts(world.assertions.caller, ([, body, tail]) => [encoded({ alg: 'HS256', kid: 'x' }), body, tail])),
    ],
    ['for another audience', 'invalid_client', 1011, asserting((world) => world.jwtSvid(world.runs.caller, ['https://elsewhere.example']))],
    [
      'for the token endpoint',
      'invalid_client',
      1011,
      asserting((world) => world.jwtSvid(world.runs.caller, [`${world.issuer}/oauth2/token`])),
    ],
    [
      'for us and for others',
      'invalid_client',
      1011,
      asserting((world) => world.jwtSvid(world.runs.caller, [world.issuer, 'https://elsewhere.example'])),
    ],
    ['signed by a stranger', 'invalid_client', 1009, asserting((world) => jwt(world.stranger, claims(world)))],
    [
      'signed by a stranger who uses the name of our key',
      'invalid_client',
      1009,
      asserting(async (world) => jwt(world.stranger, claims(world), { kid: headerOf(world.assertions.caller)['kid'] })),
    ],
    [
      'with a key of its own in the header',
      'invalid_client',
      1009,
      asserting((world) => jwt(world.stranger, claims(world), { jwk: world.stranger.jwk })),
    ],
    [
      'with a link to a key',
      'invalid_client',
      1009,
      asserting((world) => jwt(world.stranger, claims(world), { jku: 'https://stranger.example/jwks' })),
    ],
    [
      'with a path as the name of the key',
      'invalid_client',
      1009,
      asserting((world) => jwt(world.stranger, claims(world), { kid: '../../dev/null' })),
    ],
    [
      'with a query as the name of the key',
      'invalid_client',
      1009,
      asserting((world) => jwt(world.stranger, claims(world), { kid: "' OR 1=1 --" })),
    ],
    ['without the name of a key', 'invalid_client', 1009, asserting((world) => jwt(world.stranger, claims(world), { kid: undefined }))],
    [
      'of another trust domain',
      'invalid_client',
      1004,
      asserting((world) => jwt(world.stranger, claims(world, { sub: 'spiffe://other.example/agent/caller/run/1234' }))),
    ],
    ['of nobody', 'invalid_client', 1006, asserting((world) => jwt(world.stranger, claims(world, { sub: undefined })))],
    ['of somebody who is no workload', 'invalid_client', 1006, asserting((world) => jwt(world.stranger, claims(world, { sub: 'caller' })))],
    [
      '`iss` that is not `sub`',
      'invalid_client',
      1009,
      asserting((world) => jwt(world.stranger, claims(world, { iss: 'somebody' })), ASSERTION.bearer),
    ],
  ]),
  ...under('§2.3 of the reference: an assertion is', [
    ['no access token of a user', 'invalid_client', 1006, asserting(({ alice }) => alice)],
    ['no task token', 'invalid_client', 1006, asserting((world) => world.task('caller'))],
    [
      'no task token of an agent for itself',
      'invalid_client',
      1009,
      asserting(async (world) => String((await world.post(GRANT, { as: world.runs.caller })).json['access_token'])),
    ],
    [
      'no transaction token',
      'invalid_client',
      1006,
      asserting(async (world) => world.txn('caller', await world.task('caller', { scope: 'cordon' }), 'callee')),
    ],
    ['no DPoP proof', 'invalid_client', 1006, asserting((world) => proof(world.dpopKey, { htu: `${world.issuer}/oauth2/token` }))],
    [
      'no DPoP proof that names a workload',
      'invalid_client',
      1009,
      asserting((world) => proof(world.dpopKey, claims(world, { htu: world.issuer }))),
    ],
    ['no security event', 'invalid_client', 1009, asserting((world) => jwt(world.stranger, claims(world), { typ: 'secevent+jwt' }))],
    ['no workload identity token', 'invalid_client', 1009, asserting((world) => jwt(world.stranger, claims(world), { typ: 'wit+jwt' }))],
    ['no ID-JAG', 'invalid_client', 1009, asserting((world) => jwt(world.partner, claims(world), { typ: 'oauth-id-jag+jwt' }))],
  ]),
];

const headerOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.', 1)[0] ?? '', 'base64url').toString()) as Record<string, unknown>;
