// Nobody gets more than was held: chains that are forged, too long or dead, and mandates that would widen.
import { claimsOf, EXCHANGE, jwt, now, TYPE } from '../support/oauth-bed.ts';
import { mandate, type World } from '../support/oauth-world.ts';
import { type Case, exchanging, subject, under } from './case.ts';

const PARENT = {
  type: 'cordon_task',
  actions: ['tools/call'],
  locations: ['tool:bench/write', 'tool:bench/echo'],
  arguments: { amount: { max: 100, min: 1 }, to: { in: ['ACME', 'INITECH'] }, path: { prefix: '/reports/', suffix: '.pdf' } },
  budget: { calls: 3 },
  purpose: 'pay the invoices of November',
  exp: now() + 3600,
};

/** A token of `PARENT`, exchanged for one of another entry. */
const widened = (over: object): Case['ask'] =>
  subject((world) => world.task('caller', { authorization_details: JSON.stringify([PARENT]) }), {
    authorization_details: JSON.stringify([{ ...PARENT, ...over }]),
  });

const called = async (world: World): Promise<string> => world.txn('caller', await world.task('caller', { scope: 'cordon' }), 'callee');

const hop =
  (agent: 'callee' | 'other' | 'caller', make: (world: World) => string | Promise<string> = called, over: object = {}): Case['ask'] =>
  async (world) => ({
    form: { grant_type: EXCHANGE, subject_token: await make(world), subject_token_type: TYPE.txn, ...over },
    as: world.runs[agent],
  });

/** The token with other claims, under its old signature. */
const forged =
  (make: (world: World) => string | Promise<string>, change: (claims: Record<string, unknown>, world: World) => object) =>
  async (world: World): Promise<string> => {
    const token = await make(world);
    const [head, , tail] = token.split('.');
    return [head, Buffer.from(JSON.stringify(change(claimsOf(token), world))).toString('base64url'), tail].join('.');
  };
const task = (world: World): Promise<string> => world.task('caller');

const narrowed = async (world: World): Promise<string> => world.task('caller', { subject_token: await task(world) });

const revoked = async (world: World, token: string): Promise<void> => {
  const { status, text } = await world.post({ token }, { to: 'revoke', as: world.operator });
  if (status !== 200) throw new Error(text);
};

