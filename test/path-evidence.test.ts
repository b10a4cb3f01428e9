// A log that somebody changed, removed or set back while Cordon was down: it does not go on as if nothing had happened.
import assert from 'node:assert/strict';
import { cp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openBed, type Bed } from './support/bed.ts';
import { isWritten } from './support/effects.ts';
import { openLine } from './support/line.ts';
import { assertVerified, logDir, signedAll, verification } from './support/log-reader.ts';
import { startUp, type OwnUp } from './support/own-up.ts';

describe('a log that was changed while Cordon was down', () => {
  let bed: Bed;
  let sound: string;
  let up: OwnUp | undefined;

  before(async () => {
    bed = await openBed();
    const line = openLine(bed.ports.gateway, await bed.svid('caller'));
    // a record a call and more: more than one full bundle of entries
    assert.ok(isWritten(await line.call('write', { line: 'first', amount: 1 })));
    await signedAll(bed);
    await cp(logDir(bed), join(bed.dir, 'older'), { recursive: true });
    for (let n = 0; n < 256; n++) assert.ok(isWritten(await line.call('write', { line: `line-${n}`, amount: 1 })));
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
