// Cordon killed in the middle of calls, again and again: whatever had an effect is in the log, and nothing was done twice.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openBed, type Bed, type Svid } from './support/bed.ts';
import { effectsOf, isWritten } from './support/effects.ts';
import { allowedDigests, assertVerified, digestOf, logDir, readLog, signedAll } from './support/log-reader.ts';
import { openLine } from './support/line.ts';
import { until } from './support/until.ts';

const AGENTS = 8;

interface Writing {
  /** Effects that were answered for. */
  readonly answered: string[];
  readonly ended: Promise<unknown>;
}

/** Agents that write a line of their own each time, each over a connection of its own, until their gateway is gone. */
function writing(bed: Bed, svids: readonly Svid[], round: string, onWritten: () => void): Writing {
  const answered: string[] = [];
  const write = async (svid: Svid, worker: number): Promise<void> => {
    const line = openLine(bed.ports.gateway, svid);
    for (let n = 0; ; n++) {
      const effect = { line: `${round}-${worker}-${n}`, amount: n % 100 };
      const answer = await line.call('write', effect).catch(() => undefined);
      if (answer === undefined) return line.close();
      assert.ok(isWritten(answer), answer.text);
      answered.push(`${effect.line} ${effect.amount}`);
      onWritten();
    }
  };
  return { answered, ended: Promise.all(svids.map(write)) };
}

describe('Cordon killed with SIGKILL in the middle of calls', () => {
  let bed: Bed;
  let svids: readonly Svid[];
  const answered: string[] = [];

  before(async () => {
    bed = await openBed();
    svids = await Promise.all(Array.from({ length: AGENTS }, () => bed.svid('caller')));
  });
  after(() => (bed as Bed | undefined)?.close());

  /** Nothing forwarded is missing from the log, nothing was forwarded twice, and the log is what was signed. */
  async function assertSound(): Promise<void> {
    await signedAll(bed);
    await assertVerified(bed);
    const allowed = allowedDigests(await readLog(bed));
    const effects = await effectsOf(bed);
    const unrecorded = effects.filter((effect) => {
      const [line = '', amount = ''] = effect.split(' ');
      return !allowed.has(digestOf({ line, amount: Number(amount) }));
    });
    assert.deepEqual(unrecorded, []);
    assert.equal(new Set(effects).size, effects.length, 'a call was forwarded twice');
    assert.deepEqual(
      answered.filter((line) => !effects.includes(line)),
      [],
      'a call was answered that had no effect',
    );
  }

  // how many answers are given before the kill: at the first, while calls of every agent are open, around bundles of 256 entries, between
  for (const [round, kills] of [1, AGENTS + 3, 64, 300].entries()) {
    void test(`[I3] after ${kills} answers: the log opens, verifies, and holds an allow for every effect`, async () => {
      const cordon = bed.process();
      const gone = once(cordon, 'exit');
      let left = kills;
      const running = writing(bed, svids, `r${round}`, () => {
        if (--left === 0) cordon.kill('SIGKILL');
      });
      await running.ended;
      assert.deepEqual(await gone, [null, 'SIGKILL']);
      assert.ok(running.answered.length >= kills);
      answered.push(...running.answered);
      await bed.start();
      await bed.ready();
      await assertSound();
    });
  }

  void test('[I3] killed while it starts, before it listens, it still opens the same log', async () => {
    const earlier = await readLog(bed);
    await bed.stop('SIGKILL');
    const journal = join(logDir(bed), 'journal');
    const journaled = async (): Promise<number> => {
      const sizes = await Promise.all((await readdir(journal)).map(async (name) => (await stat(join(journal, name))).size));
      return sizes.reduce((sum, size) => sum + size, 0);
    };
    // at once; when it has recorded a little
    for (const records of [0, 3]) {
      const recorded = await journaled();
      const ended = bed.start().catch(() => undefined);
      const cordon = bed.process();
      await until('it records', async () => ((await journaled()) >= recorded + 200 * records ? true : undefined));
      cordon.kill('SIGKILL');
      await ended;
    }
    await bed.start();
    await bed.ready();
    await assertSound();
    const later = await readLog(bed);
    assert.deepEqual(later.all.slice(0, earlier.all.length), earlier.all);
  });
});
