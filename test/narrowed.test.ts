// A person approves less than was asked: what counts as less, what the agent hears, and that nothing passes but what was approved.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { GRANT_ROUTES } from '../src/control/routes-grants.ts';
import type { Decision } from '../src/domain/access.ts';
import type { Json, JsonObject } from '../src/domain/json.ts';
import type { OperatorRole } from '../src/domain/operators.ts';
import { digestOf } from '../src/pdp/approval.ts';
import { narrowed } from '../src/pdp/narrow.ts';
import { openBed, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';
import { cordon } from './support/cordon.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { call } from './support/policy-desk.ts';

const of = (input: JsonObject): ReturnType<typeof call> => call('clerk', 'ledger/pay_invoice', input);

describe('[I2] [I4] less of a call', () => {
  const CASES: readonly (readonly [string, JsonObject, JsonObject, boolean])[] = [
    ['a smaller number', { n: 500, to: 'a' }, { n: 100 }, true],
    ['none at all', { n: 500 }, { n: 0 }, true],
    ['a smaller part', { n: 0.5 }, { n: 0.25 }, true],
    ['a large integer, exactly', { n: 2n ** 60n }, { n: 2n ** 60n - 1n }, true],
    ['fewer elements', { list: ['a', 'b', 'c'] }, { list: ['a', 'c'] }, true],
    ['less inside', { o: { n: 5, list: [1, 2] } }, { o: { n: 4, list: [2] } }, true],
    ['a larger number', { n: 500 }, { n: 501 }, false],
    ['a number below zero', { n: 500 }, { n: -1 }, false],
    ['a number for one below zero', { n: -5 }, { n: 1 }, false],
    ['a larger integer, by one', { n: 2n ** 60n }, { n: 2n ** 60n + 1n }, false],
    ['another text', { to: 'alice' }, { to: 'bob' }, false],
    ['a shorter text', { to: 'alice' }, { to: 'al' }, false],
    ['a number for a text', { to: '5' }, { to: 4 }, false],
    ['a text for a number', { n: 5 }, { n: '4' }, false],
    ['the other truth', { dry: true }, { dry: false }, false],
    ['nothing for something', { n: 5 }, { n: null }, false],
    ['an argument that is not there', { n: 5 }, { m: 1 }, false],
    ['one that every object has', { n: 5 }, { toString: 1 }, false],
    ['elements that were not there', { list: ['a'] }, { list: ['b'] }, false],
    ['an element twice', { list: ['a', 'b'] }, { list: ['a', 'a'] }, false],
    ['another order', { list: ['a', 'b'] }, { list: ['b', 'a'] }, false],
    ['no element, which may mean all', { list: ['a'] }, { list: [] }, false],
    ['a member left out, which may mean more', { o: { n: 5, limit: 1 } }, { o: { n: 5 } }, false],
    ['a member more', { o: { n: 5 } }, { o: { n: 4, m: 1 } }, false],
    ['less of one and more of another', { a: 5, b: 5 }, { a: 4, b: 6 }, false],
    ['the same', { n: 5 }, { n: 5 }, false],
    ['nothing', { n: 5 }, {}, false],
  ];
  for (const [name, input, changes, expected] of CASES) {
    void test(`${name} is ${expected ? 'less' : 'refused'}`, () => {
      if (!expected) {
        assert.throws(() => narrowed(of(input), changes), { code: 'CORDON-9011' });
        return;
      }
      const to = narrowed(of(input), changes);
      assert.deepEqual(to.context.input, { ...input, ...changes });
      assert.notEqual(digestOf(to), digestOf(of(input)));
      assert.throws(() => narrowed(to, input), { code: 'CORDON-9011' }, 'and there is no way back');
    });
  }

  void test('of a call that is no tool there is none', () => {
    const request = { ...of({ n: 5 }), resource: { type: 'route', id: 'billing/pay' } } as const;
    assert.throws(() => narrowed(request, { n: 4 }), { code: 'CORDON-9011' });
  });

  void test('what takes no place stays, whatever it is', () => {
    const input = fc.dictionary(
      fc.string().filter((name) => name !== 'n'),
      fc.jsonValue(),
    ) as fc.Arbitrary<Record<string, Json>>;
    fc.assert(
      fc.property(input, fc.nat(), fc.nat(), (rest, n, less) => {
        const to = narrowed(of({ ...rest, n: n + less + 1 }), { n });
        assert.deepEqual(to.context.input, { ...rest, n });
        assert.deepEqual({ ...to, context: undefined }, { ...of({}), context: undefined });
      }),
    );
  });
});

void test('[I7] less that is for a higher role to approve is not approved by a lower one', async () => {
  const row = GRANT_ROUTES.find(({ path }) => path.endsWith('/approve')) ?? assert.fail();
  const approvedAs = async (role: OperatorRole, decision: Partial<Decision>): Promise<unknown> => {
    const control = {
      grants: {
        get: () => Promise.resolve({ request: of({ n: 5 }) }),
        approve: (_id: string, _by: unknown, { narrowed: { changes } }: { narrowed: { changes: unknown } }) => Promise.resolve({ changes }),
      },
      ask: ({ context }: ReturnType<typeof call>) => {
        assert.deepEqual(context.input, { n: 4 }, 'the narrower call is what is decided');
        return { decision };
      },
      operators: { directory: { roleOf: () => role } },
    };
    const caller = { workload: { id: 'spiffe://a.example/operator/o', name: 'o' } };
    const { changes } = await row.handle(control as never, caller as never, { id: 'gr_0000000001', with: { n: 4 } });
    return changes;
  };
  const asks = { verdict: 'approval_required', approver: 'admin' } as const;
  await assert.rejects(approvedAs('analyst', asks), { code: 'CORDON-5008' });
  await assert.rejects(approvedAs('operator', { verdict: 'approval_required' }), { code: 'CORDON-5008' });
  await assert.rejects(approvedAs('admin', { verdict: 'error', code: 'CORDON-9012' }), { code: 'CORDON-9012' });
  assert.deepEqual(await approvedAs('admin', asks), { n: 4 });
  assert.deepEqual(await approvedAs('analyst', { verdict: 'allow' }), { n: 4 });
});

const POLICIES = `
@id("writes") permit (principal, action == Action::"bench/write", resource);
@id("large") @approval("analyst") @reason("large amounts need a person")
forbid (principal, action == Action::"bench/write", resource) when { context.input.amount > 100 };
@id("never-13") @reason("not thirteen") forbid (principal, action == Action::"bench/write", resource) when { context.input.amount == 13 };
`;

describe('[I2] [I4] a call that is approved with less', () => {
  let bed: Bed;
  let caller: Svid;
  before(async () => {
    bed = await openBed({ policies: POLICIES });
    await bed.ready();
    caller = await bed.svid('caller');
  });
  after(() => (bed as Bed | undefined)?.close());

  const write = (line: string, amount: number): Promise<Answer> =>
    send({ port: bed.ports.gateway, ...toolCall('write', { line, amount }), svid: caller });
  const toldOf = ({ json }: Answer): { code?: string; narrowed?: JsonObject } =>
    (json as { result?: { structuredContent?: { code?: string } } }).result?.structuredContent ?? {};
  const written = async (line: string): Promise<readonly string[]> =>
    (await readFile(bed.effects, 'utf8')).split('\n').filter((one) => one.startsWith(`${line} `));
  const newest = async (): Promise<{ id: string; digest: string; state: string }> =>
    ((await bed.control('GET', '/v1/grants')).json['items'] as { id: string; digest: string; state: string }[])[0] ?? assert.fail();
  const approve = (id: string, terms: object): Promise<Answer> => bed.control('POST', `/v1/grants/${id}/approve`, terms);

  void test('the agent hears with what; that passes once, what was asked never does, and both digests are on record', async () => {
    await write('rent', 5_000);
    const { id, digest } = await newest();
    const answered = await approve(id, { with: { amount: 300 } });
    assert.equal(answered.status, 200, answered.text);
    const heard = await write('rent', 5_000);
    assert.deepEqual([toldOf(heard).code, toldOf(heard).narrowed], ['CORDON-5007', { amount: 300 }]);
    assert.match(heard.text, /A person approved it with these arguments/);
    assert.equal(toldOf(await write('rent', 301)).code, 'CORDON-5006');
    assert.equal(toldOf(await write('other', 300)).code, 'CORDON-5006', 'other arguments stay what they were');
    assert.equal(toldOf(await write('rent', 300)).code, undefined);
    assert.deepEqual(await written('rent'), ['rent 300']);
    assert.equal(toldOf(await write('rent', 300)).code, 'CORDON-5004');
    assert.match(toldOf(await write('rent', 5_000)).code ?? '', /CORDON-500[14]/, 'a person is asked again');
    await signedAll(bed);
    const { acts, decisions } = await readLog(bed);
    const act = acts.find(({ target }) => target === id);
    assert.equal(act?.detail?.['request'], `sha256:${digest}`);
    const instead = act.detail['narrowed'];
    assert.match(instead as string, /^sha256:[0-9a-f]{64}$/);
    assert.notEqual(instead, act.detail['request']);
    assert.deepEqual(act.detail['changed'], ['amount']);
    assert.doesNotMatch(JSON.stringify(act), /300/);
    assert.equal(decisions.filter(({ grants_used: used }) => used?.includes(id) === true).length, 1);
  });

  void test('more, other or new arguments are no answer, and the request still waits', async () => {
    await write('boat', 4_000);
    const { id } = await newest();
    for (const instead of [{ amount: 4_001 }, { line: 'yacht' }, { amount: 300, more: 1 }, { amount: -1 }, { amount: '5' }, {}])
      assert.equal((await approve(id, { with: instead })).status, 400, JSON.stringify(instead));
    assert.equal((await newest()).state, 'asked');
  });

  void test('nobody approves with less what the policies deny', async () => {
    await write('odd', 2_000);
    const { id } = await newest();
    const answered = await approve(id, { with: { amount: 13 } });
    assert.match(answered.text, /CORDON-3002.*not thirteen|not thirteen.*CORDON-3002/s);
    assert.equal((await newest()).state, 'asked');
  });

  void test('[I6] what is taken back is good for nothing', async () => {
    await write('car', 3_000);
    const { id } = await newest();
    await approve(id, { with: { amount: 200 }, uses: 5 });
    assert.equal(toldOf(await write('car', 200)).code, undefined);
    await bed.control('POST', `/v1/grants/${id}/revoke`, { reason: 'enough' });
    assert.equal(toldOf(await write('car', 200)).code, 'CORDON-5001');
    assert.equal(toldOf(await write('car', 3_000)).code, 'CORDON-5001');
    assert.deepEqual(await written('car'), ['car 200']);
  });

  void test('[U17] `cordon grant approve --with`, and what `get` shows', async () => {
    await write('desk', 6_000);
    const { id } = await newest();
    const run = (...args: readonly string[]): ReturnType<typeof cordon> => cordon([...args, '--data', bed.data], { cwd: bed.dir });
    for (const wrong of ['amount', 'amount=', '=5', 'amount={"a":1,"a":2}'])
      assert.notEqual((await run('grant', 'approve', id, '--with', wrong)).code, 0);
    const approved = await run('grant', 'approve', id, '--with', 'amount=400');
    assert.equal(approved.code, 0, approved.stderr);
    assert.match(approved.stdout, /approved with narrower arguments: caller may tools\/call bench\/write/);
    assert.match((await run('grant', 'get', id)).stdout, /approved +amount: 400/);
    assert.equal(toldOf(await write('desk', 400)).code, undefined);
    assert.deepEqual(await written('desk'), ['desk 400']);
  });
});
