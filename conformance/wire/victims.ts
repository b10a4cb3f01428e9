// What the same bytes do elsewhere: to a proxy that hands on what it gets, so that it is seen that a row can fail; and, where it is
// installed, to nginx, as a comparison.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { delimiter } from 'node:path';
import { existsSync } from 'node:fs';
import { freePorts } from '../../test/support/bed.ts';
import { until } from '../../test/support/until.ts';
import type { Attack } from './attack.ts';
import type { World } from './world.ts';

export interface Victim extends AsyncDisposable {
  readonly port: number;
}

/** A proxy as it is written in ten lines: node's lenient parser, and the body as it came. */
export async function openNaive({ callee, caller, bed }: World): Promise<Victim> {
  const tls = { cert: callee.cert, key: callee.key, ca: callee.ca };
  const server = createServer({ ...tls, requestCert: true, insecureHTTPParser: true }, (req, res) => {
    const { cert, key, ca } = caller;
    const onward = { cert, key, ca, servername: '', checkServerIdentity: () => undefined, agent: false as const };
    const up = request({ ...onward, host: '127.0.0.1', port: bed.ports.bench, method: 'POST', path: '/mcp' }, (reply) => {
      res.writeHead(reply.statusCode ?? 502);
      reply.pipe(res);
    });
    up.on('error', () => res.destroy());
    req.on('error', () => up.destroy());
    req.pipe(up);
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  const [port = 0] = await freePorts(1);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const programOf = (name: string): string | undefined =>
  (process.env['PATH'] ?? '')
    .split(delimiter)
    .concat('/usr/sbin')
    .map((dir) => join(dir, name))
    .find((file) => existsSync(file));

/** nginx with mTLS on both sides; undefined where it is not installed. */
export async function openNginx({ callee, caller, bed }: World): Promise<Victim | undefined> {
  const program = programOf('nginx');
  if (program === undefined) return undefined;
  const dir = await mkdtemp(join(tmpdir(), 'cordon-wire-'));
  const [port = 0] = await freePorts(1);
  const files = { 'cert.pem': callee.cert, 'key.pem': callee.key, 'ca.pem': callee.ca, 'up.pem': caller.cert, 'up-key.pem': caller.key };
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text, { mode: 0o600 });
  await writeFile(join(dir, 'nginx.conf'), confOf(dir, port, bed.ports.bench));
  const child = spawn(program, ['-c', join(dir, 'nginx.conf'), '-p', dir, '-e', join(dir, 'error.log')], { stdio: 'ignore' });
  await until('nginx listens', () => listens(port));
  return {
    port,
    async [Symbol.asyncDispose]() {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

const confOf = (dir: string, port: number, upstream: number): string => `
daemon off; master_process off; pid ${dir}/pid; error_log ${dir}/error.log;
events {}
http {
  access_log off; client_body_temp_path ${dir}/a; proxy_temp_path ${dir}/b; fastcgi_temp_path ${dir}/c; uwsgi_temp_path ${dir}/d; scgi_temp_path ${dir}/e;
  server {
    listen 127.0.0.1:${port} ssl; ssl_certificate ${dir}/cert.pem; ssl_certificate_key ${dir}/key.pem; ssl_protocols TLSv1.3;
    ssl_client_certificate ${dir}/ca.pem; ssl_verify_client on; ssl_verify_depth 3;
    location / {
      proxy_pass https://127.0.0.1:${upstream}; proxy_http_version 1.1; proxy_ssl_protocols TLSv1.3;
      proxy_ssl_certificate ${dir}/up.pem; proxy_ssl_certificate_key ${dir}/up-key.pem;
    }
  }
}
`;

/** HAProxy with mTLS on both sides; undefined where it is not installed. */
export async function openHaproxy({ callee, caller, bed }: World): Promise<Victim | undefined> {
  const program = programOf('haproxy');
  if (program === undefined) return undefined;
  const dir = await mkdtemp(join(tmpdir(), 'cordon-wire-'));
  const [port = 0] = await freePorts(1);
  const files = {
    'own.pem': callee.cert + callee.key,
    'ca.pem': callee.ca,
    'up.pem': caller.cert + caller.key,
    'haproxy.cfg': haproxyConfOf(dir, port, bed.ports.bench),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text, { mode: 0o600 });
  const child = spawn(program, ['-db', '-q', '-f', join(dir, 'haproxy.cfg')], { stdio: 'ignore' });
  await until('haproxy listens', () => listens(port));
  return {
    port,
    async [Symbol.asyncDispose]() {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

const haproxyConfOf = (dir: string, port: number, upstream: number): string => `
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend door
  bind 127.0.0.1:${port} ssl crt ${dir}/own.pem ca-file ${dir}/ca.pem verify required ssl-min-ver TLSv1.3
  default_backend tools
backend tools
  server bench 127.0.0.1:${upstream} ssl crt ${dir}/up.pem ca-file ${dir}/ca.pem verify none
`;

const listens = (port: number): Promise<true | undefined> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => (socket.destroy(), resolve(true)));
    socket.once('error', () => resolve(undefined));
  });

/** @returns ids of those that reached the upstream through the victim */
export async function through(world: World, victim: Victim, attacks: readonly Attack[]): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const { id, bytes } of attacks) {
    if (bytes === undefined) continue;
    const before = world.tools.reached.length;
    await world.say(bytes, { port: victim.port, withinMs: 250 });
    if (world.tools.reached.length > before) ids.push(id);
  }
  return ids;
}
