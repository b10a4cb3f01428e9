// `@approval` in policies: what a person may lift and what not, who may answer, and what a grant is bound to.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { openGrants } from '../src/control/grants.ts';
import type { AccessRequest, Decision } from '../src/domain/access.ts';
import type { JsonObject } from '../src/domain/json.ts';
import type { OperatorRole } from '../src/domain/operators.ts';
import { approved, digestOf, type Grant, NO_GRANTS, targetOf } from '../src/pdp/approval.ts';
import { closeAdmission } from '../src/policy/admission.ts';
import { decideGates } from '../src/policy/gates.ts';
import type { PolicySet } from '../src/policy/policy-set.ts';
import { forUser, toolsOnly } from './support/on-behalf.ts';
import { call, desk, PAYMENT, policySet } from './support/policy-desk.ts';

after(closeAdmission);

const world = desk();
const NOW = 1_800_000_000_000;
const said = ({ verdict, code, determining, approver }: Decision): string =>
  [verdict, code ?? [], determining, approver ?? []].flat(2).join(' ');
const pay = (over: JsonObject = {}): AccessRequest => call('clerk', 'ledger/pay_invoice', { ...PAYMENT, ...over });

const PAY = 'principal == Agent::"clerk", action == Action::"ledger/pay_invoice", resource';
const LARGE = 'when { context.input.amount_cents > 1000 }';
const permit = (id: string, more = '', when = ''): string => `@id("${id}") ${more} permit (${PAY}) ${when};`;
const forbid = (id: string, more = '', when = ''): string => `@id("${id}") ${more} @reason("${id}") forbid (${PAY}) ${when};`;

describe('[I4] @approval', () => {
  const CASES: readonly (readonly [string, string, string])[] = [
    ['a forbid that a person may lift', permit('p') + forbid('ask', '@approval', LARGE), 'approval_required CORDON-5001 ask operator'],
    ['the same where it does not hold', permit('p') + forbid('ask', '@approval', 'when { context.input.amount_cents > 9000 }'), 'allow p'],
    ['a permit that counts with approval only', permit('ask', '@approval("analyst")'), 'approval_required CORDON-5001 ask analyst'],
    ['a plain permit beside it', permit('ask', '@approval') + permit('p'), 'allow ask p'],
    ['a forbid that nobody lifts', permit('p') + forbid('ask', '@approval') + forbid('no'), 'deny CORDON-3002 no'],
    ['no permit: nobody is asked', forbid('ask', '@approval'), 'deny CORDON-3001'],
    [
      'who asks for most names the role',
      permit('p') + forbid('a', '@approval("analyst")') + forbid('b', '@approval("admin")'),
      'approval_required CORDON-5001 a b admin',
    ],
  ];
  for (const [name, text, expected] of CASES) {
    void test(name, async () => {
      assert.equal(said((await policySet(text, world)).decide(pay(), world)), expected);
    });
  }

  void test('a role that is none, or a value that means something else, is refused', async () => {
    for (const role of ['root', 'viewer', 'auditor', 'Operator', 'yes', ' '])
      await assert.rejects(policySet(permit('p', `@approval("${role}")`), world), /`@approval` is not known/, role);
  });

  void test('what needs approval is visible, and reached as `may`', async () => {
    for (const text of [permit('p') + forbid('ask', '@approval'), permit('ask', '@approval')]) {
      const set = await policySet(text, world);
      assert.deepEqual(set.visibleTools('clerk', 'ledger', world), ['pay_invoice']);
      const { access } = set.reach({ agent: 'clerk', action: 'tools/call', type: 'tool', id: 'ledger/pay_invoice' }, world);
      assert.equal(access, 'may');
    }
  });

  void test('who is denied by another gate asks nobody', async () => {
    const set = await policySet(
      `${permit('p')}${forbid('ask', '@approval')}@id("u") permit (principal is User in Group::"finance", action, resource);`,
      world,
    );
    const verdictOf = (group: string, location: string): string | undefined =>
      decideGates(set, forUser(pay(), { user: 'u', groups: [group], mandate: toolsOnly([location]) }), world, NOW).verdict;
    assert.equal(verdictOf('finance', 'tool:ledger/*'), 'approval_required');
    assert.equal(verdictOf('sales', 'tool:ledger/*'), 'deny');
    assert.equal(verdictOf('finance', 'tool:mail/*'), 'deny');
  });
});

