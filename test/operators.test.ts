// Who may administer: every route against every role, orders for two, links and challenges that are used twice, accounts that pose.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkRole } from '../src/control/caller.ts';
import { openDirectory, type Directory } from '../src/control/operators/directory.ts';
import { createHeldOrders } from '../src/control/operators/held-orders.ts';
import { createPages, type Pages } from '../src/control/operators/pages.ts';
import { createPasskeys } from '../src/control/operators/passkeys.ts';
import { createRequestVisits } from '../src/control/operators/request-visits.ts';
import { createSignIns } from '../src/control/operators/sign-in.ts';
import { ROUTES } from '../src/control/routes.ts';
import { randomKey } from '../src/crypto/random.ts';
import { sealer as sealerOf } from '../src/crypto/seal.ts';
import type { LogRecord } from '../src/domain/access.ts';
import { OPERATOR_ROLES, roleHolds, type OperatorRole } from '../src/domain/operators.ts';
import { Refusal } from '../src/domain/refusal.ts';
import { parseTrustDomain, parseWorkload, workloadId, type WorkloadKind } from '../src/domain/spiffe-id.ts';
import type { IssuedSvid } from '../src/identity/issue.ts';
import type { SvidFacts } from '../src/identity/svid.ts';
import { openSqliteStore } from '../src/store/sqlite.ts';
import { freePorts } from './support/bed.ts';

const domain = parseTrustDomain('desk.example');
const caller = (kind: WorkloadKind, name: string): SvidFacts => ({
  workload: parseWorkload(workloadId(domain, kind, name, 'RUN1')),
  serial: '01',
  notBefore: 0,
  notAfter: 1,
});
const actor = (name: string): string => workloadId(domain, 'operator', name, 'RUN1');

interface Bench {
  readonly store: Awaited<ReturnType<typeof openSqliteStore>>;
  readonly acts: LogRecord[];
  readonly log: { append(record: LogRecord): { log: string; seq: number; leafHash: string } };
  now: number;
}

async function bench(): Promise<Bench & AsyncDisposable> {
  const store = await openSqliteStore(':memory:');
  const acts: LogRecord[] = [];
  const log = { append: (record: LogRecord) => ({ log: 'test', seq: acts.push(record), leafHash: '' }) };
  return { store, acts, log, now: 1_000_000, [Symbol.asyncDispose]: () => store.close() };
}

const NO_GRANTS = {
  idOf: () => undefined,
  get: () => Promise.reject(new Error('no grants')),
  approve: () => Promise.reject(new Error('no grants')),
  refuse: () => Promise.reject(new Error('no grants')),
};

const directoryOf = (on: Bench, people: Parameters<typeof openDirectory>[0]['people'] = []): Promise<Directory> =>
  openDirectory({ people, store: on.store, log: on.log, now: () => on.now, onNotice: () => undefined });

void test('[I7] every route of the control API is refused to whoever has not its role, and to every agent', () => {
  const roles: readonly (OperatorRole | undefined)[] = [...OPERATOR_ROLES, undefined];
  let asked = 0;
  for (const { method, path, role } of ROUTES) {
    for (const has of roles) {
      const ask = (): void => checkRole(caller('operator', 'olga'), role, () => has);
      const may = role !== 'workload' && has !== undefined && roleHolds(has, role);
      asked += 1;
      if (may) assert.doesNotThrow(ask, `${method} ${path} as ${has}`);
      else assert.throws(ask, { code: role === 'workload' ? 'CORDON-1014' : 'CORDON-1017' }, `${method} ${path} as ${String(has)}`);
    }
    for (const kind of ['agent', 'resource', 'gateway', 'control'] as const) {
      const ask = (): void => checkRole(caller(kind, 'admin'), role, () => 'admin');
      asked += 1;
      if (role === 'workload' && (kind === 'agent' || kind === 'resource')) assert.doesNotThrow(ask);
      else assert.throws(ask, { code: 'CORDON-1014' }, `${method} ${path} as ${kind}`);
    }
  }
  assert.equal(asked, ROUTES.length * 10);
});

void test('[I7] what changes anything is not for viewers or auditors', () => {
  const reads = new Set([
    'POST /v1/can',
    'POST /v1/blast',
    'POST /v1/policies/diff',
    'POST /v1/policies/suggest',
    'POST /v1/policies/impact',
    'POST /v1/delegations/verify',
  ]);
  // who decides on an order, or breaks the glass, is checked by the order and by name
  const own = new Set(['POST /v1/orders/:id/approve', 'POST /v1/orders/:id/refuse', 'POST /v1/break-glass']);
  for (const { method, path, role } of ROUTES) {
    const name = `${method} ${path}`;
    if (method === 'GET' || role === 'workload' || reads.has(name) || own.has(name)) continue;
    assert.ok(role !== 'viewer' && role !== 'auditor', name);
  }
});

