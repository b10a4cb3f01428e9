// The peer of the streams: nginx of the distribution, one worker, mTLS and forwarding and nothing else, with room for all of them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, send, type Svid } from '../../test/support/bed.ts';
import { until } from '../../test/support/until.ts';
import { childrenOf } from '../gateway/proc.ts';
import type { Nginx } from '../gateway/nginx.ts';

const confOf = (dir: string, port: number, upstream: number): string => `
${process.getuid?.() === 0 ? 'user root root;' : ''}
daemon off;
worker_processes 1;
pid ${dir}/pid;
error_log stderr crit;
events { worker_connections 18000; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${dir}/${kind};`).join(' ')}
  server {
    listen 127.0.0.1:${port} ssl backlog=4096;
    ssl_protocols TLSv1.3;
    ssl_certificate ${dir}/cert.pem;
    ssl_certificate_key ${dir}/key.pem;
    ssl_client_certificate ${dir}/ca.pem;
    ssl_verify_client on;
    ssl_verify_depth 3;
    ssl_session_tickets off;
    location / {
      proxy_pass http://127.0.0.1:${upstream};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 1h;
    }
  }
}
`;

/** Starts it in front of `upstream`, with an SVID of the same CA. @throws Error when it does not come up */
export async function startStreamingNginx(binary: string, svid: Svid, upstream: number): Promise<Nginx> {
  const dir = await mkdtemp(join(tmpdir(), 'cordon-bench-nginx-'));
  const [port = 0] = await freePorts(1);
  const files = { 'cert.pem': svid.cert, 'key.pem': svid.key, 'ca.pem': svid.ca, 'nginx.conf': confOf(dir, port, upstream) };
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
    // it answers 400 to who shows no certificate
    const strange = (): Promise<number | undefined> =>
      send({ port, path: '/', svid: { ca: svid.ca }, body: '{}' }).then(
        ({ status }) => status,
        () => undefined,
      );
    await until('nginx refuses strangers', async () => ((await strange()) === 400 ? true : undefined));
    return { port, pids: [child.pid ?? 0, ...childrenOf(child.pid ?? 0)], close };
  } catch (error) {
    await close();
    throw error;
  }
}
