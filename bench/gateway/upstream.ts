// The tool server behind every subject: the least that answers MCP, plain HTTP on loopback, in a process of its own.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TOOLS } from '../desks.ts';
import { resultOf } from './call.ts';
import { answerQuestions } from './worker.ts';

export interface UpstreamState {
  readonly port: number;
  /** Accepted since the start; a proxy that keeps its connections open needs few. */
  readonly connections: number;
  /** `tools/call` answered since the start. */
  readonly calls: number;
}

interface Rpc {
  readonly id?: number;
  readonly method: string;
  readonly params: { readonly arguments?: { readonly invoice?: string } };
}

let connections = 0;
let calls = 0;

function resultFor({ method, params }: Rpc): object {
  if (method === 'tools/call') {
    calls++;
    return resultOf(params.arguments?.invoice ?? '');
  }
  const cache = { resultType: 'complete', ttlMs: 60_000, cacheScope: 'private' };
  if (method === 'tools/list') return { ...cache, tools: TOOLS };
  return { ...cache, supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, serverInfo: { name: 'bench', version: '1' } };
}

function handle(req: IncomingMessage, res: ServerResponse): void {
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    const rpc = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Rpc;
    const body = JSON.stringify({ jsonrpc: '2.0', id: rpc.id, result: resultFor(rpc) });
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
    res.end(body);
  });
}

const server = createServer({ keepAliveTimeout: 300_000 }, handle);
server.on('connection', () => connections++);
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
await answerQuestions(async (): Promise<UpstreamState> => ({ port, connections, calls }));
