// The gateway's ways to MCP servers: what one server or one caller does wrong stays with it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { Refusal } from '../src/domain/refusal.ts';
import { parseTrustDomain } from '../src/domain/spiffe-id.ts';
import { createChannel, type Credentials } from '../src/gateway/channel.ts';
import { createMcpHttp } from '../src/gateway/mcp-http.ts';
import { createRestarts } from '../src/gateway/mcp-restarts.ts';
import { createMcpStdio } from '../src/gateway/mcp-stdio.ts';
import type { McpUpstream } from '../src/gateway/upstreams.ts';
import { until } from './support/until.ts';

const signal = (): AbortSignal => AbortSignal.timeout(10_000);
const client = { name: 'test', version: '1' };
const bounds = { maxBytes: 1_000_000, maxDepth: 32 };
const quiet = (): Promise<void> => Promise.resolve();
const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** A spawned server that answers with `script`; each start writes its process id to standard error. */
function stdio(t: TestContext, script: string, answerMs = 10_000): { upstream: McpUpstream; pids: number[]; health: string[] } {
  const pids: number[] = [];
  const health: string[] = [];
  const program = `console.error(process.pid);
    const say = (message) => console.log(JSON.stringify({ jsonrpc: '2.0', ...message }));
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const { id, method, params } = JSON.parse(line);
      ${script}
    });
    setInterval(() => {}, 1000);`;
  const upstream = createMcpStdio({
    name: 'spawned',
    command: [process.execPath, '-e', program],
    cwd: '.',
    env: {},
    bounds,
    client,
    answerMs,
    asks: [],
    health: { answered: () => health.push('answered'), failed: () => health.push('failed') },
    onStderr: (line) => pids.push(Number(line)),
  });
  t.after(() => upstream.close());
  return { upstream, pids, health };
}

void test('a spawned server that fails its handshake does not stay behind', async (t) => {
  const { upstream, pids } = stdio(t, `say({ id, error: { code: 1, message: 'no' } });`);
  for (let tries = 0; tries < 2; tries++) await assert.rejects(upstream.listTools(signal()), { code: 'CORDON-9010' });
  await upstream.close();
  await until('both are gone', () => (pids.length === 2 && !pids.some(alive)) || undefined);
});

void test('a spawned server that dies is started again, and only the new one is there until it is closed', async (t) => {
  const { upstream, pids } = stdio(
    t,
    `if (method === 'initialize') say({ id, result: {} });
    else if (params?.name === 'die') process.exit(1);
    else if (id !== undefined) say({ id, result: { ok: true } });`,
  );
  const ask = (tool: string): Promise<unknown> => upstream.call({ tool, args: {}, progress: false }, quiet, signal());
  await assert.rejects(Promise.all([ask('die'), ask('echo')]), { code: 'CORDON-9010' });
  assert.deepEqual(await ask('echo'), { result: { ok: true } });
  await until('one is there', () => pids.filter(alive).length === 1 || undefined);
  await upstream.close();
  assert.deepEqual(pids.filter(alive), []);
  await assert.rejects(ask('echo'), { code: 'CORDON-9010' });
});

void test('[I10] a server that ends at every start is not started with every call: at once again, then after waits that double', async (t) => {
  const { upstream, pids } = stdio(t, `process.exit(1);`);
  const tries = await Promise.allSettled(Array.from({ length: 50 }, async (_, n) => (await upstream.listTools(signal()), n)));
  assert.ok(tries.every(({ status }) => status === 'rejected'));
  for (let n = 0; n < 50; n++) await assert.rejects(upstream.listTools(signal()), { code: 'CORDON-9010' });
  assert.ok(pids.length < 12, `${pids.length} starts`);
  await assert.rejects(
    upstream.listTools(signal()),
    (error: unknown) => error instanceof Refusal && /started again in \d+ ms|exit code/.test(error.observed ?? ''),
  );
});

