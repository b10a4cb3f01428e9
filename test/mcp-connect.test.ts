// `cordon mcp connect` as MCP clients meet it: the official client starts it as it would start a server, and every call is one of a run.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { openBed, type Bed } from './support/bed.ts';
import { cordon, environment, MAIN } from './support/cordon.ts';
import { until } from './support/until.ts';

describe('an MCP client that starts `cordon mcp connect`', () => {
  let bed: Bed;
  before(async () => {
    bed = await openBed();
  });
  after(() => (bed as Bed | undefined)?.close());

  const args = (server = 'bench', agent = 'caller'): string[] => [MAIN, 'mcp', 'connect', server, '--as', agent, '--data', bed.data];
  const runs = async (): Promise<readonly { id: string }[]> =>
    ((await bed.control('GET', '/v1/agents/caller')).json as unknown as { runs: readonly { id: string }[] }).runs;
  const talk = async (lines: readonly string[], server?: string): Promise<readonly Record<string, unknown>[]> => {
    const { stdout } = await cordon(args(server).slice(1), { cwd: bed.dir, input: `${lines.join('\n')}\n` });
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  const errorOf = (answers: readonly Record<string, unknown>[], id: number | null): { code?: number; message?: string } =>
    answers.find((answer) => answer['id'] === id)?.['error'] ?? {};

  for (const era of ['2025-11-25', '2026-07-28'] as const) {
    test(`[MCP-${era}] the official client lists, calls, is denied and hears progress, as a run that ends with it`, async () => {
      const client = new Client({ name: 'test', version: '1' }, era === '2025-11-25' ? {} : { versionNegotiation: { mode: { pin: era } } });
      await client.connect(new StdioClientTransport({ command: process.execPath, args: args(), cwd: bed.dir, stderr: 'ignore' }));
      assert.deepEqual((await client.listTools()).tools.map(({ name }) => name).toSorted(), ['echo', 'slow', 'write']);
      const echoed = await client.callTool({ name: 'echo', arguments: { text: 'héllo\n' } });
      assert.deepEqual(echoed.content, [{ type: 'text', text: 'héllo\n' }]);
      const denied = await client.callTool({ name: 'write', arguments: { line: 'x', amount: 500 } });
      assert.deepEqual([denied.isError, /CORDON-3005/.test(JSON.stringify(denied.content))], [true, true]);
      assert.equal((await readFile(bed.effects, 'utf8')).includes('500'), false);
      assert.equal((await runs()).length, 1);
      const stop = new AbortController();
      let progress = 0;
      const slow = client.callTool(
        { name: 'slow', arguments: {} },
        { signal: stop.signal, onprogress: () => (++progress === 3 ? stop.abort() : undefined) },
      );
      await assert.rejects(slow);
      const aborted = async (): Promise<true | undefined> => ((await readFile(bed.effects, 'utf8')).includes('aborted') ? true : undefined);
      await until('the server hears that nobody waits', aborted);
      await client.close();
      await until('the run ends with its client', async () => ((await runs()).length === 0 ? true : undefined));
    });
  }

  test('[I6] a client that is killed takes its run with it', async () => {
    const client = spawn(process.execPath, args(), { cwd: bed.dir, env: environment(), stdio: ['pipe', 'pipe', 'ignore'] });
    client.stdin.write('{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n');
    await once(client.stdout, 'data');
    assert.equal((await runs()).length, 1);
    client.stdin.destroy(); // what the kernel does to the pipe of a client that is gone
    assert.deepEqual(await once(client, 'exit'), [0, null]);
    assert.equal((await runs()).length, 0);
  });

  test('[I10] what is no message is refused by itself, and the next one is answered', async () => {
    const answers = await talk(['nonsense', '{"a":1,"a":2}', '[{"jsonrpc":"2.0","id":9,"method":"ping"}]', '{"jsonrpc":"2.0","id":1,"method":7}', '{"jsonrpc":"2.0","id":2,"result":{}}', '{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}', '{"jsonrpc":"2.0","id":3,"method":"no/such"}', '{"jsonrpc":"2.0","id":4,"method":"ping"}']); // prettier-ignore
    assert.equal(answers.length, 6);
    assert.deepEqual([errorOf(answers, null).code, errorOf(answers, 1).code, errorOf(answers, 3).code], [-32_700, -32_600, -32_601]);
    assert.deepEqual(answers.find(({ id }) => id === 4)?.['result'], {});
  });

  test('[I9] a server that is not there, or not for this agent, is the same no', async () => {
    const [one] = await talk(['{"jsonrpc":"2.0","id":1,"method":"tools/list"}'], 'nowhere');
    assert.match(errorOf([one ?? {}], 1).message ?? '', /no server of this name/);
  });

  test('without an agent of that name it does not begin: exit 125, and nothing on stdout', async () => {
    const { code, stdout, stderr } = await cordon(args('bench', 'caler').slice(1), { cwd: bed.dir, input: '' });
    assert.deepEqual([code, stdout], [125, '']);
    assert.match(stderr, /did you mean `caller`\?/);
  });

  test('[I6] whose agent is put off is told so, call by call', async () => {
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(new StdioClientTransport({ command: process.execPath, args: args(), cwd: bed.dir, stderr: 'ignore' }));
    await client.callTool({ name: 'echo', arguments: { text: 'x' } });
    await bed.control('POST', '/v1/agents/caller/level', { level: 'off', reason: 'test' });
    const refused: unknown = await client.callTool({ name: 'echo', arguments: { text: 'x' } }).catch((error: unknown) => error);
    assert.match(JSON.stringify(refused) + String(refused), /CORDON-4002|cannot be reached/);
    await bed.control('POST', '/v1/agents/caller/level', { level: 'normal', reason: 'test' });
    await client.close();
  });
});
