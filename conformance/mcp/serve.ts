// The fixture as a process: both revisions under one path, on loopback, with the checks of Host and Origin that the suite asks for.
// Prints its port; ends with its standard input.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import {
  createMcpHandler,
  hostHeaderValidationResponse,
  isInitializeRequest,
  isLegacyRequest,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  originValidationResponse,
  type McpHttpHandler,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import { everything } from './everything.ts';

const modern: McpHttpHandler = createMcpHandler(() => everything(modern.notify), { legacy: 'reject' });
const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();

async function legacy(request: Request): Promise<Response> {
  const known = sessions.get(request.headers.get('mcp-session-id') ?? '');
  if (known !== undefined) return known.handleRequest(request);
  const opens = request.method === 'POST' && isInitializeRequest(await request.clone().json());
  if (!opens)
    return Response.json(
      { jsonrpc: '2.0', id: null, error: { code: -32_000, message: 'no such session' } },
      { status: request.headers.has('mcp-session-id') ? 404 : 400 },
    );
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => void sessions.set(id, transport),
    onsessionclosed: (id) => void sessions.delete(id),
  });
  await everything(modern.notify).connect(transport);
  return transport.handleRequest(request);
}

async function answer(request: Request): Promise<Response> {
  const refused =
    hostHeaderValidationResponse(request, localhostAllowedHostnames()) ?? originValidationResponse(request, localhostAllowedOrigins());
  if (refused !== undefined) return refused;
  return (await isLegacyRequest(request.clone())) ? legacy(request) : modern.fetch(request);
}

async function requestOf(req: IncomingMessage, signal: AbortSignal): Promise<Request> {
  const headers = Object.entries(req.headers).map(([name, value]): [string, string] => [name, String(value)]);
  const body = req.method === 'POST' ? await buffer(req) : null;
  return new Request(`http://127.0.0.1${req.url ?? '/'}`, {
    method: req.method ?? 'GET',
    headers,
    body: body && new Uint8Array(body),
    signal,
  });
}

async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  const response = await answer(await requestOf(req, gone.signal));
  res.writeHead(response.status, Object.fromEntries(response.headers));
  res.flushHeaders();
  if (response.body === null) res.end();
  else await pipeline(Readable.fromWeb(response.body as never), res).catch(() => undefined);
}

const server = createServer((req, res) => {
  handle(req, res).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    res.destroy();
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
process.stdin.on('end', () => process.exit(0)).resume();
