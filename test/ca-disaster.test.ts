// The authority when things go wrong, in processes of their own over real data directories: a full disk, a kill, keys and files that are
// gone or damaged, a clock that was moved. A clear error, nothing issued that should not be, nothing lost.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { parseVerifierKey } from '../src/audit/note.ts';
import { verifyLog } from '../src/audit/verify.ts';
import { readConfig } from '../src/server/config.ts';
import { openState } from '../src/server/state.ts';
import { tilesAt } from '../src/store/log-tiles.ts';
import { freePorts } from './support/bed.ts';

const ISSUING = join(import.meta.dirname, 'support', 'ca-issuing.ts');
const CLOCK_UP = join(import.meta.dirname, 'support', 'clock-up.ts');
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

let dir: string;
let config: string;
let count = 0;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cordon-disaster-'));
  await mkdir(join(dir, 'policies'));
  await writeFile(join(dir, 'policies', 'one.cedar'), '@id("none")\nforbid (principal, action, resource);\n');
  config = join(dir, 'cordon.yaml');
  const [gateway, control, identity] = await freePorts(3);
  const listen = `{ gateway: '127.0.0.1:${gateway}', control: '127.0.0.1:${control}', identity: '127.0.0.1:${identity}' }`;
  await writeFile(
    config,
    `trustDomain: desk.example\nlisten: ${listen}\nsegments: { desk: {} }\nagents: { clerk: { segment: desk, owner: ada, purpose: test } }\npolicies: policies\n`,
  );
});
after(() => rm(dir, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly root: string;
  /** Serials of the SVIDs that left. */
  readonly issued: readonly string[];
  readonly said: string;
}

interface Limits {
  readonly env?: Readonly<Record<string, string>>;
  /** No file may grow beyond: as a full disk, for one process. Blocks of 512 bytes. */
  readonly blocks?: number;
  /** Killed with SIGKILL after so many SVIDs. */
  readonly killAfter?: number;
}

async function issuing(data: string, many: number, { env = {}, blocks, killAfter }: Limits = {}): Promise<Ended> {
  const node = [process.execPath, ISSUING, config, data, String(many)];
  const limited = ['sh', '-c', `trap '' XFSZ; ulimit -f ${blocks}; exec "$@"`, 'sh', ...node];
  const [command = '', ...args] = blocks === undefined ? node : limited;
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, said] = ['', ''];
  const lines = (): readonly string[] => out.split('\n').slice(0, -1);
  const issued = (): readonly string[] => lines().flatMap((line) => (line.startsWith('issued ') ? [line.slice(7)] : []));
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    if (killAfter !== undefined && issued().length >= killAfter) child.kill('SIGKILL');
  });
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, root: lines()[0]?.slice(5) ?? '', issued: issued(), said };
}

const fresh = (): string => join(dir, `data-${count++}`);

/** Every SVID that left is in the log and in the database, and the log verifies. */
async function assertNothingLost(data: string, issued: readonly string[]): Promise<void> {
  const stack = new AsyncDisposableStack();
  const setting = { config: await readConfig(config), dataDir: data, pep: 'gateway-1', now: Date.now, onNotice: () => undefined };
  let key: string;
  try {
    const { log, store } = await openState(setting, stack);
    const logged = new Set<string>();
    for (let seq = 0; seq < log.size; seq++) {
      const record = await log.get(seq);
      if (record?.schema === 'cordon.act/v1' && record.act === 'identity.issue') logged.add(JSON.stringify(record.detail?.['serial']));
    }
    for (const serial of issued) {
      assert.ok(logged.has(JSON.stringify(serial)), `${serial} is not in the log`);
      assert.ok((await store.certificate(serial)) !== undefined, `${serial} is not in the database`);
    }
    key = log.verifierKey;
  } finally {
    await stack.disposeAsync();
  }
  const { result } = await verifyLog(tilesAt(join(data, 'log', 'gateway-1')), parseVerifierKey(key));
  assert.equal(result, 'VERIFIED');
}

describe('while it issues', () => {
  test('[I3] the disk is full: it says so and issues no more; with room again it goes on where it was', async () => {
    const data = fresh();
    const full = await issuing(data, 100_000, { blocks: 1600 });
    assert.equal(full.code, 1, full.said);
    assert.match(full.said, /^CORDON-9004 .*fix: /m);
    assert.ok(full.issued.length > 5, `${full.issued.length} SVIDs before it was full`);
    await assertNothingLost(data, full.issued);
    const again = await issuing(data, 3);
    assert.deepEqual([again.code, again.root, again.issued.length], [0, full.root, 3], again.said);
  });

  test('[I3] killed with SIGKILL at any moment: what left is in the log and in the database, and it goes on with the same root', async () => {
    const data = fresh();
    const issued: string[] = [];
    const roots = new Set<string>();
    for (const killAfter of [1, 2, 7, 25, 60]) {
      const ended = await issuing(data, 100_000, { killAfter });
      assert.equal(ended.signal, 'SIGKILL');
      issued.push(...ended.issued);
      roots.add(ended.root);
      await assertNothingLost(data, issued);
    }
    assert.equal(roots.size, 1);
    assert.equal(new Set(issued).size, issued.length, 'a serial was given twice');
  });
});