void test('[I10] waits between starts double up to half a minute, and a start after a quiet minute begins anew', () => {
  let now = 0;
  const restarts = createRestarts(() => now);
  const waits: number[] = [];
  for (let start = 0; start < 12; start++) {
    waits.push(restarts.waitMs());
    now += restarts.waitMs();
    restarts.started();
  }
  assert.deepEqual(waits, [0, 0, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
  now += 60_001;
  assert.equal(restarts.waitMs(), 0);
  restarts.started();
  assert.equal(restarts.waitMs(), 0);
});

void test('[I10] a server that screams on its standard error fills nothing, and its calls go on', async (t) => {
  const { upstream, pids } = stdio(
    t,
    `if (method === 'initialize') { process.stderr.write('x\\n'.repeat(200_000) + 'y'.repeat(1_000_000)); return say({ id, result: {} }); }
    if (id !== undefined) say({ id, result: { ok: true } });`,
  );
  assert.deepEqual(await upstream.call({ tool: 'echo', args: {}, progress: false }, quiet, signal()), { result: { ok: true } });
  await until('its lines came', () => pids.length >= 100 || undefined);
  await upstream.close();
  assert.equal(pids.length, 100);
});

void test('[I10] a spawned server that says nothing about a call is given up, and told; one that reports progress is waited for', async (t) => {
  const { upstream, health } = stdio(
    t,
    `if (method === 'initialize') return say({ id, result: {} });
    if (method === 'notifications/cancelled') return console.error(params.requestId);
    if (params?.name === 'silent') return;
    let progress = 0;
    const timer = setInterval(() => {
      say({ method: 'notifications/progress', params: { progressToken: id, progress: ++progress } });
      if (progress === 6) { clearInterval(timer); say({ id, result: { done: true } }); }
    }, 300);`,
    1_000,
  );
  await assert.rejects(upstream.call({ tool: 'silent', args: {}, progress: false }, quiet, signal()), { code: 'CORDON-9010' });
  assert.deepEqual(health, ['answered', 'failed']);
  assert.deepEqual(await upstream.call({ tool: 'busy', args: {}, progress: true }, quiet, signal()), { result: { done: true } });
});

void test('[I10] progress that a slow caller does not take is left out, not kept', async (t) => {
  const { upstream } = stdio(
    t,
    `if (method === 'initialize') return say({ id, result: {} });
    if (id === undefined) return;
    for (let progress = 0; progress < 1000; progress++) say({ method: 'notifications/progress', params: { progressToken: id, progress } });
    say({ id, result: {} });`,
  );
  let taken = 0;
  const never = (): Promise<void> => {
    taken++;
    return new Promise(() => undefined);
  };
  await upstream.call({ tool: 'flood', args: {}, progress: true }, never, signal());
  assert.equal(taken, 1);
  await upstream.close();
});

/** An MCP server of 2025-11-25 over plain HTTP on loopback that forgets its sessions when it is told to. */
async function legacy(t: TestContext, handshake: (answer: () => void) => void): Promise<{ upstream: McpUpstream; forget: () => void }> {
  let sessions = 0;
  const server = createServer((req, res) => {
    const answer = (message: object, headers: Record<string, string> = {}): unknown =>
      res.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ jsonrpc: '2.0', ...message }));
    void textOf(req).then((text) => {
      const { id, method } = JSON.parse(text) as { id?: number; method: string };
      if (method === 'server/discover') return answer({ id, error: { code: -32_601, message: 'no' } });
      if (method === 'initialize') return handshake(() => answer({ id, result: {} }, { 'mcp-session-id': `s${++sessions}` }));
      if (req.headers['mcp-session-id'] !== `s${sessions}`) return res.writeHead(404).end();
      return id === undefined ? res.writeHead(202).end() : answer({ id, result: { session: sessions } });
    });
  });
  return { upstream: await reach(t, server), forget: () => void sessions++ };
}

/** The way of a gateway to a plain HTTP server on loopback. */
async function reach(t: TestContext, server: Server): Promise<McpUpstream> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const credentials = (): Credentials => ({ generation: 1, chain: '', privateKey: '', bundle: '' });
  const trustDomain = parseTrustDomain('test.example');
  const channel = createChannel({
    origin,
    expect: undefined,
    trustDomain,
    credentials,
    isRevoked: () => false,
    now: Date.now,
    connectMs: 200,
    answerMs: 5_000,
    idleMs: 5_000,
  });
  const upstream = createMcpHttp({ channel, path: '/', credential: () => ({}), bounds, client, takesTxnToken: false });
  t.after(() => upstream.close().then(() => server.close()));
  return upstream;
}

