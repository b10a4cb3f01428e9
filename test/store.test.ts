// The embedded store: the contract on a file, and what only a file can suffer: damage, foreign owners, full disks, locks.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { DecisionRow } from '../src/store/ports.ts';
import { DecisionWriter } from '../src/store/sqlite-beside.ts';
import { openSqliteStore } from '../src/store/sqlite.ts';
import { storeContract } from './store.contract.ts';

const run = promisify(execFile);
const MODULE = new URL('../src/store/sqlite.ts', import.meta.url).href;
const openerOf = (path: string, options: object = {}): string =>
  `(await import('${MODULE}')).openSqliteStore(${JSON.stringify(path)}, ${JSON.stringify(options)})`;

for (const [name, options] of [
  ['sqlite', {}],
  ['sqlite with a thread beside', { beside: true }],
] as const) {
  storeContract(name, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'cordon-store-'));
    const path = join(directory, 'cordon.db');
    const store = await openSqliteStore(path, options);
    return {
      store,
      reopen: () => openSqliteStore(path, options),
      opener: openerOf(path, options),
      async cleanup() {
        await store.close();
        rmSync(directory, { recursive: true });
      },
    };
  });
}

/** A test in a directory of its own. */
const inDirectory = (name: string, body: (path: string, directory: string) => Promise<void>): void =>
  void test(`sqlite: ${name}`, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'cordon-store-'));
    try {
      await body(join(directory, 'cordon.db'), directory);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

const rows = (from: number, count: number): DecisionRow[] =>
  Array.from({ length: count }, (_, i) => ({
    id: `d${from + i}`,
    at: 1,
    agent: 'clerk',
    verdict: 'allow',
    seq: from + i,
    record: { text: 'x'.repeat(500) },
  }));

async function filled(path: string): Promise<void> {
  const store = await openSqliteStore(path);
  await store.putDecisions(rows(0, 500));
  await store.close();
}

async function write(path: string, body: (database: DatabaseSync) => void): Promise<void> {
  const database = new DatabaseSync(path);
  body(database);
  database.close();
}

void test('sqlite: a store in memory keeps what it is given until it is closed', async () => {
  const store = await openSqliteStore(':memory:');
  await store.putDecisions(rows(0, 3));
  assert.equal((await store.listDecisions({ limit: 9 })).length, 3);
  await store.close();
});

inDirectory('a thread beside that cannot go on says so, and the store writes without it', async (path, directory) => {
  const lost = new DecisionWriter(join(directory, 'missing', 'cordon.db'));
  await assert.rejects(lost.write([]), { code: 'CORDON-9004' });
  assert.equal(lost.alive, false);
  await assert.rejects(lost.write([]), { code: 'CORDON-9004' });
  await lost.close();
  const store = await openSqliteStore(path, { beside: true });
  await store.putDecisions(rows(0, 250));
  await store.putSealed('x', new Uint8Array([1]));
  assert.equal((await store.listDecisions({ limit: 1000 })).length, 250);
  await store.close();
  assert.deepEqual(readdirSync(directory), ['cordon.db'], 'the log of the store is empty when it was closed');
  await assert.rejects(store.putDecisions(rows(0, 1)), { code: 'CORDON-9004' });
});

inDirectory('only the owner may read the files, whatever mode they had', async (path, directory) => {
  const store = await openSqliteStore(path);
  await store.putDecisions(rows(0, 1));
  const modes = (): string[] =>
    readdirSync(directory).map((file) => `${file} ${(statSync(join(directory, file)).mode & 0o777).toString(8)}`);
  assert.deepEqual(modes(), ['cordon.db 600', 'cordon.db-shm 600', 'cordon.db-wal 600']);
  await store.close();
  chmodSync(path, 0o644);
  await (await openSqliteStore(path)).close();
  assert.deepEqual(modes(), ['cordon.db 600']);
});

const DAMAGE: Readonly<Record<string, (path: string) => void>> = {
  'text in its place': (path) => writeFileSync(path, 'not a database\n'.repeat(500)),
  'cut to half': (path) => truncateSync(path, Math.floor(statSync(path).size / 8192) * 4096),
  'cut inside the header': (path) => truncateSync(path, 60),
  'cut to nothing beside a write-ahead log': (path) => {
    truncateSync(path, 0);
    writeFileSync(`${path}-wal`, 'frames');
  },
  'the schema page overwritten': (path) => {
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0xa5, 100, 4096));
  },
};

for (const [what, damage] of Object.entries(DAMAGE)) {
  inDirectory(`${what}: refused by name, and left as it was`, async (path) => {
    await filled(path);
    damage(path);
    const before = readFileSync(path);
    await assert.rejects(openSqliteStore(path), (error: Error & { code: string; fix: string }) => {
      assert.equal(error.code, 'CORDON-9006');
      assert.ok(error.message.includes(path));
      assert.match(error.fix, /backup/);
      return true;
    });
    assert.deepEqual(readFileSync(path), before);
  });
}

