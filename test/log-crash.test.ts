// The decision log on a real file system, with real processes: killed while they append, out of room, two at once; and files that
// somebody changed. Nothing is mocked.
import { deepEqual, equal, match, ok, rejects, throws } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, test, type TestContext } from 'node:test';
import { formatEntryProof, parseEntryProof, verifyEntryProof } from '../src/audit/entry-proof.ts';
import { encodeLeaf } from '../src/audit/leaf.ts';
import { leafHash } from '../src/audit/merkle.ts';
import { parseVerifierKey } from '../src/audit/note.ts';
import { verifyLog } from '../src/audit/verify.ts';
import { ed25519FromSeed, generateEd25519 } from '../src/crypto/ed25519.ts';
import type { ActRecord } from '../src/domain/access.ts';
import type { Refusal } from '../src/domain/refusal.ts';
import { openDecisionLog, type DecisionLog, type LogOptions } from '../src/store/log-files.ts';
import { tilesAt } from '../src/store/log-tiles.ts';

const ORIGIN = 'desk.example/gateway-1';
const SEED = '01'.repeat(32);
const signer = ed25519FromSeed(Buffer.from(SEED, 'hex'));

/** Each entry is a little different in length, so that writes end at odd places. */
const record = (n: number, padding = n % 400): ActRecord => ({
  schema: 'cordon.act/v1',
  ts: '2026-11-22T10:00:00.000Z',
  actor: 'spiffe://desk.example/operator/ann',
  act: 'release',
  target: `agent-${n}`,
  reason: 'r'.repeat(padding),
});

const hashOf = (entry: ActRecord): string => Buffer.from(leafHash(Buffer.from(encodeLeaf(entry)))).toString('hex');

function directory(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'cordon-log-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const open = (dir: string, options: Partial<LogOptions> = {}): Promise<DecisionLog> =>
  // a checkpoint only when a test asks for one, unless it says otherwise
  openDecisionLog({
    dir,
    origin: ORIGIN,
    signer,
    checkpointEveryMs: 3_600_000,
    onFault: (fault) => {
      throw fault;
    },
    ...options,
  });

async function verified(dir: string, log: DecisionLog, pinned?: string): Promise<void> {
  const options = pinned === undefined ? {} : { pinned: Buffer.from(pinned) };
  const { result, findings } = await verifyLog(tilesAt(dir), parseVerifierKey(log.verifierKey), options);
  deepEqual([result, findings], ['VERIFIED', []]);
}

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  const from = at < 0 ? bytes.length + at : at;
  bytes[from] = (bytes[from] ?? 0) ^ 0x10;
  writeFileSync(file, bytes);
}

// what a child process does: appends and reports each receipt, after append() returned and not before
const CHILD = `
  import { writeSync } from 'node:fs';
  import { setImmediate as turn } from 'node:timers/promises';
  const { openDecisionLog } = await import(${JSON.stringify(new URL('../src/store/log-files.ts', import.meta.url).href)});
  const { ed25519FromSeed } = await import(${JSON.stringify(new URL('../src/crypto/ed25519.ts', import.meta.url).href)});
  const { options, padding, stopOnRefusal } = JSON.parse(process.env.CORDON_TEST_CHILD);
  const say = (line) => {
    for (let rest = Buffer.from(line + '\\n'); rest.length > 0; ) {
      try { rest = rest.subarray(writeSync(1, rest)); } catch (error) { if (error.code !== 'EAGAIN') throw error; }
    }
  };
  const record = (n, padding) => ({ schema: 'cordon.act/v1', ts: '2026-11-22T10:00:00.000Z', actor: 'spiffe://desk.example/operator/ann',
    act: 'release', target: 'agent-' + n, reason: 'r'.repeat(padding) });
  const signer = ed25519FromSeed(Buffer.from('${SEED}', 'hex'));
  const log = await openDecisionLog({ ...options, signer, onFault: (f) => say('fault ' + f.message) }).catch((error) => {
    say('not opened: ' + error.message);
    process.exit(1);
  });
  say('open ' + log.size);
  const tryAppend = (padding) => {
    try {
      const { seq, leafHash } = log.append(record(log.size, padding ?? log.size % 400));
      say('entry ' + seq + ' ' + leafHash);
      return true;
    } catch (error) {
      say('refused ' + error.code + ' ' + error.observed);
      return false;
    }
  };
  for (let going = true; going; ) {
    for (let i = 0; i < 20 && going; i++) going = tryAppend(padding);
    await turn();
  }
  for (const p of stopOnRefusal) tryAppend(p);
  await log.close();
  say('closed');
`;

