// The peer: nginx of the distribution, doing mTLS and forwarding and nothing else. No access log, no decision.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts, send, type Svid } from '../../test/support/bed.ts';
import { childrenOf } from './proc.ts';

export interface Nginx {
  readonly port: number;
  /** Master and worker. */
  readonly pids: readonly number[];
  close(): Promise<void>;
}

export const INSTALL = 'apt-get update && apt-get install -y nginx-light';

/** Debian puts it where the PATH of a user does not look. */
export const findNginx = (): string | undefined =>
  [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'].map((dir) => join(dir, 'nginx')).find(existsSync);

/** Where nginx asks before it forwards. */
const ASKING = `
    location = /_ask {
      internal;
      proxy_pass http://asked;
      proxy_http_version 1.1;
      proxy_pass_request_body off;
      proxy_set_header Connection "";
      proxy_set_header Content-Length "";
      proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
    }`;

const confOf = (dir: string, port: number, upstream: number, ask?: string): string => `
${process.getuid?.() === 0 ? 'user root root;' : ''}
daemon off;
worker_processes 1;
pid ${dir}/pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_timeout 300s;
  keepalive_requests 100000000;
  client_body_buffer_size 64k;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${dir}/${kind};`).join(' ')}
  upstream tools {
    server 127.0.0.1:${upstream};
    keepalive 64;
    keepalive_timeout 300s;
    keepalive_requests 100000000;
  }
  ${ask === undefined ? '' : `upstream asked { server unix:${ask}; keepalive 64; keepalive_requests 100000000; }`}
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_protocols TLSv1.3;
    ssl_certificate ${dir}/cert.pem;
    ssl_certificate_key ${dir}/key.pem;
    ssl_client_certificate ${dir}/ca.pem;
    ssl_verify_client on;
    ssl_verify_depth 3;
    ssl_session_tickets off;
${ask === undefined ? '' : ASKING}
    location / {
      ${ask === undefined ? '' : 'auth_request /_ask;'}
      proxy_pass http://tools;
      # both lines, or every call opens a connection to the upstream
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`;

/** Starts it in front of `upstream`, with an SVID of the same CA; `ask`: the socket where it asks. @throws Error when it does not come up or lets a stranger in */
export async function startNginx(binary: string, svid: Svid, upstream: number, ask?: string): Promise<Nginx> {
  const dir = await mkdtemp(join(tmpdir(), 'cordon-bench-nginx-'));
  const [port = 0] = await freePorts(1);
  const files = { 'cert.pem': svid.cert, 'key.pem': svid.key, 'ca.pem': svid.ca, 'nginx.conf': confOf(dir, port, upstream, ask) };
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(dir, name), text, { mode: 0o600 })));
  const child = spawn(binary, ['-e', 'stderr', '-p', dir, '-c', join(dir, 'nginx.conf')], { stdio: ['ignore', 'inherit', 'inherit'] });
  const gone = once(child, 'exit');
  const kill = (): boolean => child.kill('SIGTERM');
  process.once('exit', kill);
  const close = async (): Promise<void> => {
    kill();
    await gone;
    process.off('exit', kill);
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await refusesStrangers(port, svid.ca, () => child.exitCode !== null);
    return { port, pids: [child.pid ?? 0, ...childrenOf(child.pid ?? 0)], close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** nginx answers 400 to who shows no certificate: it is up, and it does mTLS. */
async function refusesStrangers(port: number, ca: string, ended: () => boolean): Promise<void> {
  for (let tries = 0; tries < 100 && !ended(); tries++) {
    const answer = await send({ port, path: '/', svid: { ca }, body: '{}' }).catch(() => undefined);
    if (answer?.status === 400) return;
    if (answer !== undefined) throw new Error(`nginx answers ${answer.status} to a caller without a certificate`);
    await sleep(50);
  }
  throw new Error('nginx does not start');
}