void test('[MCP-2025-11-25] a session that the server has forgotten is begun anew, and no call is lost', async (t) => {
  const { upstream, forget } = await legacy(t, (answer) => answer());
  const ask = (): Promise<unknown> => upstream.call({ tool: 'echo', args: {}, progress: false }, quiet, signal());
  assert.deepEqual(await ask(), { result: { session: 1 } });
  forget();
  const results = await Promise.all([ask(), ask(), ask()]);
  assert.ok(results.every((result) => JSON.stringify(result).includes('session')));
});

void test('a caller that goes away during the handshake does not end it for those who wait with it', async (t) => {
  const handshakes: (() => void)[] = [];
  const { upstream } = await legacy(t, (answer) => handshakes.push(answer));
  const gone = new AbortController();
  const ask = (by: AbortSignal): Promise<unknown> => upstream.call({ tool: 'echo', args: {}, progress: false }, quiet, by);
  const first = ask(gone.signal);
  const second = ask(signal());
  await until('the handshake is under way', () => handshakes.length === 1 || undefined);
  gone.abort(new Refusal('CORDON-4008', 'cut'));
  await assert.rejects(first, { code: 'CORDON-4008' });
  handshakes[0]?.();
  assert.deepEqual(await second, { result: { session: 1 } });
});

void test('answers that are streamed share a connection, and a stream that does not end is closed', async (t) => {
  const ports = new Set<number | undefined>();
  const open = new Set<ServerResponse>();
  const server = createServer((req, res) => {
    ports.add(req.socket.remotePort);
    open.add(res.once('close', () => open.delete(res)));
    const answer = (text: string): unknown => {
      const { id, method, params } = JSON.parse(text) as { id: number; method: string; params: { name?: string } };
      const result = method === 'server/discover' ? { supportedVersions: ['2026-07-28'] } : {};
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result })}\n\n`);
      return params.name === 'endless' ? undefined : setTimeout(() => res.end(), 5);
    };
    void textOf(req).then(answer);
  });
  const upstream = await reach(t, server);
  const ask = (tool: string): Promise<unknown> => upstream.call({ tool, args: {}, progress: false }, quiet, signal());
  for (let n = 0; n < 5; n++) {
    await ask('echo');
    await until('the stream has ended', () => open.size === 0 || undefined);
  }
  assert.ok(ports.size <= 2, `${ports.size} connections for 6 answers`); // two, because the first call does not wait for a stream to end
  assert.deepEqual(await ask('endless'), { result: {} });
  await until('the endless stream is closed', () => open.size === 0 || undefined);
});

void test('an answer may take longer than a connection', async (t) => {
  const { upstream } = await legacy(t, (answer) => setTimeout(answer, 1_500));
  assert.deepEqual(await upstream.call({ tool: 'echo', args: {}, progress: false }, quiet, signal()), { result: { session: 1 } });
});

async function textOf(req: AsyncIterable<unknown>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

void test('[MCP-2026-07-28] a server that breaks off is not taken for an older one: the next call asks it again', async (t) => {
  const asked: string[] = [];
  const server = createServer((req, res) => {
    void textOf(req).then((text) => {
      const { id, method } = JSON.parse(text) as { id?: number; method: string };
      if (asked.push(method) === 1) return req.socket.destroy();
      const result = method === 'server/discover' ? { supportedVersions: ['2026-07-28'], capabilities: {} } : { content: [] };
      return res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, result }));
    });
  });
  const upstream = await reach(t, server);
  const ask = (): Promise<unknown> => upstream.call({ tool: 'echo', args: {}, progress: false }, quiet, signal());
  await assert.rejects(ask(), { code: 'CORDON-9010' });
  assert.deepEqual(await ask(), { result: { content: [] } });
  assert.deepEqual(asked, ['server/discover', 'server/discover', 'tools/call']);
});