interface ChildOptions {
  readonly log: Partial<LogOptions> & { readonly dir: string };
  /** Length of each record's padding; default varies. */
  readonly padding?: number;
  /** After a refusal, records of these paddings are tried before closing. */
  readonly stopOnRefusal?: readonly number[];
  /** 512-byte blocks that the process may write to one file. */
  readonly fileLimit?: number;
  /** Asked after every line; true kills the process at once with SIGKILL. */
  readonly killWhen?: (lines: readonly string[]) => boolean;
}

interface ChildResult {
  readonly lines: readonly string[];
  /** Entry numbers and leaf hashes that the child reported. */
  readonly entries: readonly (readonly [seq: number, hash: string])[];
  readonly signal: string | null;
}

async function runChild({ log, padding, stopOnRefusal = [], fileLimit, killWhen }: ChildOptions): Promise<ChildResult> {
  const options = { origin: ORIGIN, ...log };
  const env = { ...process.env, CORDON_TEST_CHILD: JSON.stringify({ options, padding, stopOnRefusal }) };
  const node = ['--input-type=module', '-e', CHILD];
  const child =
    fileLimit === undefined
      ? spawn(process.execPath, node, { env, stdio: ['ignore', 'pipe', 'inherit'] })
      : spawn('sh', ['-c', `ulimit -f ${fileLimit}; exec "$@"`, 'sh', process.execPath, ...node], {
          env,
          stdio: ['ignore', 'pipe', 'inherit'],
        });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (!child.killed && killWhen?.(text.split('\n').slice(0, -1)) === true) child.kill('SIGKILL');
  });
  await once(child, 'close');
  const lines = text.split('\n').slice(0, -1);
  const entries = lines.filter((line) => line.startsWith('entry ')).map((line) => line.split(' '));
  return {
    lines,
    signal: child.signalCode,
    entries: entries.map(([, seq = '', hash = '']) => [Number(seq), hash] as const),
  };
}

/** Every entry that a child was given a receipt for is in the log, as it was. */
async function holds(log: DecisionLog, entries: ChildResult['entries']): Promise<void> {
  for (const [seq, hash] of entries) {
    const entry = await log.get(seq);
    ok(entry?.schema === 'cordon.act/v1', `entry ${seq} of ${log.size} is missing`);
    equal(hashOf(entry), hash, `entry ${seq}`);
  }
}

describe('a process killed with SIGKILL', () => {
  test('loses no entry that it had a receipt for, whenever it is killed', async (t) => {
    const dir = directory(t);
    let size = 0;
    let pinned: string | undefined;
    // moments: at once, at bundle boundaries, and in the middle of publishing, which goes on all the time
    for (const after of [1, 2, 60, 256, 257, 511, 900, 1777]) {
      const child = await runChild({
        log: { dir, checkpointEveryMs: 1, fsyncEveryMs: 1, durability: after === 60 ? 'fsync' : 'journal' },
        killWhen: (lines) => lines.length >= after,
      });
      equal(child.signal, 'SIGKILL');
      const log = await open(dir, pinned === undefined ? {} : { pinned });
      ok(log.size >= size + child.entries.length, `${log.size} entries after ${size} and ${child.entries.length}`);
      await holds(log, child.entries);
      log.append(record(log.size));
      pinned = await log.checkpoint();
      size = log.size;
      await verified(dir, log, pinned);
      await log.close();
    }
    ok(size > 1000, `${size} entries`);
  });

  test('killed again while it recovers, it still loses nothing', async (t) => {
    const dir = directory(t);
    const first = await runChild({
      log: { dir, checkpointEveryMs: 3_600_000 },
      killWhen: (lines) => lines.length >= 600,
    });
    for (const moment of [1, 2]) await runChild({ log: { dir, checkpointEveryMs: 1 }, killWhen: (lines) => lines.length >= moment });
    const log = await open(dir);
    await holds(log, first.entries);
    await log.close();
    await verified(dir, log);
  });
});

