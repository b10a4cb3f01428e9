// A real MCP server of 2025-11-25 with sessions, of the official SDK of that time: whoever comes with a session that it does not know
// is told so with 404 (MCP 2025-11-25, session management).
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import * as z from 'zod';
import { connect } from '../../src/sdk/index.ts';

const [port = '0'] = process.argv.slice(2);
const sessions = new Map<string, StreamableHTTPServerTransport>();

async function begin(): Promise<StreamableHTTPServerTransport> {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => void sessions.set(id, transport),
  });
  const server = new McpServer({ name: 'legacy', version: '1' });
  server.registerTool('echo', { description: 'says it again', inputSchema: { text: z.string() } }, ({ text }) => ({
    content: [{ type: 'text', text }],
  }));
  await server.connect(transport);
  return transport;
}

async function listener(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const id = req.headers['mcp-session-id'];
  const transport = id === undefined ? await begin() : sessions.get(String(id));
  if (transport !== undefined) return transport.handleRequest(req, res);
  res.writeHead(404, { 'content-type': 'application/json' });
  res.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32_001, message: 'Session not found' } }));
}

const cordon = await connect();
const served = await cordon.serve((req, res) => void listener(req, res).catch(() => res.destroy()), {
  host: '127.0.0.1',
  port: Number(port),
});
process.stdout.write(`${JSON.stringify({ ready: true, port: served.port })}\n`);
process.stdin.resume();
process.stdin.once('end', () => process.exit(0));
