// The comparison of the A2A suite: what differs only by ids and times is the same, and whatever else differs is not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { difference, fault } from '../conformance/a2a/seen.ts';

const saw = {
  task: {
    id: 't-1',
    contextId: 'c-1',
    status: { state: 3, timestamp: '2026-01-01T00:00:00Z' },
    history: [{ messageId: 'm', taskId: 't-1' }],
  },
  events: [{ kind: 'working' }, { kind: 'done' }],
  bytes: new Uint8Array([1, 2]),
};

void test('other ids and times are the same', () => {
  const other = JSON.parse(
    JSON.stringify(saw).replaceAll('t-1', 'T~tag').replaceAll('c-1', 'C').replace('2026-01', '2027-02'),
  ) as typeof saw;
  assert.equal(difference(saw, { ...other, bytes: new Uint8Array([1, 2]) }), undefined);
});

void test('a field that is missing, another state, another order, an id that is not the same any more: each is seen', () => {
  const { status, ...rest } = saw.task;
  for (const through of [
    { ...saw, task: rest },
    { ...saw, task: { ...saw.task, status: { ...status, state: 4 } } },
    { ...saw, events: saw.events.toReversed() },
    { ...saw, events: saw.events.slice(1) },
    { ...saw, task: { ...saw.task, history: [{ messageId: 'm', taskId: 't-2' }] } },
    { ...saw, task: { ...saw.task, contextId: 't-1' } },
    { ...saw, task: { ...saw.task, contextId: '' } },
    { ...saw, bytes: new Uint8Array([1, 3]) },
    { failed: 'it hangs' },
  ])
    assert.match(difference(saw, through) ?? 'the same', /^line \d+: direct /);
});

void test('a scenario that was not tried, or that fails directly too, has not passed', () => {
  assert.equal(fault({ saw }, { saw }), undefined);
  assert.match(fault({ saw }, undefined) ?? 'passed', /not tried/);
  assert.match(fault(undefined, undefined) ?? 'passed', /not tried/);
  assert.match(fault({ failed: 'it hangs' }, { failed: 'it hangs' }) ?? 'passed', /fails directly: it hangs/);
  assert.match(fault({ saw }, { failed: 'it hangs' }) ?? 'passed', /^line \d+: direct /);
});
