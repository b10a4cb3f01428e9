// Data planes that are not Cordon's own, in front of a server that keeps what reaches it: the programs of the distribution, with the
// configuration files of examples/data-planes as they are but for their addresses and paths.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { delimiter, join } from 'node:path';
import { generateKeyPem } from '../../src/crypto/x509.ts';
import type { Bed, Svid } from './bed.ts';
import { forge } from './forge.ts';
import { until } from './until.ts';

const EXAMPLES = new URL('../../examples/data-planes/', import.meta.url);

/** Debian puts some where the PATH of a user does not look. */
export const findProgram = (name: string): string | undefined =>
  [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'].map((dir) => join(dir, name)).find(existsSync);

/** Why tests with these cannot run here, or false. With `CI=true` a missing one is a failure, not a skip. */
export function missing(...names: readonly string[]): string | false {
  const absent = names.filter((name) => findProgram(name) === undefined);
  if (absent.length === 0) return false;
  const why = `not installed: ${absent.join(', ')} (apt-get install --no-install-recommends ${absent.join(' ')})`;
  if (process.env['CI'] === 'true') throw new Error(why);
  return why;
}

export interface Reached {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

export interface Upstream {
  readonly port: number;
  /** What has reached it since the last time. */
  take(): readonly Reached[];
  close(): void;
}

/** Answers every `tools/call` and keeps what came. */
export async function openUpstream(): Promise<Upstream> {
  let reached: Reached[] = [];
  const serve = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const body = (await buffer(req)).toString('utf8');
    const { method = '', url = '', headers, rawHeaders } = req;
    reached.push({ method, url, headers, rawHeaders, body });
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: { resultType: 'complete', content: [{ type: 'text', text: 'reached' }] } }));
  };
  const server = createServer((req, res) => void serve(req, res).catch(() => res.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    take(): readonly Reached[] {
      const taken = reached;
      reached = [];
      return taken;
    },
    close(): void {
      server.close();
      server.closeAllConnections();
    },
  };
}

export interface Running {
  readonly port: number;
  readonly pid: number;
  /** What it wrote to its standard error. */
  readonly said: () => string;
  close(): Promise<void>;
}

export interface PlaneStart {
  readonly bed: Pick<Bed, 'dir'>;
  readonly svid: Svid;
  readonly port: number;
  readonly upstream: number;
}

/** An example with the addresses and paths of this bed. */
async function exampleOf(path: string, { bed, port, upstream }: PlaneStart): Promise<string> {
  const text = await readFile(new URL(path, EXAMPLES), 'utf8');
  return text
    .replaceAll('/run/cordon/', `${bed.dir}/run/`)
    .replaceAll('/etc/cordon/edge/', `${bed.dir}/edge/`)
    .replaceAll('/etc/haproxy/', `${bed.dir}/edge/`)
    .replaceAll(/(127\.0\.0\.1|edge\.desk\.example):94\d\d/g, (_, host) => `${host === '127.0.0.1' ? host : 'localhost'}:${port}`)
    .replaceAll('127.0.0.1:9001', `127.0.0.1:${upstream}`)
    .replaceAll('mcp/ledger', 'mcp/bench');
}

async function writeSvid({ bed, svid }: PlaneStart): Promise<string> {
  const dir = join(bed.dir, 'edge');
  await mkdir(dir, { recursive: true });
  const files = { 'svid.pem': svid.cert, 'svid.key': svid.key, 'bundle.pem': svid.ca, 'svid-and-key.pem': svid.cert + svid.key };
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(dir, name), text, { mode: 0o600 })));
  return dir;
}

/** Starts a program and waits until it listens. */
async function start(program: string, args: readonly string[], port: number, env: NodeJS.ProcessEnv = process.env): Promise<Running> {
  const binary = findProgram(program);
  if (binary === undefined) throw new Error(`${program} is not installed`);
  const child = spawn(binary, args, { stdio: ['ignore', 'ignore', 'pipe'], env });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const gone = once(child, 'exit');
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  await until(`${program} listens`, async () => {
    if (child.exitCode !== null) throw new Error(`${program} ended: ${said}`);
    return (await listens(port)) || undefined;
  });
  return {
    port,
    pid: child.pid ?? 0,
    said: () => said,
    async close(): Promise<void> {
      kill();
      process.off('exit', kill);
      await gone;
    },
  };
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

export async function startNginx(parts: PlaneStart): Promise<Running> {
  const dir = await writeSvid(parts);
  const own = [
    process.getuid?.() === 0 ? 'user root root;' : '',
    'daemon off; master_process off; worker_processes 1; error_log stderr warn;',
    `pid ${dir}/nginx.pid;`,
  ].join('\n');
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${dir}/${kind};`).join(' ');
  const conf = (await exampleOf('nginx/nginx.conf', parts)).replace('http {', `http {\n  access_log off; ${places}`);
  await writeFile(join(dir, 'nginx.conf'), `${own}\n${conf}`);
  return start('nginx', ['-e', 'stderr', '-p', dir, '-c', join(dir, 'nginx.conf')], parts.port);
}

/** A certificate for the address, as a server of the web has one: Caddy finds its certificates by host name. */
export async function webCertificate(now: number): Promise<Pick<Svid, 'cert' | 'key'>> {
  const key = await generateKeyPem();
  const names = [{ type: 'dns', value: 'localhost' }] as const;
  const cert = await forge({ uri: 'https://localhost', key, names: [...names], notBefore: now - 60_000, notAfter: now + 3_600_000 });
  return { cert, key: key.privateKey };
}

export async function startCaddy(parts: PlaneStart, web: Pick<Svid, 'cert' | 'key'>): Promise<Running> {
  const dir = await writeSvid(parts);
  await writeFile(join(dir, 'Caddyfile'), await exampleOf('caddy/Caddyfile', parts));
  await Promise.all(
    Object.entries({ 'server.pem': web.cert, 'server.key': web.key }).map(([name, text]) => writeFile(join(dir, name), text)),
  );
  const env = { ...process.env, HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir };
  return start('caddy', ['run', '--adapter', 'caddyfile', '--config', join(dir, 'Caddyfile')], parts.port, env);
}

/** `cordon`: the port where Cordon is asked over mTLS, as the comment of the example has it, in place of the socket. */
export async function startHaproxy(parts: PlaneStart, cordon?: number): Promise<Running> {
  const dir = await writeSvid(parts);
  const config = await exampleOf('haproxy/haproxy.cfg', parts);
  const remote = config.replace(/^ *server cordon unix.*$/m, '').replace(/# (server cordon) [\w.-]+:\d+/, `$1 127.0.0.1:${cordon}`);
  await writeFile(join(dir, 'haproxy.cfg'), cordon === undefined ? config : remote);
  await writeFile(join(dir, 'spoe-cordon.conf'), await exampleOf('haproxy/spoe-cordon.conf', parts));
  return start('haproxy', ['-db', '-f', join(dir, 'haproxy.cfg')], parts.port);
}
