// Parts of the token service alone: forms, nonces, what may be used once, rates, the names of users, and its section of cordon.yaml.
import { deepEqual, equal, notEqual, ok, throws } from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readJwk } from '../src/crypto/jwk.ts';
import { parseForm } from '../src/control/oauth/form.ts';
import { createNonces } from '../src/control/oauth/nonces.ts';
import { createRates } from '../src/control/oauth/rates.ts';
import { createIssuedTokens } from '../src/control/oauth/issued.ts';
import { createReplays } from '../src/control/oauth/replays.ts';
import { createUsers } from '../src/control/oauth/users.ts';
import type { UserIssuerConfig } from '../src/control/config.ts';
import type { JsonObject } from '../src/domain/json.ts';
import { parseSpiffeId, type SpiffeId } from '../src/domain/spiffe-id.ts';
import { parseConfig } from '../src/server/config.ts';
import type { Issued } from '../src/sts/request.ts';
import { jwt, makeSigner, now } from './support/oauth-bed.ts';

const code = (wanted: string) => (error: unknown) => error instanceof Error && 'code' in error && error.code === wanted;
const form = (text: string): ReturnType<typeof parseForm> => parseForm(Buffer.from(text));

describe('forms', () => {
  test('what a browser would write is read as it was meant', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z_]{1,10}$/), fc.string({ unit: 'grapheme', minLength: 1 })), (values) => {
        const clean = Object.entries(values).filter(([, value]) => !/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(value));
        const read = form(new URLSearchParams(clean).toString());
        for (const [name, value] of clean) equal(read.get(name), value);
      }),
    );
  });

  test('no bytes make it throw anything but a refusal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          parseForm(bytes);
        } catch (error) {
          ok(code('CORDON-9011')(error));
        }
      }),
    );
  });

  test('only what its standard lets repeat may repeat', () => {
    deepEqual(form('resource=a&resource=b').all('resource'), ['a', 'b']);
    throws(() => form('scope=a&scope=b'), code('CORDON-9011'));
    throws(() => form('scope=&scope='), code('CORDON-9011'));
  });

  test('no value is no parameter, and a parameter is none of every object', () => {
    equal(form('scope=').get('scope'), undefined);
    equal(form('scope').get('scope'), undefined);
    equal(form('').get('constructor'), undefined);
  });
});

test('a nonce is good for at least one life and at most two; the clock may go back', () => {
  let time = 1_000_000;
  const nonces = createNonces(() => time);
  const first = nonces.current();
  ok(nonces.accepts(first) && !nonces.accepts('') && !nonces.accepts(`${first}x`));
  time += 150_000;
  ok(nonces.accepts(first));
  notEqual(nonces.current(), first);
  time += 150_000;
  ok(!nonces.accepts(first));
  const third = nonces.current();
  time -= 10_000_000;
  notEqual(nonces.current(), third);
  const other = createNonces(() => time);
  ok(!other.accepts(nonces.current()));
});

describe('what may be used once', () => {
  test('once for each key, and again when it could not be accepted any more', () => {
    const replays = createReplays();
    replays.use('a', 'x', 100, 0);
    replays.use('b', 'x', 100, 0);
    throws(() => replays.use('a', 'x', 100, 99), code('CORDON-1016'));
    replays.use('a', 'x', 200, 100);
  });

  test('[I10] a memory that is full refuses, and forgets what has passed', () => {
    const replays = createReplays();
    for (let at = 0; at < 8192; at++) replays.use('a', String(at), 100, 0);
    throws(() => replays.use('a', 'one more', 100, 99), code('CORDON-4003'));
    replays.use('a', 'one more', 200, 100);
    for (let at = 0; at < 16_383; at++) replays.use(`key ${at}`, 'x', 300, 150);
    throws(() => replays.use('another', 'x', 300, 199), code('CORDON-4003'));
    replays.use('another', 'x', 600, 300);
  });
});

describe('[U13] tokens that came through an agent', () => {
  const HOUR = 3_600_000;
  const run = (agent: string, id = 'r1'): SpiffeId => parseSpiffeId(`spiffe://desk.example/agent/${agent}/run/${id}`);
  const CLERK = parseSpiffeId('spiffe://desk.example/agent/clerk');
  const issued = (jti: string | undefined, txn: string, chain: readonly SpiffeId[], expiresAt: number): Issued =>
    ({ type: 'task', ...(jti === undefined ? {} : { jti }), txn, chain, parents: [], expiresAt }) as unknown as Issued;
  const all = (): boolean => true;

  test('are those it holds and those below it, while they live; a name that begins alike is another', () => {
    const tokens = createIssuedTokens(0);
    tokens.note(issued('a', 't1', [run('clerk')], 9_000), HOUR);
    tokens.note(issued('b', 't1', [run('clerk'), run('bank')], 9_000), HOUR);
    tokens.note(issued('c', 't2', [run('desk'), run('clerk', 'r2'), run('bank', 'r9'), run('post')], 9_000), HOUR);
    tokens.note(issued('d', 't3', [run('clerk2'), run('desk')], 9_000), HOUR);
    tokens.note(issued(undefined, 't4', [run('clerk')], 9_000), HOUR);
    tokens.note(issued('e', 't5', [run('clerk')], 3_601), HOUR);
    const through = tokens.through(CLERK, all, 2 * HOUR);
    deepEqual(through, {
      tokens: 3,
      tasks: 2,
      agents: ['spiffe://desk.example/agent/bank', 'spiffe://desk.example/agent/post'],
      complete: true,
    });
    equal(tokens.through(CLERK, ({ token }) => token !== 'a', 2 * HOUR).tokens, 2);
  });

  test('[I10] are remembered up to a bound, and an agent that pushes others out is not said to be all there is', () => {
    const tokens = createIssuedTokens(0, 3);
    tokens.note(issued('victim', 't0', [run('clerk')], 99_000), HOUR);
    equal(tokens.through(CLERK, all, HOUR).complete, true);
    for (let at = 0; at < 100; at++) tokens.note(issued(`flood ${at}`, 't1', [run('flooder')], 99_000), HOUR + at);
    deepEqual(tokens.through(CLERK, all, HOUR + 100), { tokens: 0, tasks: 0, agents: [], complete: false });
    equal(tokens.through(parseSpiffeId('spiffe://desk.example/agent/flooder'), all, HOUR + 100).tokens, 3);
    equal(tokens.through(CLERK, all, HOUR + 99 + HOUR).complete, true, 'whatever was pushed out has expired');
    const expired = createIssuedTokens(0, 2);
    expired.note(issued('x', 't', [run('clerk')], 1), 0);
    expired.note(issued('y', 't', [run('clerk')], 1), 0);
    expired.note(issued('z', 't', [run('clerk')], 99_000), 2 * HOUR);
    equal(expired.through(CLERK, all, 2 * HOUR).complete, true, 'what has expired makes room first');
  });
});

