// A test bed: a real `cordon up` process, real tool servers and agents as its callees and callers, all on loopback and free ports.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request, type Agent as HttpsAgent, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createRequest, generateKeyPem } from '../../src/crypto/x509.ts';
import { Agent, fetch } from 'undici';

const ROOT = new URL('../..', import.meta.url).pathname;

/**
 * Below what systems give to outgoing connections, one of which could take a port between its choice and its use; each process of tests has a
 * block of its own, and holds its last port for as long as it runs, so that no other takes the same.
 */
const BLOCKS = { first: 10_000, count: 200, ports: 100 };
let block: Promise<number> | undefined;
let nextPort = 0;

async function ownBlock(): Promise<number> {
  for (let n = 0; n < BLOCKS.count; n++) {
    const first = BLOCKS.first + ((process.pid + n) % BLOCKS.count) * BLOCKS.ports;
    if (await hold(first + BLOCKS.ports - 1)) return first;
  }
  throw new Error('no block of ports is free');
}

const hold = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer().unref();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });

export async function freePorts(count: number): Promise<readonly number[]> {
  const first = await (block ??= ownBlock());
  const ports: number[] = [];
  for (let tries = 0; ports.length < count; tries++) {
    if (tries > 3 * BLOCKS.ports) throw new Error('no free ports');
    const port = first + (nextPort++ % (BLOCKS.ports - 1));
    if (!ports.includes(port) && (await isFree(port))) ports.push(port);
  }
  return ports;
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });

export interface Svid {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly json: Record<string, unknown>;
}

export const POLICIES = `
@id("sessions")
permit (principal, action in Action::"mcp/session", resource);

@id("caller-echoes")
permit (principal == Agent::"caller", action in [Action::"bench/echo", Action::"bench/slow"], resource);

@id("caller-writes-small")
@reason("large amounts need a person")
permit (principal == Agent::"caller", action == Action::"bench/write", resource)
when { context.input.amount <= 100 };

@id("talks")
permit (principal == Agent::"caller", action in [Action::"a2a/message", Action::"a2a/GetAgentCard"], resource == Agent::"callee");
`;

export interface BedOptions {
  readonly policies?: string;
  readonly svidTtl?: string;
  /** Processes that carry calls out. */
  readonly workers?: number;
  /** Starts the tool server; default true. */
  readonly tools?: boolean;
  readonly configure?: (yaml: string) => string;
  /** The script that runs Cordon; default `test/support/up.ts`. */
  readonly up?: string;
  /** Puts files beside cordon.yaml. */
  readonly beforeStart?: (dir: string) => Promise<void>;
}

