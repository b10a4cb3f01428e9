// Tokens in the wrong hands, of the wrong kind, for something else, made up, or used twice.
import type { Code } from '../../src/domain/codes.ts';
import { claimsOf, jwt, makeSigner, now, proof, thumbprint, type Signer } from '../../test/support/oauth-bed.ts';
import { GOOD, post, type Attack } from './attack.ts';
import type { World } from './world.ts';

const ROUTE = '/mcp/bench';
const part = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url');

/** `lines`: the headers that show a token. */
const shown = (id: string, source: string, code: Code, lines: (world: World) => Promise<readonly string[]>): Attack => ({
  id,
  source,
  hears: 401,
  code,
  send: async (world) => world.say(post(GOOD, await lines(world))),
});

/** A token that is sent as Bearer. */
const bearer = (id: string, source: string, code: Code, make: (world: World) => Promise<string>): Attack =>
  shown(id, source, code, async (world) => [`Authorization: Bearer ${await make(world)}`]);

/** The task token with another header, or other claims, and its old signature or another. */
const altered = (id: string, source: string, of: (parts: readonly string[], claims: Record<string, unknown>) => string): Attack =>
  bearer(id, source, 'CORDON-1009', async (world) => {
    const token = await world.task();
    return of(token.split('.'), claimsOf(token));
  });

const NONE = { alg: 'none', typ: 'at+jwt' };

const forged: readonly Attack[] = [
  altered('alg-none', 'CVE-2015-9235; RFC 8725 §3.1', ([, body = '', tail = '']) => `${part(NONE)}.${body}.${tail}`),
  altered('alg-none-unsigned', 'CVE-2015-9235', ([, body = '']) => `${part(NONE)}.${body}.`),
  altered(
    'alg-none-case',
    'CVE-2015-9235 variants (nOnE)',
    ([, body = '', tail = '']) => `${part({ ...NONE, alg: 'nOnE' })}.${body}.${tail}`,
  ),
  altered(
    'alg-hs256',
    'CVE-2016-10555: public key as secret',
    ([, body = '', tail = '']) => `${part({ alg: 'HS256', typ: 'at+jwt' })}.${body}.${tail}`,
  ),
  altered(
    'signature-zeros',
    'CVE-2022-21449 (psychic signatures)',
    ([head = '', body = '']) => `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`,
  ),
  altered('signature-empty', 'CVE-2020-28042', ([head = '', body = '']) => `${head}.${body}.`),
  altered(
    'signature-der',
    'RFC 7518 §3.4',
    ([head = '', body = '', tail = '']) =>
      `${head}.${body}.${Buffer.concat([Buffer.from([0x30, 0x40]), Buffer.from(tail, 'base64url')]).toString('base64url')}`,
  ),
  altered(
    'claims-altered',
    'RFC 7515 §5.2',
    ([head = '', , tail = ''], claims) => `${head}.${part({ ...claims, sub: 'corp/root' })}.${tail}`,
  ),
  altered('padding', 'RFC 7515 §2', ([head = '', body = '', tail = '']) => `${head}.${body}=.${tail}`),
  altered('four-parts', 'RFC 7515 §7.1', (parts) => [...parts, 'x'].join('.')),
  altered('five-parts-jwe', 'RFC 7516 §7.1', (parts) => [...parts, 'x', 'y'].join('.')),
  altered(
    'crit',
    'RFC 7515 §4.1.11',
    ([, body = '', tail = '']) => `${part({ alg: 'ES256', typ: 'at+jwt', crit: ['x'], x: 1 })}.${body}.${tail}`,
  ),
  altered(
    'jku',
    'RFC 8725 §3.10; CVE-2018-0114 class',
    ([, body = '', tail = '']) => `${part({ alg: 'ES256', typ: 'at+jwt', jku: 'https://attacker.example/keys' })}.${body}.${tail}`,
  ),
  altered(
    'duplicate-alg',
    'RFC 7515 §4',
    ([, body = '', tail = '']) => `${Buffer.from('{"alg":"none","alg":"ES256","typ":"at+jwt"}').toString('base64url')}.${body}.${tail}`,
  ),
  altered(
    'kid-path',
    'kid injection (CWE-22)',
    ([, body = '', tail = '']) => `${part({ alg: 'ES256', typ: 'at+jwt', kid: '../../dev/null' })}.${body}.${tail}`,
  ),
  bearer('key-embedded', 'CVE-2018-0114', 'CORDON-1009', async (world) => {
    const thief = await makeSigner('thief');
    return jwt(thief, { ...claimsOf(await world.task()) }, { typ: 'at+jwt', jwk: thief.jwk });
  }),
  bearer('key-same-kid', 'RFC 8725 §3.10', 'CORDON-1009', async (world) => {
    const task = await world.task();
    return jwt(await makeSigner(String(claimsOf(`.${task.split('.')[0] ?? ''}`)['kid'])), { ...claimsOf(task) }, { typ: 'at+jwt' });
  }),
  bearer('endless', 'INVARIANT I10', 'CORDON-1009', async () => Promise.resolve(`${'a'.repeat(5000)}.${'b'.repeat(5000)}.c`)),
];