describe('no room', () => {
  const skip = process.platform === 'win32' ? 'ulimit needs a POSIX shell' : false;

  test('a record that does not fit is refused whole; a smaller one still goes in; nothing is lost', { skip }, async (t) => {
    const dir = directory(t);
    // 64 KiB for any one file; a record of 3,000 bytes ends somewhere in the middle of the last of them
    const child = await runChild({
      log: { dir, checkpointEveryMs: 1 },
      padding: 3000,
      stopOnRefusal: [3000, 20, 3000],
      fileLimit: 128,
    });
    const refused = child.lines.filter((line) => line.startsWith('refused'));
    deepEqual(
      refused,
      Array.from({ length: 3 }, () => 'refused CORDON-9004 EFBIG'),
    );
    match(child.lines.at(-1) ?? '', /^closed/);
    const [small] = child.entries.slice(-1);
    const log = await open(dir);
    equal(log.cutBytes, 0, 'the short write was removed, not left for recovery');
    deepEqual([log.size, small?.[0]], [child.entries.length, child.entries.length - 1]);
    await holds(log, child.entries);
    equal(log.append(record(log.size)).seq, child.entries.length);
    await log.close();
    await verified(dir, log);
  });

  test('when tiles cannot be written, records still are, the fault is told, and publishing is made up for later', async (t) => {
    const dir = directory(t);
    const faults: Refusal[] = [];
    const log = await open(dir, { checkpointEveryMs: 1, onFault: (fault) => faults.push(fault) });
    writeFileSync(join(dir, 'tile'), 'in the way');
    for (let n = 0; n < 300; n++) log.append(record(n));
    while (faults.length < 2) await turn();
    deepEqual([faults[0]?.code, faults[0]?.message], ['CORDON-9004', 'log file cannot be written']);
    match(faults[0]?.observed ?? '', /ENOTDIR|EEXIST/);
    await rejects(log.checkpoint(), { code: 'CORDON-9004' });
    deepEqual({ ...(await log.get(299)) }, record(299));
    rmSync(join(dir, 'tile'));
    match(await log.checkpoint(), /^desk\.example\/gateway-1\n300\n/);
    await log.close();
    await verified(dir, log);
  });
});

describe('two writers', () => {
  test('the second is refused, in this process or another; a killed one leaves no lock', async (t) => {
    const dir = directory(t);
    const log = await open(dir);
    await rejects(open(dir), { code: 'CORDON-9004', message: 'log is open in another process' });
    deepEqual((await runChild({ log: { dir } })).lines, ['not opened: log is open in another process']);
    await log.close();
    const other = await runChild({ log: { dir, checkpointEveryMs: 1 }, killWhen: (lines) => lines.length > 3 });
    equal(other.signal, 'SIGKILL');
    const again = await open(dir);
    await holds(again, other.entries);
    await again.close();
  });
});

