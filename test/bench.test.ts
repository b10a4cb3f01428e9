// The bench itself: its rows parse and are whole, its ratios are formed inside a round, and it refuses what it does not know.
// The gateway bench needs nginx and is run by .ci/run.
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { interleave } from '../bench/rounds.ts';
import type { Row, Sample } from '../bench/row.ts';

const ROOT = join(import.meta.dirname, '..');
const MEMBERS = ['bench', 'case', 'subject', 'p50_us', 'p99_us', 'per_s', 'cpu_us', 'rss_mb', 'ratios'];

const bench = (...args: readonly string[]) =>
  spawnSync(process.execPath, ['bench/main.ts', ...args], { cwd: ROOT, encoding: 'utf8', timeout: 120_000 });

const EXPECTED = {
  decide: ['allow: 15 policies', 'allow: 100 policies', 'deny: 15 policies', 'deny: 100 policies'],
  trust: ['200 calls, 2 MB: plain search', '200 calls, 2 MB: cordon: on the path', '200 calls, 2 MB: cordon: after the reply'],
  log: ['1 KB journal: append', '1 KB journal: bare write', '1 KB fsync: append', '1 KB fsync: bare write'],
};

for (const [name, subjects] of Object.entries(EXPECTED)) {
  test(`bench ${name}: every row is one JSON object with all members`, () => {
    const { status, stdout, stderr } = bench(name, '--quick', '--json');
    equal(status, 0, stderr);
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Row);
    deepEqual(
      rows.map((row) => `${row.case}: ${row.subject}`),
      subjects,
    );
    for (const row of rows) {
      deepEqual(Object.keys(row), MEMBERS);
      equal(row.bench, name);
      for (const figure of [row.p50_us, row.p99_us, row.per_s, row.cpu_us, row.rss_mb]) ok(figure !== null && figure > 0);
      ok(row.p99_us >= row.p50_us);
    }
    const compared = rows.filter((row) => Object.keys(row.ratios).length > 0);
    equal(compared.length, 2);
    for (const { ratios } of compared) ok(Object.values(ratios).every((ratio) => ratio > 0));
  });
}

test('bench: a name that it does not know is a usage error', () => {
  const { status, stderr } = bench('nothing');
  equal(status, 2);
  match(stderr, /no bench is called `nothing`\n {2}usage: /);
});

test('bench: a ratio is the median of the ratios of the rounds, not the ratio of the medians', async () => {
  const samples = (costs: readonly number[]) => {
    const left = [...costs];
    return async (): Promise<Sample> => ({ p50_us: 1, p99_us: 1, per_s: 1, cpu_us: left.shift() ?? 0, rss_mb: null });
  };
  // the machine is ten times slower in the second round, and the peer was not measured in the last
  const { rows, says } = await interleave({
    bench: 'b',
    case: 'c',
    rounds: 4,
    subjects: [
      { name: 'own', over: 'peer', run: samples([20, 300, 40, 50]) },
      { name: 'peer', run: samples([10, 100, 10, 0]) },
    ],
    says: [{ subject: 'own', figure: 'cpu_us', text: (ratio) => `costs ${ratio}` }],
  });
  deepEqual(rows[0]?.ratios, { 'cpu_us/peer': 3, 'p50_us/peer': 1, 'p99_us/peer': 1, 'per_s/peer': 1 });
  deepEqual(rows[1]?.ratios, {});
  deepEqual(
    rows.map((row) => row.rss_mb),
    [null, null],
  );
  deepEqual(says, ['costs 3 x [2 to 4 in 3 rounds]']);
});