export interface Bed {
  readonly dir: string;
  readonly data: string;
  readonly effects: string;
  readonly ports: {
    readonly gateway: number;
    readonly control: number;
    readonly identity: number;
    readonly bench: number;
    readonly callee: number;
  };
  readonly notices: readonly string[];
  /** The `cordon up` process. */
  process(): ChildProcess;
  start(): Promise<void>;
  stop(signal?: NodeJS.Signals): Promise<void>;
  control(method: string, path: string, body?: object): Promise<Answer>;
  /** An SVID of a fresh run of an agent, or of a resource. */
  svid(name: string, kind?: 'agent' | 'resource'): Promise<Svid & { readonly run: string }>;
  spawnWorkload(kind: 'agent' | 'resource', name: string, script: string, args: readonly string[]): Promise<ChildProcess>;
  /** Waits until the control plane says that it is ready. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

export const API_KEY = 'test-key-only-the-gateway-has';

export async function openBed(options: BedOptions = {}): Promise<Bed> {
  const dir = await mkdtemp(join(tmpdir(), 'cordon-bed-'));
  const data = join(dir, 'data');
  const effects = join(dir, 'effects.txt');
  const [gateway = 0, control = 0, identity = 0, bench = 0, callee = 0] = await freePorts(5);
  const ports = { gateway, control, identity, bench, callee };
  await writeFile(effects, '');
  await mkdir(join(dir, 'policies'));
  await writeFile(join(dir, 'policies', 'test.cedar'), options.policies ?? POLICIES);
  const yaml = yamlOf(ports, options);
  await writeFile(join(dir, 'cordon.yaml'), options.configure?.(yaml) ?? yaml);
  await options.beforeStart?.(dir);

  const children: ChildProcess[] = [];
  const notices: string[] = [];
  let up: ChildProcess | undefined;

  const bed: Bed = {
    dir,
    data,
    effects,
    ports,
    notices,
    process(): ChildProcess {
      if (up === undefined) throw new Error('not started');
      return up;
    },
    async start(): Promise<void> {
      up = spawn(
        process.execPath,
        [join(ROOT, options.up ?? 'test/support/up.ts'), join(dir, 'cordon.yaml'), data, String(options.workers ?? 1)],
        {
          stdio: ['pipe', 'pipe', 'inherit'],
          env: { ...process.env, BENCH_KEY: API_KEY },
        },
      );
      await firstLine(up, (line) => notices.push(line));
    },
    async stop(signal = 'SIGTERM'): Promise<void> {
      if (up === undefined || up.exitCode !== null || up.signalCode !== null) return;
      const gone = once(up, 'exit');
      up.kill(signal);
      await gone;
    },
    async control(method, path, body): Promise<Answer> {
      const own = JSON.parse(await readFile(join(data, 'operator', 'credentials.json'), 'utf8')) as {
        chain: string;
        privateKey: string;
        bundle: string;
      };
      const svid = { cert: own.chain, key: own.privateKey, ca: own.bundle };
      return send({ port: ports.control, path, method, svid, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    },
    async svid(name, kind = 'agent'): Promise<Svid & { run: string }> {
      const started = (await bed.control('POST', '/v1/runs', { kind, name })).json as {
        token: string;
        bundle: string;
        run: string;
      };
      const key = await generateKeyPem();
      const csr = Buffer.from(await createRequest(key)).toString('base64');
      const joined = await send({
        port: ports.identity,
        path: '/v1/join',
        method: 'POST',
        body: JSON.stringify({ token: started.token, csr }),
        svid: { ca: started.bundle },
      });
      return { cert: String(joined.json['svid']), key: key.privateKey, ca: started.bundle, run: started.run };
    },
    async spawnWorkload(kind, name, script, args): Promise<ChildProcess> {
      const started = (await bed.control('POST', '/v1/runs', { kind, name })).json as {
        token: string;
        bundle: string;
        identity_url: string;
      };
      const env = {
        ...process.env,
        CORDON_JOIN_TOKEN: started.token,
        CORDON_IDENTITY_URL: started.identity_url,
        CORDON_BUNDLE: started.bundle,
      };
      const child = spawn(process.execPath, [join(ROOT, script), ...args], { stdio: ['pipe', 'pipe', 'inherit'], env });
      children.push(child);
      await firstLine(child, () => undefined);
      return child;
    },
    async ready(): Promise<void> {
      const agent = new Agent({ connect: { rejectUnauthorized: false } });
      for (let tries = 0; tries < 600; tries++) {
        const reply = await fetch(`https://127.0.0.1:${ports.identity}/readyz`, { dispatcher: agent });
        await reply.text();
        if (reply.status === 200) return agent.destroy();
        await new Promise((resolve) => {
          setTimeout(resolve, 25);
        });
      }
      throw new Error(`not ready: ${JSON.stringify((await bed.control('GET', '/v1/status')).json)}`);
    },
    async close(): Promise<void> {
      for (const child of children) child.kill('SIGKILL');
      await bed.stop('SIGKILL');
      await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }); // workers end a moment after what started them
    },
  };
  await bed.start();
  if (options.tools !== false) {
    await bed.spawnWorkload('resource', 'bench', 'test/support/tool-server.ts', [String(bench), effects, API_KEY]);
    if (options.policies === undefined) await bed.ready();
  }
  return bed;
}

function yamlOf(ports: Bed['ports'], options: BedOptions): string {
  return `trustDomain: test.example
listen:
  gateway: 127.0.0.1:${ports.gateway}
  control: 127.0.0.1:${ports.control}
  identity: 127.0.0.1:${ports.identity}
segments:
  desk: { links: [tools] }
  tools:
  vault:
agents:
  caller: { segment: desk, owner: test, purpose: calls }
  other: { segment: vault, owner: test, purpose: has no links }
  callee: { segment: tools, owner: test, purpose: is called, a2a: "https://127.0.0.1:${ports.callee}/a2a" }
resources:
  bench:
    segment: tools
    reads: [echo, slow]
    mcp:
      url: https://127.0.0.1:${ports.bench}/mcp
      credential: { secret: { env: BENCH_KEY } }
policies: policies
svid: { ttl: ${options.svidTtl ?? '15m'} }
limits: { rate: 5000, burst: 5000 }
`;
}

/** Resolves with the first line of a child's standard output; rejects when it ends before. */
async function firstLine(child: ChildProcess, onLine: (line: string) => void): Promise<void> {
  if (child.stdout === null) throw new Error('no stdout');
  const lines = createInterface({ input: child.stdout });
  const first = once(lines, 'line');
  lines.on('line', onLine);
  const gone = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`ended before it was ready: ${String(code ?? signal)}`);
  });
  await Promise.race([first, gone]);
  gone.catch(() => undefined);
}

export interface Sent {
  readonly port: number;
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer;
  readonly svid: Partial<Svid>;
  readonly agent?: HttpsAgent;
  /** Sent as SNI and in `host`; else there is no SNI. */
  readonly servername?: string;
}

/** One HTTPS request, byte for byte as given. */
export function send({ port, path, method = 'POST', headers = {}, body, svid, agent, servername = '' }: Sent): Promise<Answer> {
  const length = body === undefined || 'transfer-encoding' in headers ? {} : { 'content-length': Buffer.byteLength(body) };
  const options: RequestOptions = {
    host: '127.0.0.1',
    port,
    path,
    method,
    ...svid,
    servername,
    checkServerIdentity: () => undefined,
    agent: agent ?? false,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...length,
      ...(servername === '' ? {} : { host: `${servername}:${port}` }),
      ...headers,
    },
  };
  return new Promise((resolve, reject) => {
    const req = request(options, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: res.statusCode ?? 0, headers: res.headers, text, json: jsonOf(text) });
      });
    });
    req.on('error', reject);
    req.end(body);
  });
}

function jsonOf(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}

const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };

/** A `tools/call` of MCP 2026-07-28 with its mirrored headers. */
export function toolCall(tool: string, args: object, server = 'bench'): Pick<Sent, 'path' | 'headers' | 'body'> {
  return {
    path: `/mcp/${server}`,
    headers: {
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': tool,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: args, _meta: META } }),
  };
}
