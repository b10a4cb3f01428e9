// What proves no possession (RFC 9449): proofs of other requests, of other keys, of other times, and proofs that were used.
import { now, proof } from '../support/oauth-bed.ts';
import type { World } from '../support/oauth-world.ts';
import { type Case, under } from './case.ts';

const showing =
  (make: (world: World) => string | readonly string[] | Promise<string | readonly string[]>): Case['ask'] =>
  async (world) => ({
    form: world.exchange(),
    as: world.runs.caller,
    headers: { dpop: await make(world) },
  });
const claims = (over: Readonly<Record<string, unknown>>): Case['ask'] => showing((world) => world.proof(over));
const header = (over: object): Case['ask'] => showing((world) => world.proof({}, over));
const BAD = 'invalid_dpop_proof';
const encoded = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url');

/** A task token of the key of the bed. */
const bound = async (world: World): Promise<string> => world.task('caller', {}, { headers: { dpop: await world.proof() } });

export const DPOP_CASES: readonly Case[] = [
  ...under('RFC 9449 §4.3', [
    ['two headers', BAD, 9011, showing(async (world) => [await world.proof(), await world.proof()])],
    ['two proofs in one header', BAD, 1013, showing(async (world) => `${await world.proof()}, ${await world.proof()}`)],
    ['no JWT', BAD, 1013, showing(() => 'proof')],
    ['of another type', BAD, 1013, header({ typ: 'JWT' })],
    ['of no type', BAD, 1013, header({ typ: undefined })],
    ['a task token', BAD, 1013, showing((world) => world.task('caller'))],
    [
      'no algorithm',
      BAD,
      1013,
      showing((world) => `${encoded({ typ: 'dpop+jwt', alg: 'none', jwk: world.dpopKey.jwk })}.${encoded({ htm: 'POST' })}.`),
    ],
    [
      'HMAC',
      BAD,
      1013,
      showing(
        (world) =>
          `${encoded({ typ: 'dpop+jwt', alg: 'HS256', jwk: { kty: 'oct', k: 'c2VjcmV0' } })}.${encoded({ htm: 'POST', htu: world.mtls })}.AAAA`,
      ),
    ],
    ['no key', BAD, 1013, header({ jwk: undefined })],
    ['a private key', BAD, 1013, header({ jwk: { kty: 'EC', crv: 'P-256', x: 'a', y: 'b', d: 'c' } })],
    ['a symmetric key', BAD, 1013, header({ jwk: { kty: 'oct', k: 'c2VjcmV0' } })],
    ['the key of another', BAD, 1013, showing((world) => world.proof({}, { jwk: world.stranger.jwk }))],
    ['a key that is no point', BAD, 1013, header({ jwk: { kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA' } })],
    ['a link to a key', BAD, 1013, header({ jku: 'https://stranger.example/jwks' })],
    ['another method', BAD, 1013, claims({ htm: 'GET' })],
    ['the method in small letters', BAD, 1013, claims({ htm: 'post' })],
    ['no method', BAD, 1013, claims({ htm: undefined })],
    ['another address', BAD, 1013, claims({ htu: 'https://elsewhere.example/oauth2/token' })],
    ['the other listener', BAD, 1013, showing((world) => world.proof({ htu: `${world.issuer}/oauth2/token` }))],
    ['another path', BAD, 1013, showing((world) => world.proof({ htu: `${world.mtls}/oauth2/revoke` }))],
    ['the path with a slash', BAD, 1013, showing((world) => world.proof({ htu: `${world.mtls}/oauth2/token/` }))],
    ['plain http', BAD, 1013, showing((world) => world.proof({ htu: `${world.mtls.replace('https', 'http')}/oauth2/token` }))],
    ['no URL', BAD, 1013, claims({ htu: 'token' })],
    ['no name', BAD, 1013, claims({ jti: undefined })],
    ['a name that fills memories', BAD, 1013, claims({ jti: 'x'.repeat(1000) })],
    ['made long ago', BAD, 1013, claims({ iat: now() - 600 })],
    ['made in the future', BAD, 1013, claims({ iat: now() + 600 })],
    ['of no time', BAD, 1013, claims({ iat: undefined })],
    ['for a token that does not come with it', BAD, 1013, claims({ ath: 'a'.repeat(43) })],
  ]),
  ...under('RFC 9449 §8', [
    ['no nonce', 'use_dpop_nonce', 1013, claims({ nonce: undefined })],
    ['another nonce', 'use_dpop_nonce', 1013, claims({ nonce: 'another' })],
    ['an empty nonce', 'use_dpop_nonce', 1013, claims({ nonce: '' })],
    ['a nonce that is no text', 'use_dpop_nonce', 1013, claims({ nonce: 7 })],
    [
      'a proof from before this process began, with the nonce of then',
      'use_dpop_nonce',
      1013,
      claims({ nonce: 'A'.repeat(43), iat: now() - 50 }),
    ],
  ]),
  ...under('RFC 9449 §11.1', [
    [
      'a proof again',
      BAD,
      1016,
      showing(async (world) => {
        const dpop = await world.proof();
        await world.post(world.exchange(), { as: world.runs.caller, headers: { dpop } });
        return dpop;
      }),
    ],
    [
      'a name again',
      BAD,
      1016,
      showing(async (world) => {
        await world.post(world.exchange(), { as: world.runs.caller, headers: { dpop: await world.proof({ jti: 'once' }) } });
        return world.proof({ jti: 'once' });
      }),
    ],
    [
      'a proof that another agent stole',
      BAD,
      1016,
      async (world) => {
        const dpop = await world.proof();
        await world.post(world.exchange(), { as: world.runs.caller, headers: { dpop } });
        return { form: world.exchange(), as: world.runs.callee, headers: { dpop } };
      },
    ],
  ]),
  ...under('RFC 9449 §5', [
    [
      'a bound token without its key',
      'invalid_request',
      1013,
      async (world) => ({ form: world.exchange({ subject_token: await bound(world) }), as: world.runs.caller }),
    ],
    [
      'a bound token with another key',
      'invalid_request',
      1013,
      async (world) => ({
        form: world.exchange({ subject_token: await bound(world) }),
        as: world.runs.caller,
        headers: { dpop: await world.proof({}, {}, world.stranger) },
      }),
    ],
    [
      'a bound token of the user without its key',
      'invalid_request',
      1013,
      async (world) => ({
        form: world.exchange({ subject_token: await world.userToken({ cnf: { jkt: 'a'.repeat(43) } }, { typ: 'at+jwt' }) }),
        as: world.runs.caller,
      }),
    ],
    [
      'a proof for the other listener',
      BAD,
      1013,
      async (world) => ({
        form: { ...world.exchange(), ...world.signedIn() },
        headers: { dpop: await proof(world.dpopKey, { htu: `${world.mtls}/oauth2/token`, nonce: await world.nonce() }) },
      }),
    ],
  ]),
];
