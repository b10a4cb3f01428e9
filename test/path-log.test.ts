// A log that cannot be written, under a real limit of the operating system: nothing is done that was not recorded.
import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openBed, type Answer, type Bed, type Svid } from './support/bed.ts';
import { effectsOf, isWritten } from './support/effects.ts';
import { openLine, type Line } from './support/line.ts';
import { allowedDigests, assertVerified, digestOf, readLog, signedAll } from './support/log-reader.ts';
import { startUp, type OwnUp } from './support/own-up.ts';

const BLOCK = 512;

const codeOf = ({ json }: Answer): string | undefined =>
  (json['error'] as { data?: { code: string } } | undefined)?.data?.code ?? (json['code'] as string | undefined);

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
    const effects = await effectsOf(bed);
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
    // the record of an order is shorter than that of a call: what room there is left takes some, and neither level denies a call
    const levels = Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? 'watched' : 'normal'));
    let order: Answer | undefined;
    for (const level of levels) {
      order = await bed.control('POST', '/v1/agents/caller/level', { level, reason: 'test' });
      if (order.status !== 200) break;
    }
    assert.deepEqual([order?.status, order?.json['code']], [503, 'CORDON-9004']);
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
    const effects = await effectsOf(bed);
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
