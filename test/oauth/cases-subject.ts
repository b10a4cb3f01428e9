// What is no subject: tokens of users that prove nothing, and tokens of ours that are worth nothing any more.
import { createHmac } from 'node:crypto';
import { CORP, jwt, now, PARTNER, proof, TYPE } from '../support/oauth-bed.ts';
import { type Case, subject, under } from './case.ts';

const AT = { typ: 'at+jwt' };
const user = (claims: Readonly<Record<string, unknown>>, header: object = AT, type: string = TYPE.access): Case['ask'] =>
  subject((world) => world.userToken(claims, header), { subject_token_type: type });
const encoded = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url');
const body = (claims: object = {}): Record<string, unknown> => ({
  iss: CORP.issuer,
  aud: CORP.audience,
  sub: 'alice',
  iat: now(),
  exp: now() + 600,
  ...claims,
});

const idJag =
  (claims: Readonly<Record<string, unknown>> = {}, header: object = { typ: 'oauth-id-jag+jwt' }): Case['ask'] =>
  async (world) => ({
    form: {
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: await jwt(
        world.partner,
        {
          iss: PARTNER.issuer,
          aud: world.issuer,
          sub: 'bob',
          client_id: 'spiffe://test.example/agent/caller',
          jti: crypto.randomUUID(),
          iat: now(),
          exp: now() + 120,
          ...claims,
        },
        header,
      ),
    },
    as: world.runs.caller,
  });

