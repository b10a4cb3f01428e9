// A real MCP server of 2025-11-25 with sessions, of the official SDK: whoever comes with a session that it does not know is told so
// with 404 (MCP 2025-11-25, session management).
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { McpServer, WebStandardStreamableHTTPServerTransport as Transport } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { connect } from '../../src/sdk/index.ts';

const [port = '0'] = process.argv.slice(2);
const sessions = new Map<string, Transport>();

async function begin(): Promise<Transport> {
  const transport = new Transport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => void sessions.set(id, transport),
    enableJsonResponse: true,
  });
  const server = new McpServer({ name: 'legacy', version: '1' });
  server.registerTool('echo', { description: 'says it again', inputSchema: z.object({ text: z.string() }) }, ({ text }) => ({
    content: [{ type: 'text', text }],
  }));
  await server.connect(transport);
  return transport;
}

async function listener(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const headers = Object.fromEntries(Object.entries(req.headers).map(([name, value]) => [name, String(value)]));
  const id = headers['mcp-session-id'];
  const transport = id === undefined ? await begin() : sessions.get(id);
  if (transport === undefined) return void res.writeHead(404).end();
  const request = new Request(`http://localhost${req.url ?? '/'}`, { method: 'POST', headers, body: await textOf(req) });
  const reply = await transport.handleRequest(request);
  res.writeHead(reply.status, Object.fromEntries(reply.headers));
  res.end(await reply.text());
}

const cordon = await connect();
const served = await cordon.serve((req, res) => void listener(req, res).catch(() => res.destroy()), {
  host: '127.0.0.1',
  port: Number(port),
});
process.stdout.write(`${JSON.stringify({ ready: true, port: served.port })}\n`);
process.stdin.resume();
process.stdin.once('end', () => process.exit(0));