describe('[I4] [I5] a grant', () => {
  let set: PolicySet;
  before(async () => {
    set = await policySet(permit('p') + forbid('ask', '@approval', LARGE), world);
  });
  const grant: Grant = { id: 'gr_1', answer: 'approved', role: 'operator', uses: 1, until: NOW + 1000 };
  const decided = (request: AccessRequest, given: Grant = grant, spent = 0, now = NOW): string =>
    said(
      approved(
        set.decide(request, world),
        request,
        { answered: new Map([[digestOf(pay()), given]]), targets: new Set([targetOf(pay())]) },
        () => spent,
        now,
      ),
    );

  void test('is good for exactly what was asked, as often and for as long as was said', () => {
    const waits = 'approval_required';
    assert.match(decided(pay()), /^allow/);
    assert.match(decided(pay({ amount_cents: 4201 })), /CORDON-5006/);
    assert.match(decided(pay({ memo: 'x' })), /CORDON-5006/);
    assert.match(decided(forUser(pay(), { user: 'mallory' })), new RegExp(`^${waits} CORDON-5001`));
    assert.match(decided(pay(), grant, 1), new RegExp(`^${waits} CORDON-5004`));
    assert.match(decided({ ...pay(), grant: 'gr_1' }, grant, 1), /^allow/, 'the call that used it goes on');
    assert.match(decided({ ...pay(), grant: 'gr_2' }, grant, 1), new RegExp(`^${waits} CORDON-5004`));
    assert.match(decided(pay(), grant, 0, NOW + 1000), new RegExp(`^${waits} CORDON-5003`));
    for (const role of ['viewer', 'auditor', 'analyst'] as const)
      assert.match(decided(pay(), { ...grant, role }), new RegExp(`^${waits} CORDON-5001`), 'of who could not approve it now');
    const less = { ...grant, answer: 'narrowed', narrowed: { amount_cents: 5 } } as const;
    assert.match(decided(pay(), less), /^deny CORDON-5007/);
    assert.match(decided(pay(), less, 1), /CORDON-5004/);
    assert.match(decided(pay(), { ...grant, answer: 'refused' }), /^deny CORDON-5005/);
    assert.match(said(approved(set.decide(pay(), world), pay(), NO_GRANTS, () => 0, NOW)), /CORDON-5001/);
  });

  void test('lifts nothing but what asks for approval', () => {
    for (const verdict of ['deny', 'error', 'allow'] as const) {
      const decision: Decision = { verdict, determining: ['x'], errors: [], policyVersion: 1 };
      assert.equal(
        approved(decision, pay(), { answered: new Map([[digestOf(pay()), grant]]), targets: new Set() }, () => 0, NOW),
        decision,
      );
    }
  });

  void test('its digest does not depend on the order of arguments, and on everything else', () => {
    const json = fc.jsonValue({ maxDepth: 3 });
    const input = fc.dictionary(fc.string(), json, { maxKeys: 5 }) as fc.Arbitrary<JsonObject>;
    const shuffled = (one: JsonObject): JsonObject => Object.fromEntries(Object.entries(one).toReversed());
    fc.assert(
      fc.property(input, input, (a, b) => {
        const of = (one: JsonObject): string => digestOf(call('clerk', 'ledger/pay_invoice', one));
        assert.equal(of(a), of(shuffled(a)));
        const same = JSON.stringify(sortedJson(a)) === JSON.stringify(sortedJson(b));
        assert.equal(of(a) === of(b), same);
      }),
    );
    const base = digestOf(pay());
    for (const other of [
      call('auditor', 'ledger/pay_invoice', PAYMENT),
      call('clerk', 'ledger/pay', PAYMENT),
      forUser(pay(), { user: 'u' }),
    ])
      assert.notEqual(digestOf(other), base);
  });
});

/** Another hand than the product's: JSON.stringify with members in order. */
const sortedJson = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sortedJson)
    : typeof value === 'object' && value !== null
      ? Object.keys(value)
          .toSorted()
          .map((key) => [key, sortedJson((value as Record<string, unknown>)[key])])
      : value;

void test('[I7] who may answer is what the policy says, by the roles of operators', async () => {
  const rows = new Map<string, object>();
  let asked = '';
  const parts = {
    store: {
      putGrant: (row: { id: string }) => Promise.resolve(void rows.set(row.id, row)),
      grant: () => Promise.resolve(undefined),
      grants: () => Promise.resolve([]),
      closeGrants: () => Promise.resolve(0),
    },
    sealer: { seal: (_name: string, bytes: Uint8Array) => bytes, open: (_name: string, bytes: Uint8Array) => bytes },
    log: { append: () => ({ log: 'x', seq: 0, leafHash: '' }) },
    now: () => NOW,
    publish: () => undefined,
    onEvent: ({ grant }: { grant: { id: string } }) => void (asked = grant.id),
    later: () => () => undefined,
    onError: (error: unknown) => {
      throw error;
    },
  };
  const desk1 = await openGrants(parts);
  const MAY: Readonly<Record<string, readonly OperatorRole[]>> = {
    analyst: ['analyst', 'operator', 'admin'],
    operator: ['operator', 'admin'],
    admin: ['admin'],
  };
  for (const approver of ['analyst', 'operator', 'admin'] as const) {
    for (const role of ['viewer', 'auditor', 'analyst', 'operator', 'admin', undefined] as const) {
      const request = pay({ memo: `${approver} ${role ?? ''}` });
      const record = { id: 'dec_1', verdict: 'approval_required', approver, policy: { version: 1, determining: ['ask'] } };
      desk1.note({ record: record as never, receipt: { log: 'x', seq: 0, leafHash: '' }, request });
      const answer = desk1.approve(asked, { actor: 'spiffe://desk.example/operator/o', role }, { ttl: 1000, uses: 1 });
      if (role !== undefined && MAY[approver]?.includes(role) === true) assert.equal((await answer).state, 'approved');
      else await assert.rejects(answer, { code: 'CORDON-5008' });
    }
  }
});
