// The official engine beside the compiled one, at run time: agreement is silent, a planted divergence is told, and after a failover the
// official engine decides the same, with the stricter rules on top.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { DecisionCheck } from '../src/control/decision-check.ts';
import type { Decision, LogRecord } from '../src/domain/access.ts';
import { Refusal } from '../src/domain/refusal.ts';
import { CrossCheck, type Divergence } from '../src/policy/cross-check.ts';
import type { Watch } from '../src/policy/oversight.ts';
import type { PolicySet } from '../src/policy/policy-set.ts';
import { call, desk, levels, PAYMENT, POLICIES, policySet, request } from './support/policy-desk.ts';
import { until } from './support/until.ts';

const world = desk();
const said = ({ verdict, code, determining }: Decision): string => [verdict, code ?? [], determining].flat(2).join(' ');

const ASKED = [
  call('clerk', 'ledger/pay_invoice', PAYMENT),
  call('clerk', 'ledger/pay_invoice', { ...PAYMENT, iban: 'DE1' }),
  call('clerk', 'ledger/pay_invoice', { ...PAYMENT, memo: 'urgent' }),
  call('clerk', 'ledger/pay_invoice', { ...PAYMENT, amount_cents: 2n ** 62n, options: { deep: [1, { x: 'y' }] }, rate: 1.25 }),
  call('auditor', 'ledger/list_invoices'),
  call('reader', 'ledger/pay_invoice', PAYMENT),
  request('clerk', 'a2a/SendMessage', 'reader', { text: 'hi' }),
  request('clerk', 'tools/list', 'ledger'),
];

/** What the worker is given is not what was compiled: to it, the clerk pays whatever the amount is. */
const planted = (watch: Watch): Watch => ({
  load: (version, { static: texts }) =>
    watch.load(version, { static: new Map([...texts].map(([id, text]) => [id, text.replace('<= 100000', '>= 0')])) }),
  offer: (version, facts, ours) => watch.offer(version, facts, ours),
});

const checks: CrossCheck[] = [];
after(async () => {
  for (const check of checks) await check.close();
});

function checker(): { readonly check: CrossCheck; readonly diverged: Divergence[]; readonly failed: string[] } {
  const diverged: Divergence[] = [];
  const failed: string[] = [];
  const check = new CrossCheck({
    sample: 1,
    random: () => 0,
    onDivergence: (one) => diverged.push(one),
    onFailure: ({ message }) => failed.push(message),
  });
  checks.push(check);
  return { check, diverged, failed };
}

test('[DESIGN-5] the official engine agrees with what was decided, from the slice of entities that it is given', async () => {
  const set = await policySet(POLICIES, world);
  const { check, diverged, failed } = checker();
  set.watch(check);
  for (const asked of ASKED) set.decide(asked, world);
  await until('all are checked', () => (check.counts.checked === ASKED.length ? true : undefined));
  assert.deepEqual([diverged, failed], [[], []]);
});

test('[DESIGN-5] a planted divergence is told with both answers and without any argument', async () => {
  const set = await policySet(POLICIES, world);
  const { check, diverged } = checker();
  set.watch(planted(check));
  set.decide(call('clerk', 'ledger/pay_invoice', { ...PAYMENT, amount_cents: 200_000 }), world);
  const [told] = await until('it is told', () => (diverged.length > 0 ? diverged : undefined));
  assert.deepEqual([told?.ours.allowed, told?.official.allowed, told?.official.reasons], [false, true, ['clerk-pays']]);
  assert.equal(told?.request.version, set.version);
  assert.doesNotMatch(JSON.stringify(told), /200000|Acme|DE02/);
});

