// A tool server's process: one MCP server of the official SDK on one listener, its log of accesses, its stop.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createMcpHandler, type McpServer } from '@modelcontextprotocol/server';
import { emit, log, obeyStdin, oneLine, type Commands } from '../events.ts';
import { openWire } from '../wire.ts';

const MAX_BODY_BYTES = 1_048_576;

export interface Host {
  readonly name: string;
  /** A fresh server for each request; `by` is who the caller says it is. */
  readonly server: (by: string) => McpServer;
  /** Bearer token a caller must hold. */
  readonly apiKey?: string;
  /** What it does when it is told to. */
  readonly commands?: Commands;
}

/** Runs until told to stop. */
export async function runServer(host: Host): Promise<void> {
  const wire = await openWire();
  const served = await wire.serve((req, res) => {
    answer(host, req, res).catch((error: unknown) => {
      log(`${host.name}: ${oneLine(String(error))}`);
      res.destroy();
    });
  });
  emit({ at: host.name, event: 'ready', url: served.url.href });
  await obeyStdin(host.name, host.commands ?? {}, async () => {
    await served.close();
    await wire.close();
  });
}

async function answer(host: Host, req: IncomingMessage, res: ServerResponse): Promise<void> {
  if (req.url !== '/mcp') return refuse(res, 404, 'Not Found');
  if (host.apiKey !== undefined && req.headers.authorization !== `Bearer ${host.apiKey}`)
    return refuse(res, 401, 'API key missing or wrong');
  const gone = new AbortController();
  res.on('close', () => gone.abort());
  const body = await bodyOf(req);
  if (body === undefined) return refuse(res, 413, 'Content Too Large');
  const by = req.headers['x-desk-agent'];
  const handler = createMcpHandler(() => host.server(typeof by === 'string' ? by : '-'));
  const response = await handler.fetch(requestOf(req, body, gone.signal));
  res.writeHead(response.status, Object.fromEntries(response.headers));
  if (response.body === null) res.end();
  else await pipeline(Readable.fromWeb(response.body), res).catch(() => res.destroy());
}

function refuse(res: ServerResponse, status: number, title: string): void {
  res.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify({ type: 'about:blank', title, status }));
}

async function bodyOf(req: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function requestOf(req: IncomingMessage, body: Buffer, signal: AbortSignal): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(req.headers)) {
    if (typeof value === 'string' && !name.startsWith(':')) headers.set(name, value);
  }
  const method = req.method ?? 'GET';
  const hasBody = method !== 'GET' && method !== 'HEAD';
  return new Request(`http://${req.headers.host ?? 'localhost'}${req.url ?? '/'}`, {
    method,
    headers,
    signal,
    ...(hasBody ? { body: new Uint8Array(body) } : {}),
  });
}