inDirectory('damage that only a query meets is refused there', async (path) => {
  await filled(path);
  const bytes = readFileSync(path);
  // everything but the first pages, which hold the schema and the roots
  const store = await openSqliteStore(path);
  writeFileSync(path, bytes.fill(0xa5, 4096 * 20));
  await assert.rejects(store.listDecisions({ limit: 1000 }), { code: 'CORDON-9006', message: /corrupt/ });
  await store.close();
});

inDirectory('a database of another program or of a newer Cordon is refused', async (path, directory) => {
  const foreign = join(directory, 'foreign.db');
  await write(foreign, (database) => database.exec('create table theirs (id integer)'));
  await assert.rejects(openSqliteStore(foreign), { code: 'CORDON-9006', message: /another program/ });
  await filled(path);
  await write(path, (database) => database.exec("insert into migration values ('9999_later', '2030-01-01T00:00:00.000Z')"));
  await assert.rejects(openSqliteStore(path), { code: 'CORDON-9006', message: /newer Cordon/, observed: '9999_later' });
});

inDirectory('a directory, a missing directory and an impossible name are refused', async (path, directory) => {
  mkdirSync(path);
  for (const bad of [path, join(directory, 'none', 'cordon.db'), join(directory, 'a\0b')]) {
    await assert.rejects(openSqliteStore(bad), { name: 'Refusal', code: 'CORDON-9006' });
  }
});

inDirectory('tables are strict', async (path) => {
  await filled(path);
  const database = new DatabaseSync(path, { readOnly: true });
  const loose = database
    .prepare("select name from pragma_table_list where schema = 'main' and strict = 0 and name not like 'sqlite_%' order by name")
    .all();
  // Kysely makes these two
  assert.deepEqual(
    loose.map((row) => row['name']),
    ['migration', 'migration_lock'],
  );
  database.close();
});

inDirectory('processes that open a new file at once all get it', async (path) => {
  const source = `const store = await ${openerOf(path)};
    await store.addToken({ tokenHash: 't' + process.argv[1], runId: 'r', expiresAt: 9 });
    await store.close();`;
  await Promise.all([1, 2, 3].map((i) => run(process.execPath, ['--input-type=module', '-e', source, String(i)])));
  const store = await openSqliteStore(path);
  for (const i of [1, 2, 3]) assert.ok(await store.takeToken(`t${i}`, 1));
  await store.close();
});

inDirectory('a lock that another process keeps is a refusal in bounded time, and nothing is lost', async (path) => {
  const store = await openSqliteStore(path);
  const other = new DatabaseSync(path);
  other.exec('begin immediate');
  const started = performance.now();
  await assert.rejects(store.putDecisions(rows(0, 1)), { code: 'CORDON-9004', message: /locked/ });
  assert.ok(performance.now() - started < 5000);
  other.exec('rollback');
  other.close();
  await store.putDecisions(rows(0, 1));
  await store.close();
});

interface FullDisk {
  readonly kept: number;
  readonly length: number;
  readonly refusals: readonly Readonly<Record<'name' | 'code' | 'message' | 'fix', string>>[];
}

inDirectory('a full disk refuses the write, keeps what was acknowledged, and the store still reads', async (path) => {
  // the limit counts blocks of 512 bytes; the kernel then fails the write, as it does on a full disk
  const source = `const store = await ${openerOf(path)};
    const row = (i) => ({ id: 'd' + i, at: 1, agent: 'clerk', verdict: 'allow', seq: i, record: { text: 'x'.repeat(4000) } });
    let kept = 0;
    const refusals = [];
    const put = () => store.putDecisions([row(kept)]).then(() => kept++, ({ name, code, message, fix }) => refusals.push({ name, code, message, fix }));
    while (refusals.length === 0) await put();
    await put();
    const { length } = await store.listDecisions({ limit: 1000 });
    console.log(JSON.stringify({ kept, length, refusals }));`;
  const { stdout } = await run('sh', ['-c', 'ulimit -f 2000; exec "$0" --input-type=module -e "$1"', process.execPath, source]);
  // oxlint-disable-next-line typescript/no-unsafe-assignment -- written by the child above
  const { kept, length, refusals }: FullDisk = JSON.parse(stdout);
  assert.ok(kept > 10);
  assert.equal(length, kept);
  const [first, second] = refusals;
  assert.deepEqual([first?.name, first?.code], ['Refusal', 'CORDON-9004']);
  assert.match(first?.fix ?? '', /free disk space/);
  assert.deepEqual(second, first, 'the failed transaction is over');
  const store = await openSqliteStore(path);
  assert.equal((await store.listDecisions({ limit: 1000 })).length, kept);
  await store.putDecisions(rows(5000, 10));
  await store.close();
});