test('[DESIGN-5] [I1] a divergence is an incident: on record, open calls decided again, and the official engine decides from then on', async () => {
  const set = await policySet(POLICIES, world);
  const records: LogRecord[] = [];
  const published: (PolicySet | Refusal)[] = [];
  const notices: string[] = [];
  let turns = 0;
  const check = new DecisionCheck({
    sample: 1,
    random: () => 0,
    publisher: { setPolicies: (policies) => published.push(policies), publish: () => turns++ },
    log: { append: (record) => ({ log: 'test', seq: records.push(record), leafHash: '' }) },
    now: () => 0,
    onNotice: (line) => notices.push(line),
  });
  after(() => check.close());
  // the compiled form of this set is wrong about one policy
  const odd = { ...set, watch: (watch: Watch) => set.watch(planted(watch)), failOver: () => set.failOver() };
  check.setPolicies(odd);
  const asked = call('clerk', 'ledger/pay_invoice', { ...PAYMENT, amount_cents: 200_000 });
  assert.equal(said(set.decide(asked, world)), 'deny CORDON-3005');
  await until('it is on record', () => (records.length > 0 ? true : undefined));
  assert.deepEqual(
    records.map((record) => ('act' in record ? [record.act, record.actor, record.detail?.['official']] : [])),
    [['policy.divergence', 'cordon', { allowed: true, reasons: ['clerk-pays'], errors: [] }]],
  );
  assert.deepEqual([check.view().engine, published.length, turns], ['official', 2, 1]);
  assert.match(notices.join(), /differs from the official engine's/);
  // a set that follows is decided by the official engine from its first call; one that cannot be is no set at all
  const next = await policySet(POLICIES, world);
  let failedOver = 0;
  check.setPolicies({ ...next, failOver: () => failedOver++ });
  const broken = {
    ...next,
    failOver: () => {
      throw new Error('it cannot');
    },
  };
  check.setPolicies(broken);
  assert.equal(failedOver, 1);
  const last = published.at(-1);
  assert.ok(last instanceof Refusal && last.code === 'CORDON-9001');
});

test('[DESIGN-5] [I1] after a failover the official engine decides, guardrails and erroring forbids included', async () => {
  const overflow = `@id("odd") forbid (principal == Agent::"auditor", action == Action::"ledger/pay_invoice", resource)
    when { context.input.amount_cents * 4611686018427387904 > 0 };`;
  const text = `${POLICIES} ${overflow} @id("watched") @mode("shadow") forbid (principal, action == Action::"ping", resource);`;
  const before = await policySet(text, world);
  const failed = await policySet(text, world);
  failed.failOver();
  const worlds = [world, desk({ levels: levels({ clerk: 'off' }) }), desk({ levels: levels({ clerk: 'restricted' }) })];
  for (const asked of [...ASKED, call('auditor', 'ledger/pay_invoice', PAYMENT), request('clerk', 'ping', 'ledger')]) {
    for (const over of worlds)
      assert.equal(said(failed.decide(asked, over)), said(before.decide(asked, over)), JSON.stringify(asked.action));
  }
  assert.equal(said(failed.decide(call('auditor', 'ledger/pay_invoice', PAYMENT), world)), 'error CORDON-9005 odd');
});

test('[DESIGN-5] a policy in shadow is told of and has no effect', async () => {
  const text = `${POLICIES}
    @id("watch-ping") @mode("shadow") forbid (principal, action == Action::"ping", resource);
    @id("watch-mail") @mode("shadow") permit (principal == Agent::"clerk", action == Action::"ping", resource == Server::"mail");`;
  const set = await policySet(text, world);
  const allowed = set.decide(request('clerk', 'ping', 'ledger'), world);
  assert.equal(said(allowed), 'allow finance-reads');
  assert.deepEqual(allowed.shadow, { verdict: 'deny', code: 'CORDON-3002', determining: ['watch-ping'], policyVersion: 7 });
  const denied = set.decide(request('clerk', 'initialize', 'ledger'), world);
  assert.equal(denied.shadow, undefined, 'where nothing would change nothing is told');
  assert.equal(said(set.decide(request('clerk', 'ping', 'mail'), world)), 'deny CORDON-3001');
  assert.deepEqual(
    set
      .explain(request('clerk', 'ping', 'mail'), world)
      .nearest.map(({ policy }) => policy)
      .filter((policy) => policy.startsWith('watch')),
    [],
  );
});
