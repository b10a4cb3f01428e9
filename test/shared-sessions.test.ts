// Calls of all sessions, counted by one for several gateways.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UNCOUNTED } from '../src/domain/provenance.ts';
import { type Before, createSharedSessions, UNKNOWN_BEFORE, type Made, type SharedSessions } from '../src/gateway/shared-sessions.ts';
import type { Snapshot } from '../src/pdp/snapshot.ts';
import { wholesIn } from '../src/trust/tallies.ts';

const NOW = 1_000;

const opened = (runs: Map<string, { since: number }>, most?: Parameters<typeof createSharedSessions>[1]): SharedSessions => {
  let version = 0;
  const snapshot = (): Snapshot => ({ version: version++, runs }) as unknown as Snapshot;
  return createSharedSessions({ snapshot, now: () => NOW }, most);
};
const live = (...ids: readonly string[]): Map<string, { since: number }> => new Map(ids.map((id) => [id, { since: NOW }]));
const pay = (run: string, amount: number, more: Partial<Made> = {}): Made => ({
  run,
  first: run,
  task: '',
  tool: 'ledger/pay',
  isWrite: true,
  wholes: wholesIn({ amount }),
  at: NOW,
  ...more,
});

/** What is told, its windows apart: all calls of these tests are of one moment. */
function told(sessions: SharedSessions, made: Made): Omit<Before, 'recent'> {
  const { recent, ...rest } = sessions.count(made);
  assert.deepEqual(recent, { minute: rest.same, hour: rest.same });
  return rest;
}

void test('[I4] whoever asks is told of all calls before it, and one that was not made is taken out again', () => {
  const sessions = opened(live('r1'));
  assert.deepEqual(told(sessions, pay('r1', 5)), { calls: 0, writes: 0, same: 0, sums: {} });
  assert.deepEqual(told(sessions, pay('r1', 7)), { calls: 1, writes: 1, same: 1, sums: { amount: 5 } });
  sessions.uncount(pay('r1', 7));
  assert.deepEqual(told(sessions, pay('r1', 1, { tool: 'ledger/read', isWrite: false })), { calls: 1, writes: 1, same: 0, sums: {} });
  assert.deepEqual(told(sessions, pay('r1', 1)), { calls: 2, writes: 1, same: 1, sums: { amount: 5 } });
  assert.deepEqual(told(sessions, pay('r1', 1, { task: 't2' })), { calls: 0, writes: 0, same: 0, sums: {} }, 'another task');
});

void test('[I1] a run that may not be known from its beginning, or has ended, is beyond any limit', () => {
  const runs = new Map([...live('new', 'going'), ['old', { since: NOW - 1 }] as const]);
  const sessions = opened(runs);
  assert.deepEqual(sessions.count(pay('old', 1)), UNKNOWN_BEFORE);
  assert.deepEqual(sessions.count(pay('nobody', 1)), UNKNOWN_BEFORE);
  assert.equal(sessions.count(pay('old', 1, { first: 'new', task: 't1' })).calls, 0, 'of a task that began since');
  assert.equal(sessions.count(pay('going', 1)).calls, 0);
  runs.delete('going');
  assert.deepEqual(sessions.count(pay('going', 1)), UNKNOWN_BEFORE, 'a gateway that has not heard of its end counts nothing anew');
});

void test('[I10] no run gets a budget back by beginning tasks, nor by filling what is kept', () => {
  const sessions = opened(live('r1', 'r2', 'r3'), { runs: 2, tasksOfRun: 2, sums: 8 });
  for (const task of ['a', 'b', 'c']) sessions.count(pay('r1', 5, { task }));
  assert.deepEqual(told(sessions, pay('r1', 5, { task: 'a' })), { calls: 1, writes: 1, same: UNCOUNTED, sums: {} });
  sessions.count(pay('r2', 5));
  sessions.count(pay('r3', 5));
  assert.deepEqual(told(sessions, pay('r1', 5, { task: 'b' })), { calls: 1, writes: 1, same: UNCOUNTED, sums: {} });
  // what was dropped meanwhile is not taken out twice: too much is counted rather than too little
  for (let n = 0; n < 3; n++) sessions.uncount(pay('r2', 5));
  const wholes = wholesIn(Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`a${n}`, 1])));
  sessions.count(pay('r3', 0, { wholes }));
  assert.equal(sessions.count(pay('r1', 5, { task: 'b' })).same, UNCOUNTED);
  assert.equal(sessions.count(pay('r2', 5)).calls, 1);
});