test('[I10] a client has its rate, and nobody else’s', () => {
  const rates = createRates({ rate: 10, burst: 3 });
  for (let at = 0; at < 3; at++) rates.take('a', 0);
  throws(() => rates.take('a', 0), code('CORDON-4003'));
  rates.take('b', 0);
  rates.take('a', 100);
  throws(() => rates.take('a', 100), code('CORDON-4003'));
  throws(() => rates.take('a', -5_000), code('CORDON-4003'));
});

describe('names of users', () => {
  const issuer = (name: string, isDefault: boolean): UserIssuerConfig => ({
    name,
    issuer: `https://${name}.example`,
    keys: undefined,
    plaintext: false,
    default: isDefault,
    userClaim: 'sub',
    groupsClaim: 'groups',
    audience: 'desk',
  });

  test('two users never have one name, whatever their issuers call them', async () => {
    const signer = await makeSigner('k');
    const { kid: _kid, ...jwk } = signer.jwk;
    const keysOf = async (): ReturnType<Parameters<typeof createUsers>[0]['keys']['keysOf']> =>
      new Map([['k', readJwk(jwk as JsonObject)]]);
    const users = createUsers({
      users: [issuer('main', true), issuer('a', false), issuer('b', false)],
      trust: [],
      keys: { keysOf },
      now: Date.now,
    });
    const seen = new Map<string, string>();
    for (const name of ['main', 'a', 'b']) {
      for (const sub of ['x', 'a', 'a/x', 'b/x', 'main/x', 'main/a/x', '/x', 'x/', 'A/x']) {
        const claims = { iss: `https://${name}.example`, aud: 'desk', sub, iat: now(), exp: now() + 60, groups: [sub] };
        const { user } = await users.read(await jwt(signer, claims, { typ: 'at+jwt' }), 'urn:ietf:params:oauth:token-type:access_token');
        deepEqual(user.groups, [user.id]);
        equal(seen.get(user.id), undefined, `${user.id} is ${seen.get(user.id)} and ${name} ${sub}`);
        seen.set(user.id, `${name} ${sub}`);
      }
    }
    equal(seen.has('x'), true);
  });
});

describe('cordon.yaml', () => {
  const parse = (tokens: string): ReturnType<typeof parseConfig> =>
    parseConfig(
      `trustDomain: test.example\nsegments: { desk: }\nagents:\n  caller: { segment: desk, owner: t, purpose: t }\n${tokens}`,
      'cordon.yaml',
    );

  test('without the section: five minutes, four agents, nobody’s users', () => {
    deepEqual(parse('').tokens, { ttl: 300_000, maxDepth: 4, users: [], trust: [], clients: [] });
  });

  const BAD: readonly (readonly [what: string, section: string, where: RegExp])[] = [
    ['a token that lives for a day', 'tokens: { ttl: 24h }', /tokens\.ttl/],
    ['a chain without end', 'tokens: { maxDepth: 0 }', /maxDepth/],
    ['a member that is not known', 'tokens: { algorithms: [none] }', /tokens/],
    ['an issuer without audience', 'tokens: { users: { corp: { issuer: https://a.example } } }', /audience/],
    [
      'two issuers of one name',
      'tokens: { users: { corp: { issuer: https://a.example, audience: x } }, trust: { corp: { issuer: https://b.example } } }',
      /trust\.corp/,
    ],
    [
      'two issuers that are one',
      'tokens: { users: { a: { issuer: https://a.example, audience: x }, b: { issuer: https://a.example, audience: y } } }',
      /users\.b\.issuer/,
    ],
    [
      'two defaults',
      'tokens: { users: { a: { issuer: https://a.example, audience: x, default: true } }, trust: { b: { issuer: https://b.example, default: true } } }',
      /trust\.b\.default/,
    ],
    ['a client of no agent', 'tokens: { clients: { "https://as.example": { nobody: id } } }', /nobody/],
  ];
  for (const [what, section, where] of BAD) test(`${what} is refused`, () => throws(() => parse(section), where));
});