export const DELEGATION_CASES: readonly Case[] = [
  ...under('RFC 8693 §4.1', [
    ['another subject', 'invalid_request', 2009, subject(forged(task, (claims) => ({ ...claims, sub: 'corp/admin' })))],
    [
      'another actor',
      'invalid_request',
      2009,
      subject(
        forged(task, (claims, { ids }) => ({ ...claims, act: { sub: ids.callee } })),
        {},
        'callee',
      ),
    ],
    [
      'actors swapped',
      'invalid_request',
      2009,
      subject(
        forged(
          async (world) => String((await world.hop('callee', await called(world))).json['access_token']),
          (claims, { ids }) => ({ ...claims, act: { sub: ids.caller, act: { sub: ids.callee } } }),
        ),
      ),
    ],
    [
      'an actor left out',
      'invalid_request',
      2009,
      subject(
        forged(
          async (world) => String((await world.hop('callee', await called(world))).json['access_token']),
          (claims, { ids }) => ({ ...claims, act: { sub: ids.callee } }),
        ),
        {},
        'callee',
      ),
    ],
    ['a wider mandate', 'invalid_request', 2009, subject(forged(task, (claims) => ({ ...claims, authorization_details: mandate('*') })))],
    ['a later end', 'invalid_request', 2009, subject(forged(task, (claims) => ({ ...claims, exp: now() + 3600 })))],
    ['no parents', 'invalid_request', 2009, subject(forged(narrowed, (claims) => ({ ...claims, parents: [] })))],
    [
      'made by a stranger',
      'invalid_request',
      2009,
      subject(async (world) => jwt(world.stranger, claimsOf(await world.task('caller')), { typ: 'at+jwt' })),
    ],
    [
      'made by the issuer of users',
      'invalid_request',
      2009,
      subject(async (world) => jwt(world.users, claimsOf(await world.task('caller')), { typ: 'at+jwt' })),
    ],
    [
      'of an agent that may not call the one that shows it',
      'unauthorized_client',
      2005,
      subject((world) => world.task('callee'), {}, 'other'),
    ],
  ]),
  ...under('RFC 8693 §4.4', [
    [
      'somebody else may act',
      'unauthorized_client',
      2005,
      subject((world) => world.userToken({ may_act: { sub: world.ids.callee } }, { typ: 'at+jwt' })),
    ],
    [
      'another run of the agent may act',
      'unauthorized_client',
      2005,
      subject((world) =>
        world.userToken({ may_act: { sub: `spiffe://test.example/agent/caller/run/${world.runs.other.run}` } }, { typ: 'at+jwt' }),
      ),
    ],
    [
      'an agent of another domain may act',
      'unauthorized_client',
      2005,
      subject((world) => world.userToken({ may_act: { sub: 'spiffe://other.example/agent/caller' } }, { typ: 'at+jwt' })),
    ],
  ]),
  ...under('the chain', [
    ['a transaction token for another agent', 'unauthorized_client', 2005, hop('other')],
    ['a transaction token of its own', 'invalid_request', 2006, hop('caller')],
    [
      'deeper than is allowed',
      'invalid_request',
      2004,
      hop('other', async (world) => {
        const token = String((await world.hop('callee', await called(world))).json['access_token']);
        return world.txn('callee', token, 'other');
      }),
    ],
    [
      'around in a circle',
      'invalid_request',
      2006,
      hop('caller', async (world) => {
        const token = String((await world.hop('callee', await called(world))).json['access_token']);
        return world.txn('callee', token, 'caller');
      }),
    ],
    [
      'a transaction with another context',
      'invalid_request',
      2009,
      hop(
        'callee',
        forged(called, (claims) => ({ ...claims, tctx: { ...(claims['tctx'] as object), authorization_details: mandate('*') } })),
      ),
    ],
    [
      'a transaction with another callee',
      'invalid_request',
      2009,
      hop(
        'other',
        forged(called, (claims) => ({ ...claims, tctx: { ...(claims['tctx'] as object), callee: 'other' } })),
      ),
    ],
    [
      'a transaction with another name',
      'invalid_request',
      2009,
      hop(
        'callee',
        forged(called, (claims) => ({ ...claims, txn: 'another' })),
      ),
    ],
    [
      'a transaction token that is replaced by another agent',
      'unauthorized_client',
      2005,
      hop('other', called, { requested_token_type: TYPE.txn, audience: 'test.example' }),
    ],
    [
      'a transaction that is replaced with another context',
      'invalid_request',
      2011,
      hop('callee', called, { requested_token_type: TYPE.txn, audience: 'test.example', request_details: '{"action":"*"}' }),
    ],
    [
      'a transaction that is replaced with a mandate',
      'invalid_request',
      2011,
      hop('callee', called, { requested_token_type: TYPE.txn, authorization_details: JSON.stringify(mandate('*')) }),
    ],
    [
      'a transaction token for another domain',
      'invalid_target',
      2010,
      exchanging({ requested_token_type: TYPE.txn, resource: undefined, audience: 'other.example', scope: 'cordon' }),
    ],
    [
      'a transaction token without a scope',
      'invalid_scope',
      9011,
      exchanging({ requested_token_type: TYPE.txn, resource: undefined, audience: 'test.example' }),
    ],
    [
      'an introduction to a server that does not know the agent',
      'invalid_target',
      2010,
      exchanging({
        requested_token_type: 'urn:ietf:params:oauth:token-type:id-jag',
        resource: undefined,
        audience: 'https://as.stranger.example',
      }),
    ],
  ]),
  ...under('RFC 9396 §7, widened', [
    ['actions', 'invalid_authorization_details', 2003, widened({ actions: ['tools/call', 'a2a/SendMessage'] })],
    ['all actions', 'invalid_authorization_details', 2003, widened({ actions: ['*'] })],
    ['another tool', 'invalid_authorization_details', 2003, widened({ locations: ['tool:bench/slow'] })],
    ['one tool more', 'invalid_authorization_details', 2003, widened({ locations: [...PARENT.locations, 'tool:bench/slow'] })],
    ['all tools of a server', 'invalid_authorization_details', 2003, widened({ locations: ['tool:bench/*'] })],
    ['the server', 'invalid_authorization_details', 2003, widened({ locations: ['mcp_server:bench'] })],
    ['everything', 'invalid_authorization_details', 2003, widened({ locations: ['*'] })],
    ['no constraints', 'invalid_authorization_details', 2003, widened({ arguments: undefined })],
    ['one constraint less', 'invalid_authorization_details', 2003, widened({ arguments: { ...PARENT.arguments, amount: undefined } })],
    [
      'a larger amount',
      'invalid_authorization_details',
      2003,
      widened({ arguments: { ...PARENT.arguments, amount: { max: 101, min: 1 } } }),
    ],
    [
      'a smaller amount',
      'invalid_authorization_details',
      2003,
      widened({ arguments: { ...PARENT.arguments, amount: { max: 100, min: 0 } } }),
    ],
    ['no upper bound', 'invalid_authorization_details', 2003, widened({ arguments: { ...PARENT.arguments, amount: { min: 1 } } })],
    [
      'another receiver',
      'invalid_authorization_details',
      2003,
      widened({ arguments: { ...PARENT.arguments, to: { in: ['ACME', 'EVIL'] } } }),
    ],
    [
      'a shorter prefix',
      'invalid_authorization_details',
      2003,
      widened({ arguments: { ...PARENT.arguments, path: { prefix: '/', suffix: '.pdf' } } }),
    ],
    [
      'another suffix',
      'invalid_authorization_details',
      2003,
      widened({ arguments: { ...PARENT.arguments, path: { prefix: '/reports/', suffix: 'f' } } }),
    ],
    ['more calls', 'invalid_authorization_details', 2003, widened({ budget: { calls: 4 } })],
    ['another purpose', 'invalid_authorization_details', 2003, widened({ purpose: 'buy a boat' })],
    ['a later end of the mandate', 'invalid_authorization_details', 2003, widened({ exp: 4_000_000_000 })],
    [
      'an entry beside the one that is held',
      'invalid_authorization_details',
      2003,
      subject((world) => world.task('caller', { authorization_details: JSON.stringify([PARENT]) }), {
        authorization_details: JSON.stringify([PARENT, ...mandate('tool:bench/slow')]),
      }),
    ],
    [
      'more than the user consented to',
      'invalid_authorization_details',
      2003,
      subject((world) => world.userToken({ authorization_details: [PARENT] }, { typ: 'at+jwt' }), {
        authorization_details: JSON.stringify(mandate('tool:bench/*')),
      }),
    ],
    [
      'the resource: of one server to the gateway',
      'invalid_target',
      2010,
      subject((world) => world.task('caller', { resource: `${world.gateway}/mcp/bench` })),
    ],
    [
      'the resource: of one server to another',
      'invalid_target',
      2010,
      subject((world) => world.task('caller', { resource: `${world.gateway}/mcp/bench` }), {}, 'caller'),
    ],
    ['the scope', 'invalid_scope', 2003, subject((world) => world.task('caller'), { scope: 'cordon' })],
  ]),
  ...under('RFC 7009 §2', [
    [
      'a revoked token',
      'invalid_request',
      2007,
      subject(async (world) => {
        const token = await world.task('caller');
        await revoked(world, token);
        return token;
      }),
    ],
    [
      'a token of a revoked parent',
      'invalid_request',
      2007,
      subject(async (world) => {
        const parent = await world.task('caller');
        const child = await world.task('caller', { subject_token: parent });
        await revoked(world, parent);
        return child;
      }),
    ],
    [
      'a transaction of a revoked task',
      'invalid_request',
      2007,
      hop('callee', async (world) => {
        const token = await world.task('caller', { scope: 'cordon' });
        const txn = await world.txn('caller', token, 'callee');
        await revoked(world, token);
        return txn;
      }),
    ],
    ['no token to revoke', 'invalid_request', 9011, (world) => ({ form: {}, to: 'revoke', as: world.runs.caller })],
    ['nobody revokes', 'invalid_client', 1001, async (world) => ({ form: { token: await world.task('caller') }, to: 'revoke' })],
    [
      'somebody else revokes',
      'unauthorized_client',
      2005,
      async (world) => ({ form: { token: await world.task('caller') }, to: 'revoke', as: world.runs.other }),
    ],
    ['GET', 'invalid_request', 9011, (world) => ({ form: {}, to: 'revoke', as: world.runs.caller, method: 'GET' }), 405],
  ]),
  ...under('RFC 7662 §2', [
    ['nobody asks', 'invalid_client', 1001, async (world) => ({ form: { token: await world.task('caller') }, to: 'introspect' })],
    [
      'a token as the credential',
      'invalid_client',
      1013,
      async (world) => ({
        form: { token: world.alice },
        to: 'introspect',
        headers: { authorization: `Bearer ${await world.task('caller')}` },
      }),
    ],
    ['about nothing', 'invalid_request', 9011, (world) => ({ form: {}, to: 'introspect', as: world.runs.caller })],
    [
      'about two tokens',
      'invalid_request',
      9011,
      (world) => ({ form: {}, body: 'token=a&token=b', to: 'introspect', as: world.runs.caller }),
    ],
    [
      'with JSON',
      'invalid_request',
      9011,
      (world) => ({
        form: {},
        body: '{"token":"a"}',
        headers: { 'content-type': 'application/json' },
        to: 'introspect',
        as: world.runs.caller,
      }),
    ],
    ['GET', 'invalid_request', 9011, (world) => ({ form: {}, to: 'introspect', as: world.runs.caller, method: 'GET' }), 405],
  ]),
];
