// An MCP server that the gateway spawned: newline-delimited JSON-RPC over its standard input and output (MCP 2025-11-25, stdio), with an
// environment of its own and no other way in. Restarted with the next call after it died; what was in flight fails. attacker-controlled
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { isJsonObject, parseJson, writeJson, type JsonBounds, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { LEGACY } from './mcp-decode.ts';
import { isNotification, outcomeOf } from './mcp-http.ts';
import { allTools } from './mcp-tools.ts';
import type { McpUpstream, RpcOutcome } from './upstreams.ts';

export interface McpStdioOptions {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  /** The whole environment of the server; nothing of ours is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly bounds: JsonBounds;
  readonly client: { readonly name: string; readonly version: string };
  /** Lines that the server writes to its standard error. */
  readonly onStderr: (line: string) => void;
}

interface Waiting {
  readonly resolve: (outcome: RpcOutcome) => void;
  readonly reject: (error: Error) => void;
  readonly onNotification: (message: JsonObject) => Promise<void>;
}

interface Server {
  readonly child: ChildProcessWithoutNullStreams;
  readonly waiting: Map<number, Waiting>;
}

interface SendOptions {
  readonly onNotification?: Waiting['onNotification'];
  readonly progress?: boolean;
  readonly signal: AbortSignal;
}

const ignore: Waiting['onNotification'] = () => Promise.resolve();

const died = (name: string): Refusal => new Refusal('CORDON-9010', `the MCP server \`${name}\` ended`);

export function createMcpStdio(options: McpStdioOptions): McpUpstream {
  let running: Promise<Server> | undefined;
  let info: JsonObject = {};
  let nextId = 1;
  let closed = false;

  const server = (): Promise<Server> => {
    if (closed) return Promise.reject(died(options.name));
    running ??= start().catch((error: unknown) => {
      running = undefined;
      throw error;
    });
    return running;
  };

  async function start(): Promise<Server> {
    const [file, ...args] = options.command;
    const child = spawn(file, args, { cwd: options.cwd, env: options.env, stdio: 'pipe' });
    const made: Server = { child, waiting: new Map() };
    child.once('error', () => fail(made));
    child.once('close', () => fail(made));
    child.stdin.on('error', () => child.kill());
    readLines(child.stdout, options.bounds.maxBytes, (line) => onLine(made, line), () => child.kill());
    readLines(child.stderr, 8192, (line) => options.onStderr(line.toString('utf8')), () => undefined);
    await handshake(made);
    return made;
  }

  function fail(ended: Server): void {
    running = undefined;
    for (const waiting of ended.waiting.values()) waiting.reject(died(options.name));
    ended.waiting.clear();
  }

  async function handshake(to: Server): Promise<void> {
    const params = { protocolVersion: LEGACY[0] ?? '', capabilities: {}, clientInfo: { ...options.client } };
    const outcome = await send(to, 'initialize', params, { signal: AbortSignal.timeout(20_000) });
    if ('error' in outcome) throw new Refusal('CORDON-9010', `the MCP server \`${options.name}\` refuses \`initialize\``);
    const found = outcome.result['serverInfo'];
    info = isJsonObject(found) ? found : {};
    write(to, { jsonrpc: '2.0', method: 'notifications/initialized' });
  }

  const write = (to: Server, message: JsonObject): void => void to.child.stdin.write(`${writeJson(message)}\n`);

  function send(to: Server, method: string, params: JsonObject, { onNotification = ignore, progress = false, signal }: SendOptions): Promise<RpcOutcome> {
    const id = nextId++;
    return new Promise<RpcOutcome>((resolve, reject) => {
      const onAbort = (): void => {
        to.waiting.delete(id);
        write(to, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } });
        reject(signal.reason as Error);
      };
      const done = (): void => signal.removeEventListener('abort', onAbort);
      if (signal.aborted) return reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      to.waiting.set(id, {
        onNotification,
        resolve: (outcome) => (done(), resolve(outcome)),
        reject: (error) => (done(), reject(error)),
      });
      write(to, { jsonrpc: '2.0', id, method, params: progress ? { ...params, _meta: { progressToken: id } } : params });
    });
  }

  function onLine(from: Server, line: Buffer): void {
    let message;
    try {
      message = parseJson(line, options.bounds);
    } catch {
      return void from.child.kill(); // a server that does not speak JSON is not talked to again
    }
    if (!isJsonObject(message)) return;
    if (message['method'] !== undefined) return onServerMessage(from, message);
    const id = message['id'];
    const waiting = typeof id === 'number' ? from.waiting.get(id) : undefined;
    if (waiting === undefined || typeof id !== 'number') return;
    from.waiting.delete(id);
    try {
      waiting.resolve(outcomeOf(message, id, 200));
    } catch (error) {
      waiting.reject(error as Error);
    }
  }

  /** Progress goes to the call that asked; requests of the server (sampling, roots, …) are refused. */
  function onServerMessage(from: Server, message: JsonObject): void {
    const id = message['id'];
    if (typeof id === 'string' || typeof id === 'number') {
      return write(from, { jsonrpc: '2.0', id, error: { code: -32_601, message: 'Method not found' } });
    }
    const params = message['params'];
    const token = isJsonObject(params) ? params['progressToken'] : undefined;
    if (isNotification(message) && typeof token === 'number') {
      void from.waiting.get(token)?.onNotification(message).catch(() => undefined);
    }
  }

  return {
    serverInfo: () => info,
    listTools: async (signal) => {
      const to = await server();
      return allTools((params) => send(to, 'tools/list', params, { signal }));
    },
    call: async ({ tool, args, progress }, onNotification, signal) =>
      send(await server(), 'tools/call', { name: tool, arguments: args }, { onNotification, progress, signal }),
    async close(): Promise<void> {
      closed = true;
      const ended = await running?.catch(() => undefined);
      if (ended === undefined || ended.child.exitCode !== null || ended.child.signalCode !== null) return;
      const gone = new Promise((resolve) => ended.child.once('close', resolve));
      ended.child.stdin.end();
      ended.child.kill('SIGTERM');
      const hard = setTimeout(() => ended.child.kill('SIGKILL'), 2000);
      await gone;
      clearTimeout(hard);
    },
  };
}

/** Splits a stream into lines of at most `maxBytes`; a longer one ends the conversation through `onTooLong`. */
function readLines(stream: NodeJS.ReadableStream, maxBytes: number, onLine: (line: Buffer) => void, onTooLong: () => void): void {
  let rest: Buffer[] = [];
  let size = 0;
  stream.on('data', (data: Buffer) => {
    let chunk = data;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10)) {
      const line = Buffer.concat([...rest, chunk.subarray(0, end)]);
      rest = [];
      size = 0;
      chunk = chunk.subarray(end + 1);
      if (line.length > 0) onLine(line);
    }
    size += chunk.length;
    if (size > maxBytes) {
      rest = [];
      size = 0;
      return onTooLong();
    }
    if (chunk.length > 0) rest.push(chunk);
  });
}
