// A log that cannot be written, under a real limit of the operating system, and a log that somebody changed while Cordon was down.
import assert from 'node:assert/strict';
import { cp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openBed, type Answer, type Bed, type Svid } from './support/bed.ts';
import { openLine, type Line } from './support/line.ts';
import { allowedDigests, assertVerified, digestOf, logDir, readLog, signedAll, verification } from './support/log-reader.ts';
import { startUp, type OwnUp } from './support/own-up.ts';

const BLOCK = 512;

const codeOf = ({ json }: Answer): string | undefined =>
  (json['error'] as { data?: { code: string } } | undefined)?.data?.code ?? (json['code'] as string | undefined);
const isWritten = ({ json }: Answer): boolean => JSON.stringify(json['result'] ?? null).includes('written');

const write = (line: Line, text: string): Promise<Answer> => line.call('write', { line: text, amount: 1 });

/** The MCP requests that are no call of a tool. */
const MESSAGES = ['initialize', 'tools/list', 'ping'] as const;
const message = (line: Line, method: (typeof MESSAGES)[number]): Promise<Answer> =>
  line.post(
    '/mcp/bench',
    {},
    JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method,
      params: method === 'initialize' ? { protocolVersion: '2025-11-25', capabilities: {} } : {},
    }),
  );

describe('a log that cannot be written', { skip: process.platform === 'win32' ? 'ulimit needs a POSIX shell' : false }, () => {
  let bed: Bed;
  let caller: Svid;
  let line: Line;
  let up: OwnUp;
  const written: string[] = [];
  const refused: string[] = [];

  before(async () => {
    bed = await openBed();
    caller = await bed.svid('caller');
    await bed.stop();
    const files = await readdir(bed.data, { recursive: true, withFileTypes: true });
    const sizes = await Promise.all(
      files.filter((file) => file.isFile()).map(async (file) => (await stat(join(file.parentPath, file.name))).size),
    );
    // room for the database to start, and for some hundreds of records
    up = await startUp(bed, { fileLimit: Math.ceil((Math.max(...sizes) + 256 * 1024) / BLOCK) });
    await bed.ready();
    line = openLine(bed.ports.gateway, caller);
  });
  after(async () => {
    await (line as Line | undefined)?.close();
    await (up as OwnUp | undefined)?.stop('SIGKILL');
    await (bed as Bed | undefined)?.close();
  });

  void test('[I1] [I3] calls go through until it is full, and are refused with CORDON-9004 from then on', async () => {
    for (let n = 0; refused.length < 20; n++) {
      assert.ok(n < 5000, 'the log never fills');
      const text = `line-${n}-${'x'.repeat(n % 50)}`;
      const answer = await write(line, text);
      if (isWritten(answer)) written.push(text);
      else refused.push(text);
      if (!isWritten(answer)) assert.equal(codeOf(answer), 'CORDON-9004', answer.text);
    }
    assert.ok(written.length > 50, `${written.length} calls before it was full`);
  });

  void test('[I1] [I3] nothing else is answered either, and no refusal had an effect', async () => {
    for (const method of MESSAGES) assert.equal(codeOf(await message(line, method)), 'CORDON-9004', method);
    const effects = (await readFile(bed.effects, 'utf8')).split('\n');
    assert.deepEqual(
      refused.filter((text) => effects.includes(`${text} 1`)),
      [],
    );
    assert.deepEqual(
      written.filter((text) => !effects.includes(`${text} 1`)),
      [],
    );
  });

  void test('[I3] Cordon says so where operators look', async () => {
    const { status } = await bed.control('GET', '/v1/status');
    assert.equal(status, 200);
    const level = await bed.control('POST', '/v1/agents/caller/level', { level: 'restricted', reason: 'test' });
    assert.deepEqual([level.status, level.json['code']], [503, 'CORDON-9004']);
    assert.equal(up.child.exitCode, null);
  });

  void test('[I3] after a restart with room all is well: the log verifies and holds an allow for every effect', async () => {
    await line.close();
    await up.stop();
    await bed.start();
    await bed.ready();
    line = openLine(bed.ports.gateway, caller);
    assert.ok(isWritten(await write(line, 'again')));
    await signedAll(bed);
    await assertVerified(bed);
    const records = await readLog(bed);
    const effects = (await readFile(bed.effects, 'utf8')).split('\n').filter((effect) => effect !== '');
    assert.deepEqual(effects.toSorted(), [...written, 'again'].map((text) => `${text} 1`).toSorted());
    const allowed = allowedDigests(records);
    assert.deepEqual(
      [...written, 'again'].filter((text) => !allowed.has(digestOf({ line: text, amount: 1 }))),
      [],
    );
    assert.deepEqual(
      refused.filter((text) => allowed.has(digestOf({ line: text, amount: 1 }))),
      [],
    );
  });
});