describe('when it starts', () => {
  let sound: Ended;
  let base: string;

  before(async () => {
    base = fresh();
    sound = await issuing(base, 5);
    assert.equal(sound.code, 0, sound.said);
  });

  /** A copy of the sound data directory, changed. */
  async function refusedWith(change: (data: string) => unknown, message: RegExp, env: Readonly<Record<string, string>> = {}) {
    const data = fresh();
    await cp(base, data, { recursive: true });
    await change(data);
    const ended = await issuing(data, 3, { env });
    assert.deepEqual([ended.code, ended.issued], [1, []], ended.said);
    assert.match(ended.said, message);
    assert.match(ended.said, /fix: \S/);
  }

  const inDatabase = (data: string, sql: string): void => {
    const database = new DatabaseSync(join(data, 'cordon.db'));
    database.exec(sql);
    database.close();
  };

  test('the key of the root is gone: no other root is made', () =>
    refusedWith(
      (data) => inDatabase(data, "delete from sealed where name = 'ca/root'"),
      /CORDON-9006 the root of the trust domain is missing/,
    ));

  test('the sealed keys are changed, or exchanged for each other', async () => {
    await refusedWith(
      (data) => inDatabase(data, "update sealed set sealed = zeroblob(length(sealed)) where name = 'ca/intermediate'"),
      /CORDON-9006 sealed bytes of `ca\/intermediate` do not open/,
    );
    await refusedWith(
      (data) => inDatabase(data, "update sealed set sealed = (select sealed from sealed where name = 'ca/jwt') where name = 'ca/sts'"),
      /CORDON-9006 sealed bytes of `ca\/sts` do not open: changed, or sealed under another name/,
    );
  });

  test('the seal key is another one, or gone', async () => {
    const other = Buffer.from(Uint8Array.from({ length: 32 }, (_, n) => n * 5 + 3)).toString('base64');
    await refusedWith(() => undefined, /CORDON-9006 .*sealed under another root key/, { CORDON_SEAL_KEY: other });
    await refusedWith((data) => rm(join(data, 'seal.key')), /CORDON-9006 the seal key is missing/);
  });

  test('the database is torn, or gone while its log is there', async () => {
    await refusedWith((data) => truncate(join(data, 'cordon.db'), 70_000), /CORDON-9006 .*is corrupt/);
    await refusedWith((data) => rm(join(data, 'cordon.db')), /CORDON-9006 log belongs to another origin or key/);
    await refusedWith(async (data) => {
      const bytes = await readFile(join(data, 'cordon.db'));
      await writeFile(join(data, 'cordon.db'), bytes.fill(0xa5, 4096, 5 * 4096));
    }, /CORDON-900[46]/);
  });

  test('and the sound one goes on', async () => {
    const again = await issuing(base, 2);
    assert.deepEqual([again.code, again.root, again.issued.length], [0, sound.root, 2]);
    await assertNothingLost(base, [...sound.issued, ...again.issued]);
  });
});

describe('the clock was moved while it was down', () => {
  /** Starts Cordon with its clock so many milliseconds off, and stops it. @returns what it said when it did not start */
  async function startAt(data: string, offset: number): Promise<string | undefined> {
    const child = spawn(process.execPath, [CLOCK_UP, config, data, String(-offset), String(15 * MINUTE)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const ended = once(child, 'close');
    const ready = await Promise.race([once(child.stdout, 'data').then(() => true), ended.then(() => false)]);
    child.stdin.end();
    await ended;
    return ready ? undefined : said;
  }

  const rootOf = async (data: string): Promise<string> => (await issuing(data, 0)).root;

  test('ten minutes back, before there was an authority: it does not start and says why; back again it does, with the same root', async () => {
    const data = fresh();
    assert.equal(await startAt(data, 0), undefined);
    const root = await rootOf(data);
    assert.match(
      (await startAt(data, -10 * MINUTE)) ?? 'it started',
      /CORDON-9009 the clock is before the time of the certificate authority .*fix: set the clock/,
    );
    assert.equal(await startAt(data, 0), undefined);
    assert.equal(await rootOf(data), root);
  });

  test('ten minutes on and back again, three months on: it starts with the same root', async () => {
    const data = fresh();
    assert.equal(await startAt(data, -DAY), undefined);
    const root = await rootOf(data);
    for (const offset of [10 * MINUTE, -10 * MINUTE, 90 * DAY, 0]) assert.equal(await startAt(data, offset), undefined, `${offset} ms`);
    assert.equal(await rootOf(data), root);
  });
});
