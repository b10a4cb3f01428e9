// The tool server behind the streams: plain HTTP on loopback, in a process of its own. It begins an event stream for each call, says
// something on it when it is told to, and takes note of when each was ended by the other side.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TOOLS } from '../desks.ts';
import { answerQuestions } from '../gateway/worker.ts';
import { eventOf, ownCpuMs, sharedNow } from './call.ts';

/** `tick`: an event on every stream now. `beat`: one a second on each, from now on, or no more. `gone`: waits until no stream is open. */
export interface UpstreamQuestion {
  readonly ask: 'state' | 'tick' | 'beat' | 'rest' | 'mark' | 'gone';
}

export interface UpstreamAnswer {
  readonly port: number;
  readonly open: number;
  /** When each stream was ended, since the mark; of the clock that processes share. */
  readonly ended: readonly number[];
  /** CPU since the mark, milliseconds. */
  readonly cpuMs: number;
}

interface Rpc {
  readonly id?: number;
  readonly method: string;
  readonly params: { readonly _meta?: { readonly progressToken?: unknown } };
}

const PATIENCE_MS = 30_000;
const BEATS = 50;
const streams = new Map<ServerResponse, unknown>();
let ended: number[] = [];
let cpu = ownCpuMs();
let progress = 0;
let gone: (() => void) | undefined;
let beating: NodeJS.Timeout | undefined;

function resultFor({ method }: Rpc): object {
  const cache = { resultType: 'complete', ttlMs: 60_000, cacheScope: 'private' };
  if (method === 'tools/list') return { ...cache, tools: TOOLS };
  return { ...cache, supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, serverInfo: { name: 'bench', version: '1' } };
}

function answer(rpc: Rpc, res: ServerResponse): void {
  if (rpc.method !== 'tools/call') {
    const body = JSON.stringify({ jsonrpc: '2.0', id: rpc.id, result: resultFor(rpc) });
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
    return;
  }
  const token = rpc.params._meta?.progressToken;
  streams.set(res, token);
  res.once('close', () => {
    ended.push(sharedNow());
    streams.delete(res);
    if (streams.size === 0) gone?.();
  });
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  res.write(eventOf(token, ++progress));
}

function handle(req: IncomingMessage, res: ServerResponse): void {
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => answer(JSON.parse(Buffer.concat(chunks).toString('utf8')) as Rpc, res));
}

const say = (res: ServerResponse, token: unknown): void => void res.write(eventOf(token, ++progress));

/** An event a second on each stream, a part of them at a time. */
function beat(): void {
  let at = 0;
  beating = setInterval(() => {
    at = (at + 1) % BEATS;
    let n = 0;
    for (const [res, token] of streams) if (n++ % BEATS === at) say(res, token);
  }, 1000 / BEATS);
}

const ASKED: Readonly<Record<UpstreamQuestion['ask'], () => void | Promise<void>>> = {
  state: () => undefined,
  tick: () => streams.forEach((token, res) => say(res, token)),
  beat,
  rest: () => clearInterval(beating),
  mark(): void {
    ended = [];
    cpu = ownCpuMs();
  },
  async gone(): Promise<void> {
    if (streams.size === 0) return;
    const late = AbortSignal.timeout(PATIENCE_MS);
    await new Promise<void>((resolve, reject) => {
      gone = resolve;
      late.addEventListener('abort', () => reject(new Error(`${streams.size} streams are still open at the upstream`)));
    });
  },
};

const server = createServer({ keepAliveTimeout: 300_000 }, handle);
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
await answerQuestions(async (question): Promise<UpstreamAnswer> => {
  await ASKED[(question as UpstreamQuestion).ask]();
  return { port, open: streams.size, ended, cpuMs: ownCpuMs() - cpu };
});
