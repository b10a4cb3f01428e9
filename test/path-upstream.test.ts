// Tool servers killed in the middle of calls, and started again: every call is answered, recorded, and goes through once they are back.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { openBed, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';
import { messagesOf, streamCall } from './support/call-stream.ts';
import { effectsOf, isWritten } from './support/effects.ts';
import { assertVerified, readLog, signedAll } from './support/log-reader.ts';
import { until } from './support/until.ts';

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
