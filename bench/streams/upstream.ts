// The tool server behind the streams: plain HTTP on loopback, in a process of its own, with the least HTTP/1.1 that reads a request of known
// length. It begins an event stream for each call, says something on it when it is told to, and takes note of when each was ended by the
// other side; its own half is closed later, so that this work is not in the figures of what it watches.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
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
  /** When the end of each stream was seen, since the mark; of the clock that processes share. */
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
/** Parts of a second, so that a byte that still passed after some milliseconds would be seen. */
const BEATS = 250;
const streams = new Map<Socket, unknown>();
/** Those whose end was seen; closed at the mark. */
const over: Socket[] = [];
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

const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: ';

function answer(rpc: Rpc, socket: Socket): void {
  if (rpc.method !== 'tools/call') {
    const body = JSON.stringify({ jsonrpc: '2.0', id: rpc.id, result: resultFor(rpc) });
    socket.write(`${HEAD}application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    return;
  }
  const token = rpc.params._meta?.progressToken;
  streams.set(socket, token);
  socket.write(`${HEAD}text/event-stream\r\ncache-control: no-store\r\ntransfer-encoding: chunked\r\n\r\n`);
  say(socket, token);
}

function accept(socket: Socket): void {
  let received: Buffer = Buffer.alloc(0);
  const seen = (): void => {
    over.push(socket);
    if (!streams.delete(socket)) return;
    ended.push(sharedNow());
    if (streams.size === 0) gone?.();
  };
  socket.on('error', () => undefined); // only that it ended counts
  socket.once('end', seen).once('close', seen);
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const head = received.indexOf('\r\n\r\n');
    if (head === -1) return;
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(received.toString('latin1', 0, head))?.[1] ?? 0);
    if (received.length < head + 4 + length) return;
    const body = received.toString('utf8', head + 4, head + 4 + length);
    received = Buffer.alloc(0);
    answer(JSON.parse(body) as Rpc, socket);
  });
}

function say(socket: Socket, token: unknown): void {
  const event = eventOf(token, ++progress);
  socket.write(`${Buffer.byteLength(event).toString(16)}\r\n${event}\r\n`);
}

/** An event a second on each stream, a part of them at a time. */
function beat(): void {
  let at = 0;
  beating = setInterval(() => {
    at = (at + 1) % BEATS;
    let n = 0;
    for (const [socket, token] of streams) if (n++ % BEATS === at) say(socket, token);
  }, 1000 / BEATS);
}

const ASKED: Readonly<Record<UpstreamQuestion['ask'], () => void | Promise<void>>> = {
  state: () => undefined,
  tick: () => streams.forEach((token, socket) => say(socket, token)),
  beat,
  rest: () => clearInterval(beating),
  mark(): void {
    for (const socket of over.splice(0)) socket.destroy();
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

const server = createServer({ allowHalfOpen: true, noDelay: true }, accept);
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
await answerQuestions(async (question): Promise<UpstreamAnswer> => {
  await ASKED[(question as UpstreamQuestion).ask]();
  return { port, open: streams.size, ended, cpuMs: ownCpuMs() - cpu };
});