describe('a log that was changed while Cordon was down', () => {
  let bed: Bed;
  let sound: string;
  let up: OwnUp | undefined;

  before(async () => {
    bed = await openBed();
    const line = openLine(bed.ports.gateway, await bed.svid('caller'));
    // two records a call: more than one full bundle of entries
    assert.ok(isWritten(await write(line, 'line')));
    await signedAll(bed);
    await cp(logDir(bed), join(bed.dir, 'older'), { recursive: true });
    for (let n = 0; n < 140; n++) assert.ok(isWritten(await write(line, `line-${n}`)));
    await line.close();
    await bed.stop();
    await assertVerified(bed);
    sound = join(bed.dir, 'sound');
    await cp(bed.data, sound, { recursive: true });
  });
  after(async () => {
    await up?.stop('SIGKILL');
    await (bed as Bed | undefined)?.close();
  });

  async function restore(): Promise<void> {
    await up?.stop('SIGKILL');
    up = undefined;
    await rm(bed.data, { recursive: true });
    await cp(sound, bed.data, { recursive: true });
  }

  async function flip(path: string, at: number): Promise<void> {
    const file = join(logDir(bed), path);
    const bytes = await readFile(file);
    const offset = Math.floor(bytes.length * at);
    bytes[offset] = (bytes[offset] ?? 0) ^ 0x04;
    await writeFile(file, bytes);
  }

  const journal = async (): Promise<string> => `journal/${(await readdir(join(logDir(bed), 'journal'))).toSorted()[0] ?? ''}`;

  async function older(): Promise<void> {
    await rm(logDir(bed), { recursive: true });
    await cp(join(bed.dir, 'older'), logDir(bed), { recursive: true });
  }

  const REFUSED: readonly (readonly [what: string, change: () => Promise<void>, says: RegExp])[] = [
    ['a flipped bit in the journal', async () => flip(await journal(), 0.3), /^CORDON-9004 journal of the log is damaged/],
    ['a flipped bit in the checkpoint', () => flip('checkpoint', 0.5), /^CORDON-9004 .*the checkpoint is damaged/],
    ['a log directory that is gone', () => rm(logDir(bed), { recursive: true }), /^CORDON-9004 .*are missing/],
    ['an older copy of the log directory', older, /^CORDON-9004 .*are missing/],
  ];
  for (const [what, change, says] of REFUSED) {
    void test(`[I3] ${what}: Cordon does not start, says why, and leaves what is there as evidence`, async () => {
      await restore();
      await change();
      const evidence = await contents(bed);
      await assert.rejects(
        async () => {
          up = await startUp(bed);
        },
        { message: says },
      );
      const now = await contents(bed);
      assert.deepEqual(
        Object.entries(evidence)
          .filter(([path, bytes]) => now[path] !== bytes)
          .map(([path]) => path),
        [],
      );
    });
  }

  void test('[I3] a flipped bit in a published bundle is found by whoever verifies, and is not signed away by going on', async () => {
    await restore();
    await flip('tile/entries/000', 0.5);
    up = await startUp(bed).catch((error: unknown) => {
      assert.match(String(error), /CORDON-9004/);
      return undefined;
    });
    await up?.stop();
    const { result, findings } = await verification(bed);
    assert.equal(result, 'ALTERED');
    assert.ok(
      findings.some(({ seq }) => (seq ?? -1) >= 0),
      JSON.stringify(findings),
    );
  });
});

/** Every file of the log, by path, in base64. */
async function contents(bed: Bed): Promise<Record<string, string>> {
  const files = await readdir(logDir(bed), { recursive: true, withFileTypes: true }).catch(() => []);
  const entries = files
    .filter((file) => file.isFile() && !file.name.startsWith('lock'))
    .map(
      async (file) => [join(file.parentPath, file.name), (await readFile(join(file.parentPath, file.name))).toString('base64')] as const,
    );
  return Object.fromEntries(await Promise.all(entries));
}
