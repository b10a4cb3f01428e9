// Killed in the middle of calls: Cordon itself, again and again, and the tool server behind it. Whatever had an effect is in the log.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openBed, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';
import { messagesOf, streamCall } from './support/call-stream.ts';
import { allowedDigests, assertVerified, digestOf, logDir, readLog, signedAll } from './support/log-reader.ts';
import { openLine } from './support/line.ts';
import { until } from './support/until.ts';

const AGENTS = 8;

const effectsOf = async (bed: Bed): Promise<readonly string[]> =>
  (await readFile(bed.effects, 'utf8')).split('\n').filter((line) => line !== '');

const isWritten = ({ status, json }: Answer): boolean => status === 200 && JSON.stringify(json['result']).includes('written');

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

describe('a tool server killed with SIGKILL in the middle of calls', () => {
  let bed: Bed;
  let caller: Svid;
  let server: ChildProcess;
  let legacy: ChildProcess;
  const HOLD = { type: 'object', properties: { line: { type: 'string' } }, required: ['line'] };
  const WRITE = { type: 'object', properties: { line: { type: 'string' }, amount: { type: 'integer' } }, required: ['line', 'amount'] };
  const FLOOD = { type: 'object', properties: { events: { type: 'integer' }, bytes: { type: 'integer' } }, required: ['events', 'bytes'] };
  const definitions = Object.entries({ hold: HOLD, write: WRITE, flood: FLOOD }).map(([name, inputSchema]) => ({ name, inputSchema }));
  const startServer = (): Promise<ChildProcess> =>
    bed.spawnWorkload('resource', 'bench', 'test/support/raw-server.ts', [
      String(bed.ports.bench),
      bed.effects,
      JSON.stringify(definitions),
    ]);
  const startLegacy = (): Promise<ChildProcess> =>
    bed.spawnWorkload('resource', 'legacy', 'test/support/legacy-server.ts', [String(bed.ports.callee)]);
  const call = (tool: string, args: object, on = 'bench'): Promise<Answer> =>
    send({ port: bed.ports.gateway, ...toolCall(tool, args, on), svid: caller });

  before(async () => {
    bed = await openBed({
      tools: false,
      policies: '@id("all") permit (principal == Agent::"caller", action, resource);',
      configure: (yaml) =>
        yaml
          .replace('\npolicies:', '\n  legacy: { segment: tools, mcp: { url: "https://127.0.0.1:PORT/mcp" } }\npolicies:')
          .replace('PORT', /a2a: "https:[^:]+:(\d+)/.exec(yaml)?.[1] ?? ''),
    });
    server = await startServer();
    legacy = await startLegacy();
    await bed.ready();
    caller = await bed.svid('caller');
  });
  after(() => (bed as Bed | undefined)?.close());

  void test('[I3] every open call is answered with CORDON-9010 and its outcome recorded; a stream is cut, not ended', async () => {
    const held = ['a', 'b', 'c'].map((line) => call('hold', { line }));
    await until('the server holds the calls', async () => ((await effectsOf(bed)).length === held.length ? true : undefined));
    const messages = messagesOf(await streamCall(bed.ports.gateway, caller, 'flood', { events: 1_000_000, bytes: 100 }));
    assert.equal((await messages.next()).done, false);
    server.kill('SIGKILL');
    await assert.rejects(async () => {
      for await (const message of messages) assert.equal(message['method'], 'notifications/progress');
    });
    for (const answer of await Promise.all(held)) {
      const { code, data } = answer.json['error'] as { code: number; data: { code: string; retryable: boolean } };
      assert.deepEqual([answer.status, code, data.code, data.retryable], [200, -32_603, 'CORDON-9010', true]);
    }
    await until('no call is open', async () => {
      const { gateway } = (await bed.control('GET', '/v1/status')).json as { gateway: { openCalls: number } };
      return gateway.openCalls === 0 ? true : undefined;
    });
    await signedAll(bed);
    const { decisions, outcomes } = await readLog(bed);
    const calls = decisions.filter(({ action }) => action === 'tools/call');
    assert.equal(calls.length, 4);
    for (const { id } of calls) {
      const found = outcomes.filter(({ decision }) => decision === id);
      assert.deepEqual(
        found.map(({ status, code }) => [status, code]),
        [['failed', 'CORDON-9010']],
      );
    }
  });

  void test('[I3] while it is away every call is CORDON-9010; once it is back, calls go through again', async () => {
    const away = await call('write', { line: 'away', amount: 1 });
    assert.equal((away.json['error'] as { data: { code: string } }).data.code, 'CORDON-9010');
    server = await startServer();
    assert.ok(isWritten(await call('write', { line: 'back', amount: 1 })));
    assert.deepEqual((await effectsOf(bed)).slice(-1), ['back 1']);
    await signedAll(bed);
    await assertVerified(bed);
  });

  void test('[MCP-2025-11-25] a server that came back without the session it had is given a new one, and the call goes through', async () => {
    const said = ({ json }: Answer): unknown => (json['result'] as { content: { text: string }[] } | undefined)?.content[0]?.text;
    const first = await call('echo', { text: 'first' }, 'legacy');
    assert.equal(said(first), 'first', first.text);
    const gone = once(legacy, 'exit');
    legacy.kill('SIGKILL');
    await gone;
    legacy = await startLegacy();
    const again = await call('echo', { text: 'again' }, 'legacy');
    assert.equal(said(again), 'again', again.text);
  });
});