const kinds: readonly Attack[] = [
  bearer('type-of-user-token', 'RFC 8725 §3.11', 'CORDON-1009', (world) => world.bed.userToken()),
  bearer('type-user-as-task', 'RFC 8725 §3.11', 'CORDON-1009', async (world) =>
    jwt(world.bed.users, { ...claimsOf(await world.task()) }, { typ: 'at+jwt' }),
  ),
  bearer('type-transaction', 'draft-ietf-oauth-transaction-tokens-10 §6', 'CORDON-1009', async (world) => {
    const before = world.tools.reached.length;
    await world.good();
    const token = /"txn-token":"([^"]+)"/.exec(world.tools.reached.at(-1) ?? '')?.[1] ?? '';
    world.tools.forget(before);
    return token;
  }),
  bearer('audience-other', 'RFC 8707 §2', 'CORDON-1011', (world) => world.task({ resource: `${world.bed.gateway}/a2a/callee` })),
  shown('scheme-basic', 'RFC 7617', 'CORDON-1009', async () => Promise.resolve(['Authorization: Basic eDp5'])),
  shown('scheme-two', 'RFC 6750 §2', 'CORDON-1009', async (world) => [`Authorization: Bearer ${await world.task()}, Bearer x`]),
  shown('scheme-dpop-unbound', 'RFC 9449 §7.1', 'CORDON-1009', async (world) => [`Authorization: DPoP ${await world.task()}`]),
  shown('scheme-none', 'RFC 6750 §2', 'CORDON-1009', async () => Promise.resolve(['Authorization: x'])),
];

const hands: readonly Attack[] = [
  {
    id: 'of-another-run',
    source: 'RFC 8693 §4.1; confused deputy',
    hears: 401,
    code: 'CORDON-1013',
    send: async (world) =>
      world.say(post(GOOD, [`Authorization: Bearer ${await world.task()}`]), { tls: world.as(await world.bed.svid('caller')) }),
  },
  {
    id: 'of-another-agent',
    source: 'RFC 8693 §4.1; token theft',
    hears: 401,
    code: 'CORDON-1013',
    send: async (world) => world.say(post(GOOD, [`Authorization: Bearer ${await world.task()}`]), { tls: world.as(world.callee) }),
  },
];

interface Bound {
  readonly token: string;
  readonly key: Signer;
  readonly right: { readonly htu: string; readonly ath: string };
}

/** A task token bound to a key, by a proof with the nonce that the token service gives out. */
async function bound(world: World): Promise<Bound> {
  const { bed, caller } = world;
  const key = await makeSigner('dpop');
  const htu = `${bed.mtls}/oauth2/token`;
  const { headers } = await bed.post({ grant_type: 'client_credentials' }, { as: caller, headers: { dpop: await proof(key, { htu }) } });
  const token = await world.task({}, { headers: { dpop: await proof(key, { htu, nonce: headers['dpop-nonce'] }) } });
  if ((claimsOf(token)['cnf'] as { jkt?: string }).jkt !== (await thumbprint(key))) throw new Error('not bound');
  const ath = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(token))).toString('base64url');
  return { token, key, right: { htu: `${bed.gateway}${ROUTE}`, ath } };
}

const dpop = (id: string, source: string, code: Code, make: (of: Bound) => Promise<string>): Attack =>
  shown(`dpop-${id}`, source, code, async (world) => {
    const of = await bound(world);
    return [`Authorization: DPoP ${of.token}`, `DPoP: ${await make(of)}`];
  });

const proofs: readonly Attack[] = [
  shown('dpop-missing', 'RFC 9449 §7.1', 'CORDON-1013', async (world) => [`Authorization: DPoP ${(await bound(world)).token}`]),
  shown('dpop-as-bearer', 'RFC 9449 §7.2 (downgrade)', 'CORDON-1013', async (world) => {
    const { token, key, right } = await bound(world);
    return [`Authorization: Bearer ${token}`, `DPoP: ${await proof(key, right)}`];
  }),
  dpop('other-key', 'RFC 9449 §4.3, 11', 'CORDON-1013', async ({ right }) => proof(await makeSigner('thief'), right)),
  dpop('other-address', 'RFC 9449 §4.3, 9', 'CORDON-1013', ({ key, right }) => proof(key, { ...right, htu: `${right.htu}x` })),
  dpop('other-method', 'RFC 9449 §4.3, 8', 'CORDON-1013', ({ key, right }) => proof(key, { ...right, htm: 'GET' })),
  dpop('other-token', 'RFC 9449 §4.3, 11', 'CORDON-1013', ({ key, right }) => proof(key, { ...right, ath: 'x' })),
  dpop('no-token-hash', 'RFC 9449 §4.3, 11', 'CORDON-1013', ({ key, right: { htu } }) => proof(key, { htu })),
  dpop('old', 'RFC 9449 §11.1', 'CORDON-1013', ({ key, right }) => proof(key, { ...right, iat: now() - 600 })),
  dpop('of-the-future', 'RFC 9449 §11.1', 'CORDON-1013', ({ key, right }) => proof(key, { ...right, iat: now() + 600 })),
  dpop('type-jwt', 'RFC 9449 §4.3, 4', 'CORDON-1013', ({ key, right }) => proof(key, right, { typ: 'JWT' })),
  dpop('not-a-token', 'RFC 9449 §4.3, 2', 'CORDON-1013', async () => Promise.resolve('x')),
  {
    id: 'dpop-replayed',
    source: 'RFC 9449 §11.1',
    hears: 401,
    code: 'CORDON-1016',
    async send(world) {
      const { token, key, right } = await bound(world);
      const lines = [`Authorization: DPoP ${token}`, `DPoP: ${await proof(key, right)}`];
      const own = world.tools.reached.length;
      const first = await world.say(post(GOOD, lines));
      if (first.statuses[0] !== 200) throw new Error(`the proof is good once: ${first.text}`);
      world.tools.forget(own); // that one was allowed
      return world.say(post(GOOD, lines));
    },
  },
];

export const TOKENS: readonly Attack[] = [...forged, ...kinds, ...hands, ...proofs];
