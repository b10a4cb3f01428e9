// What may happen once, counted for several gateways by one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusal } from '../src/domain/refusal.ts';
import type { Call } from '../src/gateway/call.ts';
import type { Exchange } from '../src/gateway/exchange.ts';
import type { Pep } from '../src/gateway/pep.ts';
import { noteDone, reserve } from '../src/gateway/reserve.ts';
import { createSharedCounts, type SharedCounts } from '../src/gateway/shared-counts.ts';
import { createBudgets } from '../src/gateway/budgets.ts';
import { createSpentGrants } from '../src/gateway/spent.ts';
import { createTaskSessions } from '../src/gateway/task-sessions.ts';

const NOW = 1_000_000;

/** Two gateways and the one that counts for both. */
function gateways(): readonly [Pep, Pep] {
  const counts = createSharedCounts(() => NOW);
  const shared: Partial<SharedCounts> = { take: async (what) => counts.take(what), giveBack: (what) => counts.giveBack(what) };
  const taskSessions = createTaskSessions({ now: () => NOW, alone: false });
  const one = (): Pep =>
    ({
      shared,
      taskSessions,
      now: () => NOW,
      snapshot: () => undefined,
      spent: createSpentGrants(),
      budgets: createBudgets(0),
    }) as unknown as Pep;
  return [one(), one()];
}

const shown = (name: string): Exchange => ({ proof: { name, until: NOW + 60_000 } }) as unknown as Exchange;
const without = { proof: undefined } as unknown as Exchange;
const budget = { request: { action: { name: 'tools/call' }, resource: { type: 'tool', id: 'a/b' }, context: {} } } as unknown as Call;
const withBudget = {
  ...budget,
  request: { ...budget.request, delegation: { txn: 't1', mandate: [{ budget: { calls: 2 } }] } },
} as unknown as Call;

void test('[I5] [RFC9449] a proof that one gateway has seen is refused by the other', async () => {
  const [first, second] = gateways();
  await reserve(first, shown('key jti-1'), budget);
  await assert.rejects(reserve(second, shown('key jti-1'), budget), { code: 'CORDON-1016' });
  await reserve(second, shown('key jti-2'), budget);
});

void test('[I4] calls of a mandate with a budget are counted over both, and one that is not made does not count', async () => {
  const [first, second] = gateways();
  const made = async (pep: Pep): Promise<number | undefined> => (await reserve(pep, without, withBudget)).call.request.delegation?.made;
  assert.deepEqual([await made(first), await made(second)], [0, 1]);
  (await reserve(first, without, withBudget)).giveBack();
  assert.equal(await made(second), 2);
});

void test('[I4] what was allowed at one gateway comes before what the other decides; what is only reserved does not', async () => {
  const [first, second] = gateways();
  const ordered = { txn: 't1', mandate: [{ after: ['tool:a/b'] }] };
  const [early, late] = ['a/b', 'a/c'].map(
    (id) => ({ ...budget, request: { ...budget.request, resource: { type: 'tool', id }, delegation: ordered } }) as unknown as Call,
  );
  assert.ok(early !== undefined && late !== undefined);
  const done = async (pep: Pep, call = late): Promise<readonly string[] | undefined> =>
    (await reserve(pep, without, call)).call.request.delegation?.done;
  await reserve(first, without, early);
  assert.equal(await done(second), undefined, 'it may yet be denied');
  noteDone(first, late.request);
  assert.equal(await done(second), undefined, 'nothing comes after that');
  noteDone(first, early.request);
  assert.deepEqual([await done(second), await done(first)], [['tool:a/b'], ['tool:a/b']]);
  const other = { ...late, request: { ...late.request, delegation: { ...ordered, txn: 't2' } } } as unknown as Call;
  assert.equal(await done(second, other), undefined, 'another task');
});

void test('[I1] a gateway whose question is not answered refuses', async () => {
  const refusal = new Refusal('CORDON-9012', 'the control plane does not answer');
  const shared: Partial<SharedCounts> = { take: () => Promise.reject(refusal) };
  await assert.rejects(reserve({ ...gateways()[0], shared: shared as SharedCounts }, shown('key jti'), budget), { code: 'CORDON-9012' });
});

void test('[I10] more than can be counted is refused, and what is too old to matter makes room', () => {
  let now = NOW;
  const counts = createSharedCounts(() => now, 3);
  for (const name of ['a', 'b', 'c']) counts.take({ kind: 'proof', name, until: NOW + 10 });
  assert.throws(() => counts.take({ kind: 'proof', name: 'd', until: NOW + 10 }), { code: 'CORDON-4003' });
  assert.equal(counts.take({ kind: 'proof', name: 'a', until: NOW + 10 }), 1);
  now += 11;
  assert.equal(counts.take({ kind: 'proof', name: 'd', until: now + 10 }), 0);
});
