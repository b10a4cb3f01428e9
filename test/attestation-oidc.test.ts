// Attestation by a token of an OpenID Connect issuer: the whole way over real sockets, and every way in which a token can lie.
import assert from 'node:assert/strict';
import { createHmac, createPublicKey } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { createRequest, generateKeyPem } from '../src/crypto/x509.ts';
import { openBed, send, type Answer, type Bed } from './support/bed.ts';
import { ACTIONS_JOB, AUDIENCE, openIssuer, SERVICE_ACCOUNT, type Issuer } from './support/issuer.ts';

const csr = async (): Promise<string> => Buffer.from(await createRequest(await generateKeyPem())).toString('base64');
const now = (): number => Math.floor(Date.now() / 1000);

describe('OIDC attestation', () => {
  let cluster: Issuer;
  let actions: Issuer;
  let stranger: Issuer;
  let bed: Bed;

  const attest = async (token: string, more: object = {}): Promise<Answer> =>
    send({
      port: bed.ports.identity,
      path: '/v1/attest',
      svid: { rejectUnauthorized: false } as object,
      body: JSON.stringify({ kind: 'oidc', token, csr: await csr(), ...more }),
    });

  before(async () => {
    [cluster, actions, stranger] = await Promise.all([openIssuer('ES256', '/clusters/c1'), openIssuer('RS256'), openIssuer('RS256')]);
    bed = await openBed({
      tools: false,
      configure: (yaml) =>
        yaml
          .replace(
            'caller: { segment: desk, owner: test, purpose: calls }',
            `caller:
    segment: desk
    owner: test
    purpose: calls
    attest:
      - oidc: { issuer: "${cluster.url}", sub: "system:serviceaccount:desk:clerk", claims: { kubernetes.io: { namespace: desk } } }
        ttl: 5m`,
          )
          .replace(
            'other: { segment: vault, owner: test, purpose: has no links }',
            `other:
    segment: vault
    owner: test
    purpose: has no links
    attest: [{ oidc: { issuer: "${actions.url}", claims: { repository: acme/desk, environment: prod } } }]`,
          )
          .concat(
            `attestation:
  issuers:
    cluster: { issuer: "${cluster.url}", audience: ${AUDIENCE}, allowPlaintextLoopback: true }
    actions: { issuer: "${actions.url}", audience: ${AUDIENCE}, allowPlaintextLoopback: true }
`,
          ),
    });
  });
  after(async () => {
    await bed.close();
    await Promise.all([cluster, actions, stranger].map((each) => each.close()));
  });

  test('a Kubernetes service account token becomes a run of its agent, with the lifetime of its entry', async () => {
    const answer = await attest(await cluster.token(SERVICE_ACCOUNT));
    assert.equal(answer.status, 200, answer.text);
    assert.match(String(answer.json['spiffe_id']), /^spiffe:\/\/test\.example\/agent\/caller\/run\/[0-9A-Z]{12}$/);
    const left = Number(answer.json['expires_at']) - Date.now();
    assert.ok(left > 280_000 && left <= 301_000, String(left));
    const detail = (await bed.control('GET', '/v1/agents/caller')).json as {
      runs: readonly { posture: { attestor: string; selectors: string[] } }[];
    };
    const posture = detail.runs.at(-1)?.posture;
    assert.equal(posture?.attestor, 'oidc');
    assert.ok(posture.selectors.includes('oidc:claim:kubernetes.io/serviceaccount/name:clerk'));
  });

  test('a GitHub Actions token becomes a run of the agent whose entry names its repository', async () => {
    const answer = await attest(await actions.token(ACTIONS_JOB));
    assert.equal(answer.status, 200, answer.text);
    assert.match(String(answer.json['spiffe_id']), /\/agent\/other\/run\//);
  });

  const HMAC = (secret: string, claims: object, header: object = {}): string => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${part({ alg: 'HS256', kid: 'key-1', typ: 'JWT', ...header })}.${part(claims)}`;
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  };
  const claims = (issuer: Issuer): object => ({ ...SERVICE_ACCOUNT, iss: issuer.url, aud: AUDIENCE, iat: now(), exp: now() + 600 });
  const altered = (token: string, change: (payload: Record<string, unknown>) => object): string => {
    const [head = '', body = '', tail = ''] = token.split('.');
    const payload = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
    return `${head}.${Buffer.from(JSON.stringify(change(payload))).toString('base64url')}.${tail}`;
  };
  const rsaPublic = (): string =>
    createPublicKey({ key: { ...actions.jwk() }, format: 'jwk' })
      .export({ type: 'spki', format: 'pem' })
      .toString();

  type Attack = readonly [what: string, code: string, token: () => Promise<string>, more?: object];
  const job = (more: object, header?: Readonly<Record<string, unknown>>): Promise<string> =>
    actions.token({ ...ACTIONS_JOB, ...more }, header);
  const ATTACKS: readonly Attack[] = [
    ['expired beyond the skew', 'CORDON-1010', () => job({ iat: now() - 700, nbf: now() - 700, exp: now() - 61 })],
    ['not valid yet', 'CORDON-1009', () => job({ nbf: now() + 120 })],
    ['issued in the future', 'CORDON-1009', () => job({ iat: now() + 120, exp: now() + 700 })],
    ['without an end', 'CORDON-1009', () => job({ exp: undefined })],
    ['without a beginning', 'CORDON-1009', () => job({ iat: undefined })],
    ['that lives for a year', 'CORDON-1009', () => job({ exp: now() + 31_536_000 })],
    ['with an end before its beginning', 'CORDON-1009', () => job({ iat: now() + 50, exp: now() + 40 })],
    ['with an end that is text', 'CORDON-1009', () => job({ exp: String(now() + 600) as unknown as number })],
    ['for another audience', 'CORDON-1011', () => job({ aud: 'https://other.example' })],
    ['for us and somebody else', 'CORDON-1011', () => job({ aud: [AUDIENCE, 'https://other.example'] })],
    ['for an audience of which ours is the beginning', 'CORDON-1011', () => job({ aud: `${AUDIENCE}-staging` })],
    ['without an audience', 'CORDON-1011', () => job({ aud: undefined })],
    ['of an issuer with a slash more', 'CORDON-1005', () => job({ iss: `${actions.url}/` })],
    ['of an issuer in capitals', 'CORDON-1005', () => job({ iss: actions.url.replace('http:', 'HTTP:') })],
    ['of an issuer nobody named', 'CORDON-1005', () => stranger.token(ACTIONS_JOB)],
    ['of a stranger who says to be the issuer', 'CORDON-1009', () => stranger.token({ ...ACTIONS_JOB, iss: actions.url })],
    ['of one issuer in the name of another', 'CORDON-1009', () => cluster.token({ ...ACTIONS_JOB, iss: actions.url }, { kid: 'key-1' })],
    ['without an issuer', 'CORDON-1009', () => job({ iss: undefined })],
    ['without a subject', 'CORDON-1009', () => job({ sub: undefined })],
    ['signed with the public key as a secret', 'CORDON-1009', async () => HMAC(rsaPublic(), { ...claims(actions), ...ACTIONS_JOB })],
    ['signed with the empty secret', 'CORDON-1009', async () => HMAC('', claims(actions))],
    [
      'of algorithm none',
      'CORDON-1009',
      async () => (await job({})).replace(/^[^.]+/, Buffer.from('{"alg":"none","kid":"key-1"}').toString('base64url')),
    ],
    ['without a signature', 'CORDON-1009', async () => (await job({})).replace(/[^.]+$/, '')],
    [
      'with claims that were changed',
      'CORDON-1009',
      async () => altered(await job({}), (payload) => ({ ...payload, environment: 'prod', repository: 'acme/desk', actor: 'mallory' })),
    ],
    ['with a claim twice', 'CORDON-1009', async () => twice(await job({}))],
    ['of a key id that is a path', 'CORDON-1009', () => job({}, { kid: '../../../etc/passwd' })],
    ['of a key id that is a URL', 'CORDON-1009', () => job({}, { kid: `${stranger.url}/keys` })],
    ['of a key id that every object has', 'CORDON-1009', () => job({}, { kid: '__proto__' })],
    ['without a key id', 'CORDON-1009', () => job({}, { kid: undefined })],
    [
      'that brings its key',
      'CORDON-1009',
      () => stranger.token({ ...ACTIONS_JOB, iss: actions.url }, { kid: 'other', jwk: stranger.jwk() }),
    ],
    ['that says where its key is', 'CORDON-1009', () => job({}, { jku: `${stranger.url}/keys` })],
    ['that says where its certificate is', 'CORDON-1009', () => job({}, { x5u: `${stranger.url}/keys` })],
    ['with a critical extension', 'CORDON-1009', async () => withCrit(await job({}))],
    ['that is an access token', 'CORDON-1009', () => job({}, { typ: 'at+jwt' })],
    ['that is a logout token', 'CORDON-1009', () => job({}, { typ: 'logout+jwt' })],
    ['that is no token', 'CORDON-1009', async () => 'not.a.token'],
    ['that is longer than a token may be', 'CORDON-9011', () => job({ padding: 'x'.repeat(20_000) })],
    ['of a megabyte', 'CORDON-9011', () => job({ padding: 'x'.repeat(1_000_000) })],
    ['of a repository whose name begins as ours', 'CORDON-1012', () => job({ repository: 'acme/desk-fork' })],
    ['of a repository whose name is the beginning of ours', 'CORDON-1012', () => job({ repository: 'acme/des' })],
    ['of our repository in capitals', 'CORDON-1012', () => job({ repository: 'Acme/Desk' })],
    ['of another environment', 'CORDON-1012', () => job({ environment: 'dev' })],
    ['without the claim', 'CORDON-1012', () => job({ environment: undefined })],
    ['whose claim is an object of that name', 'CORDON-1012', () => job({ environment: { prod: 'prod' } })],
    [
      'whose other claim is spelt as ours with its value',
      'CORDON-1012',
      () => job({ environment: 'dev', 'environment:prod': 'x', 'environment/prod': 'prod' }),
    ],
    ['of one cluster for the agent of the repository', 'CORDON-1012', () => cluster.token({ ...SERVICE_ACCOUNT, ...ACTIONS_JOB })],
    ['that is right, for the entry of another agent', 'CORDON-1012', () => job({}), { agent: 'caller' }],
    ['that is right, for an agent that is not there', 'CORDON-1012', () => job({}), { agent: 'nobody' }],
  ];

  for (const [what, code, token, more] of ATTACKS) {
    test(`[OIDC-Core] a token ${what} is refused with ${code}`, async () => {
      const answer = await attest(await token(), more);
      assert.equal(answer.json['code'], code, answer.text);
      // who is turned away does not hear what would have been right
      assert.doesNotMatch(answer.text, /cordon agent register|wants/);
    });
  }

  test('a token that is a little early or late is accepted', async () => {
    for (const more of [
      { exp: now() - 50, iat: now() - 600, nbf: now() - 600 },
      { nbf: now() + 50, iat: now() + 50 },
    ]) {
      assert.equal((await attest(await job(more))).status, 200);
    }
  });

  test('no attack has asked an issuer for more than its documents, or a stranger for anything', () => {
    assert.deepEqual(stranger.asked, []);
    assert.ok(actions.asked.length <= 6, actions.asked.join(' '));
    assert.deepEqual([...new Set(actions.asked)], ['/.well-known/openid-configuration', '/keys']);
  });

  test('a request whose key is not proven starts no run', async () => {
    const runs = async (): Promise<number> =>
      ((await bed.control('GET', '/v1/agents/other')).json as { runs: readonly object[] }).runs.length;
    const count = await runs();
    const broken = Buffer.from(await createRequest(await generateKeyPem()));
    broken[broken.length - 3] = (broken.at(-3) ?? 0) ^ 1;
    const answer = await attest(await job({}), { csr: broken.toString('base64') });
    assert.equal(answer.json['code'], 'CORDON-1013', answer.text);
    assert.equal(await runs(), count);
  });

  test('evidence that only the kernel or a launcher can give is not taken from a caller', async () => {
    const body = JSON.stringify({ kind: 'unix', pid: 1, uid: 0, gid: 0, csr: await csr() });
    const answer = await send({ port: bed.ports.identity, path: '/v1/attest', svid: { rejectUnauthorized: false } as object, body });
    assert.equal(answer.json['code'], 'CORDON-9011', answer.text);
  });

  test('whoever was turned away is on record, with what came nearest', async () => {
    const { items } = (await bed.control('GET', '/v1/decisions?verdict=deny&limit=200')).json as {
      items: readonly { code: string; action: string; reason: string }[];
    };
    const row = items.find(({ code, reason }) => code === 'CORDON-1012' && reason.includes('acme/desk-fork'));
    assert.equal(row?.action, 'attest/oidc');
    assert.match(row.reason, /entry `other` wants oidc:claim:repository=acme\/desk {2}\(1 of 3 differ\)/);
  });
});

/** The same bytes, read as two objects by two readers. */
function twice(token: string): string {
  const [head = '', body = '', tail = ''] = token.split('.');
  const text = Buffer.from(body, 'base64url').toString().replace('{', '{"environment":"dev",');
  return `${head}.${Buffer.from(text).toString('base64url')}.${tail}`;
}

function withCrit(token: string): string {
  const [head = '', ...rest] = token.split('.');
  const header = { ...(JSON.parse(Buffer.from(head, 'base64url').toString()) as object), crit: ['exp'], exp: 1 };
  return [Buffer.from(JSON.stringify(header)).toString('base64url'), ...rest].join('.');
}
