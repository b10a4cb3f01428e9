// What stands between the suite, which speaks plain HTTP, and the gateway: a server on loopback that holds the SVID of a run. It checks
// Host and Origin as such a server must (DNS rebinding) and judges nothing else; bytes go through as they come, both ways.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';

export interface RelayOptions {
  readonly port: number;
  readonly path: string;
  readonly svid: { readonly cert: string; readonly key: string; readonly ca: string };
}

export interface Relay {
  readonly url: string;
  close(): Promise<void>;
}

const LOCAL = /^(?:https?:\/\/)?(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/;

export async function startRelay({ port, path, svid }: RelayOptions): Promise<Relay> {
  const agent = new Agent({ ...svid, keepAlive: true, minVersion: 'TLSv1.3', checkServerIdentity: () => undefined });
  const server = createServer((req, res) => {
    const { host = '', origin } = req.headers;
    if (LOCAL.test(host) && (origin === undefined || LOCAL.test(origin))) return forward(req, res, { port, path, agent });
    res.writeHead(403).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    async close(): Promise<void> {
      server.closeAllConnections();
      agent.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function forward(
  req: IncomingMessage,
  res: ServerResponse,
  to: { readonly port: number; readonly path: string; readonly agent: Agent },
): void {
  const { connection: _hop, origin: _checked, host: _own, 'keep-alive': _timer, ...headers } = req.headers;
  const onward = request({ ...to, host: '127.0.0.1', method: req.method ?? 'GET', headers }, (answer) => {
    const { connection: _theirs, 'keep-alive': _their, ...rest } = answer.headers;
    res.writeHead(answer.statusCode ?? 502, rest);
    res.flushHeaders();
    pipeline(answer, res, () => undefined);
  });
  onward.on('error', () => res.destroy());
  res.on('close', () => onward.destroy());
  pipeline(req, onward, () => undefined);
}