describe('the log in a directory', () => {
  test('append, get, proof, checkpoint, close and reopen', async (t) => {
    const dir = directory(t);
    const log = await open(dir);
    deepEqual([log.size, await log.get(0), log.origin], [0, undefined, ORIGIN]);
    await verified(dir, log);
    for (let n = 0; n < 520; n++) {
      const receipt = log.append(record(n));
      deepEqual(receipt, { log: ORIGIN, seq: n, leafHash: hashOf(record(n)) });
    }
    const checkpoint = await log.checkpoint();
    equal(await log.checkpoint(), checkpoint, 'nothing new, the same checkpoint');
    for (const n of [0, 255, 256, 519]) deepEqual({ ...(await log.get(n)) }, record(n));
    for (const n of [520, -1, 0.5, Number.NaN]) equal(await log.get(n), undefined);
    log.append(record(520));
    for (const n of [0, 300, 520]) {
      const proof = parseEntryProof(formatEntryProof(await log.proof(n)));
      ok(verifyEntryProof(proof, Buffer.from(encodeLeaf(record(n))), parseVerifierKey(log.verifierKey)));
    }
    await rejects(log.proof(521), { code: 'CORDON-9004', expected: 'below 521' });
    await log.close();
    await log.close();
    throws(() => log.append(record(0)), { code: 'CORDON-9004', message: 'log is closed' });
    await rejects(log.get(0), { message: 'log is closed' });
    await verified(dir, log, checkpoint);
    const again = await open(dir);
    deepEqual([again.size, { ...(await again.get(300)) }], [521, record(300)]);
    await again.close();
  });

  test('the tree is a static tlog-tiles one: full tiles replace partial ones', async (t) => {
    const dir = directory(t);
    const log = await open(dir);
    for (const count of [3, 250, 10]) {
      for (let n = 0; n < count; n++) log.append(record(n));
      await log.checkpoint();
    }
    await log.close();
    const files = readdirSync(join(dir, 'tile'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      statSync(join(dir, 'tile', name)).isFile(),
    );
    deepEqual(files.sort(), ['0/000', '0/001.p/7', '1/000.p/1', 'entries/000', 'entries/001.p/7']);
    equal(await tilesAt(dir).read('log.json'), undefined);
    equal(await tilesAt(dir).read('tile/../log.json'), undefined);
  });

  test('a checkpoint follows by itself, and the journal is dropped behind it', async (t) => {
    const dir = directory(t);
    const log = await open(dir, { checkpointEveryMs: 1, fsyncEveryMs: 1 });
    // two full bundles of 40 KiB entries: each more than a segment
    for (let n = 0; n < 520; n++) {
      log.append(record(n, 40_000));
      if (n % 20 === 0) await turn();
    }
    while (!readFileSync(join(dir, 'checkpoint'), 'utf8').startsWith(`${ORIGIN}\n520\n`)) await turn();
    while (readdirSync(join(dir, 'journal')).length > 1) await turn();
    deepEqual(readdirSync(join(dir, 'journal')), ['0000000000000512']);
    deepEqual({ ...(await log.get(3)) }, record(3, 40_000));
    await log.close();
    await verified(dir, log);

    await t.test('reopened, its right edge comes from tiles, and a changed one is noticed', async () => {
      const upper = join(dir, 'tile/1/000.p/2');
      const again = await open(dir);
      equal(again.append(record(520)).seq, 520);
      await again.close();
      await verified(dir, again);
      flip(upper, 33);
      await rejects(open(dir), { code: 'CORDON-9004', message: /do not have the root of the last signed checkpoint/ });
      truncateSync(upper, 33);
      await rejects(open(dir), { code: 'CORDON-9004', message: /tile 0 of level 1 .* damaged/ });
      rmSync(upper);
      await rejects(open(dir), { code: 'CORDON-9004', observed: 'missing' });
    });
  });

  test('a directory whose setup was cut short is set up', async (t) => {
    const dir = directory(t);
    for (const missing of [['log.json'], ['log.json', 'checkpoint'], ['log.json', 'checkpoint', 'journal']]) {
      await (await open(dir)).close();
      for (const name of missing) rmSync(join(dir, name), { recursive: true });
      const log = await open(dir);
      equal(log.size, 0);
      await log.close();
      await verified(dir, log);
    }
  });

  test('a record too large is refused and takes no number', async (t) => {
    const dir = directory(t);
    const log = await open(dir);
    throws(() => log.append(record(0, 65_600)), { code: 'CORDON-9004', message: /too large/ });
    equal(log.append(record(0, 65_000)).seq, 0);
    await log.close();
    await verified(dir, log);
  });

  test('bad options, another key, another origin are refused', async (t) => {
    const dir = directory(t);
    await (await open(dir)).close();
    for (const options of [
      { fsyncEveryMs: 0 },
      { checkpointEveryMs: 1.5 },
      { origin: 'two words' },
      { origin: 'other.example' },
      { signer: generateEd25519().signer },
    ]) {
      await rejects(open(dir, options), { code: 'CORDON-9006' }, Object.keys(options).join());
    }
    await (await open(dir)).close();
  });
});

describe('files that somebody changed', () => {
  /** A closed log of 300 entries, then one more writer killed before it signed 40 further ones. */
  async function prepared(t: TestContext): Promise<{ dir: string; journal: string; size: number }> {
    const dir = directory(t);
    const log = await open(dir);
    for (let n = 0; n < 300; n++) log.append(record(n));
    await log.close();
    const child = await runChild({
      log: { dir, checkpointEveryMs: 3_600_000 },
      killWhen: (lines) => lines.length > 40,
    });
    return { dir, journal: join(dir, 'journal/0000000000000000'), size: 300 + child.entries.length };
  }

  test('a torn tail of the journal is cut off, a damaged journal is refused and left as it is', async (t) => {
    const { dir, journal } = await prepared(t);
    const whole = readFileSync(journal);
    const size = await reopened(dir);
    writeFileSync(journal, Buffer.concat([whole, whole.subarray(0, 2000)]));
    await rejects(open(dir), { code: 'CORDON-9004', message: 'journal of the log is damaged' }, 'a whole frame in the wrong place');
    writeFileSync(journal, Buffer.concat([whole, Buffer.alloc(5000)]));
    equal(await reopened(dir, 5000), size, 'zeroes after a power failure');
    equal(statSync(journal).size, whole.length);

    for (const at of [20, 5000, whole.length - 2000]) {
      writeFileSync(journal, whole);
      flip(journal, at);
      const before = readFileSync(journal);
      await rejects(open(dir), { code: 'CORDON-9004', message: 'journal of the log is damaged' }, `byte ${at}`);
      deepEqual(readFileSync(journal), before);
    }
    writeFileSync(journal, whole.subarray(0, -7));
    await rejects(open(dir), {
      code: 'CORDON-9004',
      message: /entries that the last signed checkpoint speaks for are missing/,
    });
    equal(statSync(journal).size, whole.length - 7, 'what is refused is left as it is');
    writeFileSync(journal, '');
    await rejects(open(dir), { code: 'CORDON-9004', message: /are missing/ });
    rmSync(join(dir, 'journal'), { recursive: true });
    await rejects(open(dir), { code: 'CORDON-9004', message: /the journal is missing/ });
  });

  test('an unsigned entry that is torn costs that entry alone', async (t) => {
    const { dir, journal } = await prepared(t);
    const recovered = readFileSync(journal);
    truncateSync(journal, recovered.length - 7);
    const log = await open(dir);
    ok(log.cutBytes > 0);
    ok(log.size >= 300);
    equal(log.append(record(log.size)).seq, log.size - 1);
    await log.close();
    await verified(dir, log);
  });

  test('a gap between the segments of a journal is refused', async (t) => {
    const dir = directory(t);
    const first = await runChild({ log: { dir, checkpointEveryMs: 3_600_000 }, padding: 40_000, killWhen: (lines) => lines.length > 530 });
    deepEqual(readdirSync(join(dir, 'journal')).slice(0, 3), ['0000000000000000', '0000000000000256', '0000000000000512']);
    const middle = join(dir, 'journal/0000000000000256');
    const bytes = readFileSync(middle);
    truncateSync(middle, bytes.length - 7);
    await rejects(open(dir), { code: 'CORDON-9004', observed: /unreadable bytes at its end/ });
    rmSync(middle);
    await rejects(open(dir), { code: 'CORDON-9004', observed: /begins at entry 512/, expected: 'entry 256' });
    writeFileSync(middle, bytes);
    const log = await open(dir);
    await holds(log, first.entries.slice(-300));
    await log.close();
    await verified(dir, log);
  });

  test('a journal of other entries with the right frames is refused by the signed root', async (t) => {
    const dir = directory(t);
    const other = directory(t);
    for (const [where, shift] of [
      [dir, 0],
      [other, 1],
    ] as const) {
      const log = await open(where);
      for (let n = 0; n < 30; n++) log.append(record(n + shift));
      await log.close();
    }
    cpSync(join(other, 'journal'), join(dir, 'journal'), { recursive: true });
    await rejects(open(dir), { code: 'CORDON-9004', message: /do not have the root of the last signed checkpoint/ });
  });

  test('a damaged, missing or foreign checkpoint is refused, never signed anew', async (t) => {
    const { dir } = await prepared(t);
    const file = join(dir, 'checkpoint');
    const good = readFileSync(file);
    const changes: readonly (readonly [name: string, change: () => void])[] = [
      ['text', () => flip(file, 25)],
      ['signature', () => flip(file, -20)],
      ['cut', () => truncateSync(file, 40)],
      ['empty', () => truncateSync(file, 0)],
      ['missing', () => rmSync(file)],
    ];
    for (const [name, change] of changes) {
      change();
      const before = existsSync(file) ? readFileSync(file) : undefined;
      await rejects(open(dir), { code: 'CORDON-9004', message: /log cannot be continued: the checkpoint is (damaged|missing)/ }, name);
      deepEqual(existsSync(file) ? readFileSync(file) : undefined, before, name);
      writeFileSync(file, good);
    }
    rmSync(join(dir, 'log.json'));
    await rejects(open(dir), { code: 'CORDON-9004', message: /`log.json` is missing/ });
    writeFileSync(join(dir, 'log.json'), '{"schema":"cordon.log/v1"');
    await rejects(open(dir), { code: 'CORDON-9011' });
  });

  test('an older copy of the whole directory is refused against a pinned checkpoint', async (t) => {
    const dir = directory(t);
    const backup = directory(t);
    const log = await open(dir);
    log.append(record(0));
    await log.checkpoint();
    cpSync(dir, backup, { recursive: true, filter: (name) => !name.endsWith('lock') });
    log.append(record(1));
    const pinned = await log.checkpoint();
    await log.close();
    await rejects(open(backup, { pinned }), {
      code: 'CORDON-9004',
      message: /entries that the pinned checkpoint speaks for are missing/,
    });
    await (await open(dir, { pinned })).close();
    const forked = await open(backup);
    forked.append(record(9));
    await forked.close();
    await rejects(open(backup, { pinned }), {
      code: 'CORDON-9004',
      message: /do not have the root of the pinned checkpoint/,
    });
  });

  test('a journal changed while the log is open stops the log', async (t) => {
    const dir = directory(t);
    const log = await open(dir);
    for (let n = 0; n < 10; n++) log.append(record(n));
    flip(join(dir, 'journal/0000000000000000'), 60);
    await rejects(log.checkpoint(), { code: 'CORDON-9004', observed: /entry 0 .* changed from outside/ });
    throws(() => log.append(record(10)), { code: 'CORDON-9004', message: /no more records until it is reopened/ });
    await rejects(log.close(), { code: 'CORDON-9004' });
    await rejects(open(dir), { code: 'CORDON-9004', message: 'journal of the log is damaged' });
  });

  async function reopened(dir: string, cut = 0): Promise<number> {
    const log = await open(dir);
    equal(log.cutBytes, cut);
    const { size } = log;
    await log.close();
    await verified(dir, log);
    return size;
  }
});