void test('[I7] an order for two is approved by another, once, as it was given', async () => {
  await using on = await bench();
  const sealer = sealerOf(randomKey());
  const orders = createHeldOrders({ rules: ['policy'], store: on.store, sealer, log: on.log, now: () => on.now });
  assert.deepEqual([orders.needs('policy'), orders.needs('ca')], [true, false]);
  const input = { note: 'secret plans' };
  const held = await orders.hold({ rule: 'policy', route: 'POST /v1/policies/apply', input, actor: actor('carol') });
  assert.ok(!Buffer.from((await on.store.order(held.id))?.input ?? []).includes('secret plans'), 'kept in the clear');
  await assert.rejects(orders.approve(held.id, actor('carol')), { code: 'CORDON-5008' });
  const both = await Promise.allSettled([orders.approve(held.id, actor('dan')), orders.approve(held.id, actor('erin'))]);
  assert.deepEqual(both.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  const [first] = both.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  assert.deepEqual(first?.input, input);
  await assert.rejects(orders.approve(held.id, actor('frank')), { code: 'CORDON-1012' });
  on.now += 1;
  const late = await orders.hold({ rule: 'policy', route: 'POST /v1/policies/apply', input, actor: actor('carol') });
  on.now += 25 * 3_600_000;
  await assert.rejects(orders.approve(late.id, actor('dan')), { code: 'CORDON-1012' });
  assert.equal((await orders.list())[0]?.state, 'expired');
});

void test('[I7] broken glass gives every role for its time, is told, survives a restart, and is looked at by somebody else', async () => {
  await using on = await bench();
  const people = [{ name: 'dan', role: 'viewer' as const }];
  const directory = await directoryOf(on, people);
  const { id } = await directory.breakGlass({ operator: 'dan', actor: actor('dan'), reason: 'fire', forMs: 60_000 });
  assert.deepEqual([directory.roleOf('dan'), directory.actsAlone('dan')], ['admin', true]);
  const again = await directoryOf(on, people);
  assert.deepEqual([again.roleOf('dan'), again.openBreakGlass().length], ['admin', 1]);
  await assert.rejects(again.review(id, { name: 'dan', actor: actor('dan') }), { code: 'CORDON-5008' });
  on.now += 60_000;
  assert.deepEqual([again.roleOf('dan'), again.actsAlone('dan'), again.openBreakGlass().length], ['viewer', false, 1]);
  await again.review(id, { name: 'erin', actor: actor('erin') });
  assert.equal(again.openBreakGlass().length, 0);
  await assert.rejects(again.review(id, { name: 'erin', actor: actor('erin') }), { code: 'CORDON-1012' });
});

void test('[I7] a name belongs to the account that first signed in with it; names of this machine and of cordon.yaml are not given away', async () => {
  await using on = await bench();
  const directory = await directoryOf(on, [{ name: 'olga', role: 'viewer' }]);
  await directory.bind('olga', 'https://idp.example 1');
  await directory.bind('olga', 'https://idp.example 1');
  await assert.rejects(directory.bind('olga', 'https://idp.example 2'), { code: 'CORDON-1013' });
  await assert.rejects(directory.bind('nobody', 'https://idp.example 3'), { code: 'CORDON-1012' });
  for (const name of ['local', 'olga']) await assert.rejects(directory.put(name, 'admin', actor('local')), { code: 'CORDON-9006' });
  await directory.put('alice', 'analyst', actor('local'));
  await directory.remove('alice', actor('local'));
  assert.equal(directory.roleOf('alice'), undefined);
  assert.equal(directory.roleOf('olga'), 'viewer');
});

const issued = { id: '', chain: '', serial: '', notBefore: 0, notAfter: 0 } as unknown as IssuedSvid;

void test('[I5] a sign-in is taken once, by the terminal that began it, in its time, by somebody who is still an operator', async () => {
  await using on = await bench();
  let role: OperatorRole | undefined = 'viewer';
  const signIns = createSignIns({
    log: on.log,
    now: () => on.now,
    roleOf: () => role,
    check: async () => undefined,
    issue: async () => issued,
  });
  const { login, secret } = await signIns.begin(new Uint8Array());
  assert.equal(await signIns.collect(login, secret), undefined);
  await assert.rejects(signIns.collect(login, `${secret.slice(0, -1)}x`), { code: 'CORDON-1005' });
  signIns.approve(login, 'olga', 'passkey');
  assert.throws(() => signIns.approve(login, 'mallory', 'passkey'), { code: 'CORDON-1005' });
  assert.equal((await signIns.collect(login, secret))?.name, 'olga');
  await assert.rejects(signIns.collect(login, secret), { code: 'CORDON-1005' });

  const late = await signIns.begin(new Uint8Array());
  on.now += 300_000;
  assert.throws(() => signIns.approve(late.login, 'olga', 'oidc'), { code: 'CORDON-1005' });

  const lost = await signIns.begin(new Uint8Array());
  signIns.approve(lost.login, 'olga', 'oidc');
  role = undefined;
  await assert.rejects(signIns.collect(lost.login, lost.secret), { code: 'CORDON-1017' });
  assert.throws(() => signIns.approve('A'.repeat(20), 'olga', 'oidc'), Refusal);
});

void test('[I10] sign-ins that nobody ends are bounded, and make room when they are too late', async () => {
  await using on = await bench();
  const signIns = createSignIns({
    log: on.log,
    now: () => on.now,
    roleOf: () => 'viewer',
    check: async () => undefined,
    issue: async () => issued,
  });
  for (let i = 0; i < 200; i++) await signIns.begin(new Uint8Array());
  await assert.rejects(signIns.begin(new Uint8Array()), { code: 'CORDON-4003' });
  on.now += 300_000;
  assert.match((await signIns.begin(new Uint8Array())).code, /^\w{4}-\w{4}$/);
});

void test('[I7] the pages answer their own origin alone, strictly, without a word of what was wrong with a passkey', async () => {
  await using on = await bench();
  const [port = 0] = await freePorts(1);
  const origin = new URL(`http://localhost:${port}`);
  const now = (): number => on.now;
  const passkeys = createPasskeys({ origin, store: on.store, log: on.log, now });
  const signIns = createSignIns({ log: on.log, now, roleOf: () => 'viewer', check: async () => undefined, issue: async () => issued });
  const refused: string[] = [];
  const pages: Pages = createPages({
    requests: createRequestVisits({ passkeys, grants: NO_GRANTS, roleOf: () => 'viewer', actorOf: actor, now }),
    origin,
    signIns,
    passkeys,
    provider: undefined,
    now,
    refused: ({ code }, action) => refused.push(`${code} ${action}`),
  });
  await pages.listen('127.0.0.1', port);
  try {
    const ask = async (path: string, body: unknown, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> => {
      const reply = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        headers: { host: origin.host, origin: origin.origin, 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
      return { status: reply.status, text: await reply.text() };
    };
    const { login } = await signIns.begin(new Uint8Array());
    // fetch sets `host` by its address, which is not the origin's: that alone is refused
    assert.equal((await ask('/sign-in/view', { login })).status, 403);
    const rebound = await fetch(`http://127.0.0.1:${port}/`);
    assert.equal(rebound.status, 403);
    const page = await fetch(origin);
    assert.equal(page.status, 200);
    assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'; script-src 'self'/);
    const post = async (path: string, body: unknown, from = origin.origin): Promise<number> =>
      (
        await fetch(new URL(path, origin), {
          method: 'POST',
          headers: { origin: from, 'content-type': 'application/json' },
          body: JSON.stringify(body),
        })
      ).status;
    assert.equal(await post('/sign-in/view', { login }), 200);
    assert.equal(await post('/sign-in/view', { login }, 'http://evil.example'), 403);
    assert.equal(await post('/sign-in/view', { login: 'x' }), 400);
    assert.equal(await post('/sign-in/view', { login, more: 1 }), 400);
    const forged = {
      id: 'AAAA',
      rawId: 'AAAA',
      type: 'public-key',
      clientExtensionResults: {},
      response: { clientDataJSON: 'e30', authenticatorData: 'AA', signature: 'AA' },
    };
    assert.equal(await post('/sign-in/passkey', { login, response: forged }), 403, 'nothing was asked yet');
    assert.equal(await post('/sign-in/challenge', { login }), 200);
    assert.equal(await post('/sign-in/passkey', { login, response: forged }), 401);
    assert.equal(await post('/sign-in/enrolment', { link: 'A'.repeat(43) }), 403);
    assert.equal(await post('/sign-in/oidc', { login }), 404);
    assert.ok(
      refused.some((text) => text.startsWith('CORDON-1013')),
      refused.join(),
    );
  } finally {
    await pages.close();
  }
});