export const SUBJECT_CASES: readonly Case[] = [
  ...under('RFC 9068 §4', [
    ['for another audience', 'invalid_request', 1011, user({ aud: 'another-app' })],
    ['for no audience', 'invalid_request', 1011, user({ aud: undefined })],
    ['for an audience in other letters', 'invalid_request', 1011, user({ aud: CORP.audience.toUpperCase() })],
    ['for audiences of which none is us', 'invalid_request', 1011, user({ aud: ['a', 'b'] })],
    ['expired', 'invalid_request', 1010, user({ exp: now() - 5 })],
    ['not yet valid', 'invalid_request', 1010, user({ nbf: now() + 600 })],
    ['issued in the future', 'invalid_request', 1010, user({ iat: now() + 600 })],
    ['without an end', 'invalid_request', 1009, user({ exp: undefined })],
    ['with an end in words', 'invalid_request', 1009, user({ exp: 'tomorrow' })],
    ['with a beginning in words', 'invalid_request', 1009, user({ nbf: 'now' })],
    ['with an end beyond all dates', 'invalid_request', 1009, user({ exp: 1e15 })],
    ['of an issuer that is not known', 'invalid_request', 1009, user({ iss: 'https://login.stranger.example' })],
    ['of an issuer with a slash', 'invalid_request', 1009, user({ iss: `${CORP.issuer}/` })],
    ['of no issuer', 'invalid_request', 1009, user({ iss: undefined })],
    [
      'of a trusted issuer of assertions',
      'invalid_request',
      1009,
      subject((world) => jwt(world.partner, { ...body(), iss: PARTNER.issuer }, AT)),
    ],
    ['of nobody', 'invalid_request', 1009, user({ sub: undefined })],
    ['of somebody without a name', 'invalid_request', 1009, user({ sub: '' })],
    ['of a name with a line break', 'invalid_request', 1009, user({ sub: 'alice\nadmin' })],
    ['of a name that turns the text around', 'invalid_request', 1009, user({ sub: 'alice\u202e' })],
    ['of a list of names', 'invalid_request', 1009, user({ sub: ['alice'] })],
    ['with groups that are a text', 'invalid_request', 1009, user({ groups: 'admins' })],
    ['with a group that is none', 'invalid_request', 1009, user({ groups: ['a', 7] })],
    ['with a consent that cannot be read', 'invalid_request', 1009, user({ authorization_details: [{ type: 'cordon_task' }] })],
    ['with a `may_act` that names nobody', 'invalid_request', 1009, user({ may_act: {} })],
  ]),
  ...under('RFC 8725 §3', [
    ['no JWT', 'invalid_request', 1009, subject(() => 'token')],
    ['longer than a token may be', 'invalid_request', 1009, user({ padding: 'x'.repeat(17_000) })],
    ['encrypted', 'invalid_request', 1009, subject(() => 'a.b.c.d.e')],
    ['no algorithm', 'invalid_request', 1009, subject(() => `${encoded({ alg: 'none', typ: 'at+jwt' })}.${encoded(body())}.`)],
    ['`None`', 'invalid_request', 1009, subject(() => `${encoded({ alg: 'None', typ: 'at+jwt' })}.${encoded(body())}.AA`)],
    [
      'HMAC with the public key as the secret',
      'invalid_request',
      1009,
      subject(({ users }) => {
        const signed = `${encoded({ alg: 'HS256', typ: 'at+jwt', kid: 'corp-1' })}.${encoded(body())}`;
        return `${signed}.${createHmac('sha256', JSON.stringify(users.jwk)).update(signed).digest('base64url')}`;
      }),
    ],
    [
      'another algorithm than that of the key',
      'invalid_request',
      1009,
      subject(async ({ users }) => {
        const [, claims, tail] = (await jwt(users, body(), AT)).split('.');
        return [encoded({ alg: 'RS256', typ: 'at+jwt', kid: 'corp-1' }), claims, tail].join('.');
      }),
    ],
    ['signed by a stranger', 'invalid_request', 1009, subject((world) => jwt(world.stranger, body(), { ...AT, kid: 'corp-1' }))],
    ['signed by another issuer', 'invalid_request', 1009, subject((world) => jwt(world.partner, body(), AT))],
    ['of a key that is not known', 'invalid_request', 1009, user({}, { ...AT, kid: 'corp-2' })],
    ['of no key', 'invalid_request', 1009, user({}, { ...AT, kid: undefined })],
    ['a path as the name of the key', 'invalid_request', 1009, user({}, { ...AT, kid: '../../../../etc/passwd' })],
    ['a member of every object as the name of the key', 'invalid_request', 1009, user({}, { ...AT, kid: '__proto__' })],
    ['a key of its own', 'invalid_request', 1009, subject((world) => jwt(world.stranger, body(), { ...AT, jwk: world.stranger.jwk }))],
    ['a link to a key', 'invalid_request', 1009, user({}, { ...AT, jku: 'https://stranger.example/jwks' })],
    ['a link to a certificate', 'invalid_request', 1009, user({}, { ...AT, x5u: 'https://stranger.example/x5u' })],
    [
      'what would have to be understood',
      'invalid_request',
      1009,
      subject(async ({ users }) => {
        const [, claims, tail] = (await jwt(users, body(), AT)).split('.');
        return [encoded({ alg: 'ES256', ...AT, kid: 'corp-1', crit: ['exp'] }), claims, tail].join('.');
      }),
    ],
    [
      'other claims under the same signature',
      'invalid_request',
      1009,
      subject(async (world) => {
        const [head, , tail] = world.alice.split('.');
        return [head, encoded(body({ sub: 'admin' })), tail].join('.');
      }),
    ],
  ]),
  ...under('§2.3 of the reference: a subject is', [
    ['no ID token where an access token is said', 'invalid_request', 1009, user({}, {}, TYPE.access)],
    ['no access token where an ID token is said', 'invalid_request', 1009, user({}, AT, TYPE.id)],
    [
      'no transaction token where an access token is said',
      'invalid_request',
      2009,
      subject(async (world) => world.txn('caller', await world.task('caller', { scope: 'cordon' }), 'callee')),
    ],
    [
      'no task token where a transaction token is said',
      'invalid_request',
      2009,
      subject((world) => world.task('caller'), { subject_token_type: TYPE.txn }),
    ],
    [
      'no task token where an ID token is said',
      'invalid_request',
      1009,
      subject((world) => world.task('caller'), { subject_token_type: TYPE.id }),
    ],
    [
      'no user’s token where a transaction token is said',
      'invalid_request',
      2009,
      subject(({ alice }) => alice, { subject_token_type: TYPE.txn }),
    ],
    ['no DPoP proof', 'invalid_request', 1009, subject((world) => proof(world.dpopKey, { ...body(), htu: world.issuer }))],
    ['no security event', 'invalid_request', 1009, user({}, { typ: 'secevent+jwt' }, TYPE.jwt)],
    ['no logout token', 'invalid_request', 1009, user({}, { typ: 'logout+jwt' }, TYPE.jwt)],
    ['no status list', 'invalid_request', 1009, user({}, { typ: 'statuslist+jwt' }, TYPE.jwt)],
    ['no ID-JAG', 'invalid_request', 1009, user({}, { typ: 'oauth-id-jag+jwt' }, TYPE.jwt)],
    ['no workload identity token', 'invalid_request', 1009, user({}, { typ: 'wit+jwt' }, TYPE.jwt)],
    ['no workload proof token', 'invalid_request', 1009, user({}, { typ: 'wpt+jwt' }, TYPE.jwt)],
    ['no JWT-SVID', 'invalid_request', 1009, subject(({ assertions }) => assertions.caller, { subject_token_type: TYPE.jwt })],
  ]),
  ...under('ID-JAG §4.4', [
    [
      'no assertion',
      'invalid_request',
      9011,
      (world) => ({ form: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer' }, as: world.runs.caller }),
    ],
    ['an ID token', 'invalid_grant', 1009, idJag({}, { typ: 'JWT' })],
    ['an access token', 'invalid_grant', 1009, idJag({}, AT)],
    ['of an issuer that is not trusted', 'invalid_grant', 1009, idJag({ iss: 'https://idp.stranger.example' })],
    ['of an issuer of users', 'invalid_grant', 1009, idJag({ iss: CORP.issuer })],
    ['for another authorization server', 'invalid_grant', 1011, idJag({ aud: 'https://as.elsewhere.example' })],
    [
      'for two authorization servers',
      'invalid_grant',
      1011,
      async (world) => idJag({ aud: [world.issuer, 'https://as.elsewhere.example'] })(world),
    ],
    ['for the resource in place of the server', 'invalid_grant', 1011, async (world) => idJag({ aud: world.gateway })(world)],
    ['for another client', 'invalid_grant', 1009, idJag({ client_id: 'spiffe://test.example/agent/callee' })],
    ['for no client', 'invalid_grant', 1009, idJag({ client_id: undefined })],
    ['expired', 'invalid_grant', 1010, idJag({ iat: now() - 300, exp: now() - 100 })],
    ['that lives for a day', 'invalid_grant', 1009, idJag({ exp: now() + 86_400 })],
    ['without a name', 'invalid_grant', 1009, idJag({ jti: undefined })],
    ['without a subject', 'invalid_grant', 1009, idJag({ sub: undefined })],
    ['of a key that is not known', 'invalid_grant', 1009, idJag({}, { typ: 'oauth-id-jag+jwt', kid: 'partner-2' })],
    ['bound to a key that is not shown', 'invalid_request', 1013, idJag({ cnf: { jkt: 'a'.repeat(43) } })],
    ['for another resource', 'invalid_target', 2010, idJag({ resource: 'https://elsewhere.example' })],
    [
      'the same assertion again',
      'invalid_grant',
      1016,
      async (world) => {
        const ask = await idJag()(world);
        await world.post(ask.form, ask);
        return ask;
      },
    ],
  ]),
];
