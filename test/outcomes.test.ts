// What became of calls goes into the log together: how many share an entry, for how long one waits, and what a log that fails leaves.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { canonicalJson } from '../src/audit/leaf.ts';
import { MAX_ENTRY_BYTES } from '../src/audit/tiles.ts';
import type { LogRecord, Outcome } from '../src/domain/access.ts';
import { createOutcomes } from '../src/gateway/outcomes.ts';

const outcome = (n: number): Outcome => ({
  bytes: Number.MAX_SAFE_INTEGER,
  bytes_in: Number.MAX_SAFE_INTEGER,
  code: 'CORDON-4008',
  decision: `dec_${String(n).padStart(17, '0')}`,
  latency_ms: { pdp: 1_234_567.891, pep: 1_234_567.891, upstream: 1_234_567.891 },
  status: 'completed',
  ts: '2026-11-24T00:00:00.000Z',
  upstream_status: 599,
});

const decisionsIn = (entries: readonly LogRecord[]): readonly string[][] =>
  entries.map((entry) => (entry.schema === 'cordon.outcomes/v1' ? entry.outcomes.map(({ decision }) => decision) : []));

describe('outcomes', () => {
  void test('those of one moment share an entry; it is written when the moment is over, and not again', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const entries: LogRecord[] = [];
    const outcomes = createOutcomes({ append: (record) => entries.push(record) });
    outcomes.add(outcome(1));
    outcomes.add(outcome(2));
    t.mock.timers.tick(19);
    assert.deepEqual(entries, []);
    t.mock.timers.tick(1);
    assert.deepEqual(decisionsIn(entries), [[outcome(1).decision, outcome(2).decision]]);
    t.mock.timers.tick(1000);
    outcomes.flush();
    assert.equal(entries.length, 1);
    outcomes.add(outcome(3));
    t.mock.timers.tick(20);
    assert.equal(entries.length, 2);
  });

  void test('[I10] an entry holds so many that the largest of them fit', () => {
    const entries: LogRecord[] = [];
    const outcomes = createOutcomes({ append: (record) => entries.push(record) });
    for (let n = 0; n < 130; n++) outcomes.add(outcome(n));
    assert.deepEqual(
      decisionsIn(entries).map(({ length }) => length),
      [64, 64],
    );
    for (const entry of entries) assert.ok(Buffer.byteLength(canonicalJson(entry)) < MAX_ENTRY_BYTES / 2);
    outcomes.flush();
    assert.deepEqual(decisionsIn(entries).flat().length, 130);
  });

  void test('[I3] a log that fails takes none of them, now or later, and nobody is told twice: the next decision is refused', () => {
    const entries: LogRecord[] = [];
    let full = true;
    const log = {
      append(record: LogRecord): void {
        if (full) throw new Error('ENOSPC');
        entries.push(record);
      },
    };
    const outcomes = createOutcomes(log);
    outcomes.add(outcome(1));
    assert.doesNotThrow(() => outcomes.flush());
    full = false;
    outcomes.add(outcome(2));
    outcomes.flush();
    assert.deepEqual(decisionsIn(entries), [[outcome(2).decision]]);
  });
});
