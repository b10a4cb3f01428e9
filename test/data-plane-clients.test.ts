// The official MCP client and server with HAProxy between them and Cordon beside it, asked over mTLS: both revisions, calls that stream, and what is denied.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { Agent, fetch as undiciFetch } from 'undici';
import * as z from 'zod';
import { freePorts, openBed, type Bed } from './support/bed.ts';
import { missing, startHaproxy, type Running } from './support/data-planes.ts';

const skip = missing('haproxy');

const POLICIES = `
@id("sessions") permit (principal == Agent::"caller", action in Action::"mcp/session", resource);
@id("tools") permit (principal == Agent::"caller", action in [Action::"bench/echo", Action::"bench/slow"], resource);
@id("small") permit (principal == Agent::"caller", action == Action::"bench/write", resource) when { context.input.amount <= 100 };
`;

/** Tools as those of the bed, without anything that asks who calls. */
const handler = createMcpHandler(() => {
  const server = new McpServer({ name: 'bench', version: '1' });
  const text = (said: string): { content: { type: 'text'; text: string }[] } => ({ content: [{ type: 'text', text: said }] });
  server.registerTool('echo', { description: 'says it again', inputSchema: z.object({ text: z.string() }) }, ({ text: said }) =>
    text(said),
  );
  server.registerTool('write', { description: 'appends', inputSchema: z.object({ line: z.string(), amount: z.int() }) }, () =>
    text('written'),
  );
  server.registerTool('slow', { description: 'streams', inputSchema: z.object({}) }, async (_args, ctx) => {
    const progressToken = ctx.mcpReq._meta?.progressToken ?? 'none';
    for (let progress = 1; progress <= 3; progress++)
      await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress } });
    return text('done');
  });
  return server;
});

async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const headers = Object.fromEntries(Object.entries(req.headers).map(([name, value]) => [name, String(value)]));
  const body = req.method === 'POST' ? (Readable.toWeb(req) as unknown as ReadableStream) : null;
  const reply = await handler.fetch(
    new Request(`http://localhost${req.url ?? '/'}`, { method: req.method ?? 'GET', headers, body, duplex: 'half' }),
  );
  res.writeHead(reply.status, Object.fromEntries(reply.headers));
  if (reply.body !== null) for await (const chunk of reply.body) res.write(chunk);
  res.end();
}

let bed: Bed;
let server: Server;
let haproxy: Running;
let agent: Agent;

before(async () => {
  if (skip !== false) return;
  const [port = 0, upstream = 0, door = 0] = await freePorts(3);
  bed = await openBed({
    policies: POLICIES,
    configure: (yaml) =>
      `${yaml}dataPlanes:\n  haproxy: { protocol: spoe, url: "https://127.0.0.1:${port}", listen: "127.0.0.1:${door}", workload: bench, routes: { mcp/bench: } }\n`,
  });
  await bed.ready();
  server = createServer((req, res) => void serve(req, res).catch(() => res.destroy()));
  server.listen(upstream, '127.0.0.1');
  await once(server, 'listening');
  haproxy = await startHaproxy({ bed, svid: await bed.svid('bench', 'resource'), port, upstream }, door);
  const { cert, key, ca } = await bed.svid('caller');
  agent = new Agent({ connect: { cert, key, ca, checkServerIdentity: () => undefined } });
});
after(async () => {
  await (agent as Agent | undefined)?.destroy();
  await (haproxy as Running | undefined)?.close();
  (server as Server | undefined)?.close();
  await (bed as Bed | undefined)?.close();
});

void describe('the official MCP client through HAProxy', { skip }, () => {
  for (const mode of ['legacy', 'auto'] as const) {
    void test(`[MCP-${mode === 'auto' ? '2026-07-28' : '2025-11-25'}] lists, calls, hears of progress, and is denied what policy denies`, async () => {
      const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
      const fetch = ((url: URL, init: object) => undiciFetch(url, { ...init, dispatcher: agent })) as unknown as typeof globalThis.fetch;
      await client.connect(new StreamableHTTPClientTransport(new URL(`https://127.0.0.1:${haproxy.port}/mcp/bench`), { fetch }));
      assert.deepEqual((await client.listTools()).tools.map(({ name }) => name).toSorted(), ['echo', 'slow', 'write']);
      const said = await client.callTool({ name: 'echo', arguments: { text: 'ü' } });
      assert.deepEqual(said.content, [{ type: 'text', text: 'ü' }]);
      const progress: number[] = [];
      await client.callTool({ name: 'slow', arguments: {} }, { onprogress: (told: { progress: number }) => progress.push(told.progress) });
      assert.deepEqual(progress, [1, 2, 3]);
      await client.callTool({ name: 'write', arguments: { line: 'x', amount: 100 } });
      await assert.rejects(client.callTool({ name: 'write', arguments: { line: 'x', amount: 101 } }));
      await client.close();
    });
  }
});
