// A proxy on loopback for programs that cannot do mTLS: whoever knows its password calls the gateway as this run. It judges nothing; what
// it is asked goes to the gateway as it came, and the answers come back so. Standards: RFC 9110 §9.3.6, RFC 9112 §3.2.2, RFC 7617.
// attacker-controlled: every other process of the machine can connect, and proves with each request that it was told the password
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { request as requestTls } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline, type Duplex } from 'node:stream';
import type { Agent } from 'undici';
import { sha256Hex } from '../crypto/hash.ts';
import { randomSecret } from '../crypto/random.ts';
import { errorCodeOf } from '../domain/refusal.ts';
import { GATEWAY_NAME } from '../domain/registry.ts';
import { connectionTo, type Trust } from './channel.ts';

export interface LocalProxy {
  /** `http://cordon:PASSWORD@127.0.0.1:PORT`, for HTTP_PROXY and HTTPS_PROXY. Secret: it calls as this run. */
  readonly url: string;
  close(): Promise<void>;
}

export interface LocalProxyParts {
  readonly gateway: URL;
  /** To the gateway, as the run. */
  readonly agent: () => Agent;
  readonly trust: () => Trust;
}

const USER = 'cordon';
/** Of the machine, so that nobody who has no password can hold more. INVARIANT I10 */
const BOUNDS = { headersTimeout: 10_000, maxHeaderSize: 32_768, keepAliveTimeout: 30_000, requestTimeout: 0 };
const MOST_CONNECTIONS = 512;

/** Of one connection, and of this proxy: they end here (RFC 9110 §7.6.1). */
const HOP = new Set('connection keep-alive proxy-connection proxy-authorization proxy-authenticate te trailer transfer-encoding upgrade expect host'.split(' ')); // prettier-ignore

/** @throws Error when loopback has no free port */
export async function serveProxy(parts: LocalProxyParts): Promise<LocalProxy> {
  const secret = randomSecret();
  const expected = sha256Hex(`Basic ${Buffer.from(`${USER}:${secret}`).toString('base64')}`);
  // digests are compared, so that the time it takes says nothing of the password
  const isKnown = ({ headers }: IncomingMessage): boolean => sha256Hex(headers['proxy-authorization'] ?? '') === expected;
  const server = createServer(BOUNDS, (req, res) => {
    if (isKnown(req)) void carry(parts, req, res, targetOf(req.url));
    else refuse(res, 407, 'the proxy of `cordon run` wants the password that is in HTTP_PROXY');
  });
  // what is said in a tunnel to the gateway's name: some clients, Node's `fetch` among them, ask for one whatever the scheme is
  const inner = createServer(BOUNDS, (req, res) => void carry(parts, req, res, ownTarget(req.url)));
  server.maxConnections = MOST_CONNECTIONS;
  const tunnels = new Set<Duplex>();
  server.on('connect', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    tunnels.add(socket.once('close', () => tunnels.delete(socket)));
    if (!isKnown(req)) return refuseTunnel(socket, 407, 'the proxy of `cordon run` wants the password that is in HTTPS_PROXY');
    if (req.url === `${GATEWAY_NAME}:80`) return standIn(inner, socket, head);
    tunnel(parts, req, { socket, head });
  });
  for (const one of [server, inner])
    one.on('upgrade', (_req, socket: Duplex) => refuseTunnel(socket, 501, 'connections are not upgraded here'));
  const port = await listen(server);
  return {
    url: `http://${USER}:${secret}@127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        for (const socket of tunnels) socket.destroy();
      }),
  };
}

const listen = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      server.off('error', reject);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a TCP server that listens has
      resolve((server.address() as AddressInfo).port);
    });
  });

/** What a request goes to; `path` as the gateway is asked, letter for letter: it compares paths as they were sent. */
interface Target {
  /** Absent: the gateway itself. */
  readonly host?: string;
  readonly path: string;
}

/** Of a request in absolute form, for a host outside or for the gateway itself. */
function targetOf(url = ''): Target | undefined {
  const target = URL.parse(url);
  if (target?.protocol !== 'http:') return undefined;
  return target.host === GATEWAY_NAME ? ownTarget(url.slice('http://'.length + GATEWAY_NAME.length)) : { host: target.host, path: url };
}

const ownTarget = (path = ''): Target => ({ path: path.startsWith('/') ? path : `/${path}` });

/** Never rejects. */
async function carry({ agent, gateway }: LocalProxyParts, req: IncomingMessage, res: ServerResponse, to?: Target): Promise<void> {
  if (to === undefined) return refuse(res, 400, `ask for http://${GATEWAY_NAME}/… or http://HOST/…`);
  const abort = new AbortController();
  res.once('close', () => abort.abort());
  try {
    const { statusCode, headers, body } = await agent().request({
      origin: gateway.origin,
      path: to.path,
      method: req.method ?? '',
      headers: [...handedOn(req.rawHeaders), 'host', to.host ?? gateway.host],
      body: hasBody(req) ? req : null,
      signal: abort.signal,
      responseHeaders: 'raw',
    });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what `responseHeaders: 'raw'` makes of them
    res.writeHead(statusCode, handedOn(headers as unknown as readonly (string | Buffer)[]));
    pipeline(body, res, () => undefined); // whichever side ends first, both are over
  } catch (error) {
    refuse(res, 502, `Cordon cannot be reached: ${errorCodeOf(error) ?? 'the connection broke'}`);
  }
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';

function handedOn(raw: readonly (string | Buffer)[]): string[] {
  const pairs = raw.map(String).flatMap((name, i, all) => (i % 2 === 0 ? [[name, all[i + 1] ?? ''] as const] : []));
  const connection = pairs.filter(([name]) => name.toLowerCase() === 'connection');
  const named = new Set(connection.flatMap(([, value]) => value.toLowerCase().split(/\s*,\s*/)));
  return pairs.filter(([name]) => !HOP.has(name.toLowerCase()) && !named.has(name.toLowerCase())).flat();
}

/** A tunnel to the gateway's name ends here, and what is said in it is carried like any request. */
function standIn(inner: Server, socket: Duplex, head: Buffer): void {
  socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
  socket.unshift(head);
  inner.emit('connection', socket);
}

/** A tunnel of the gateway's; its refusal comes back like its yes. */
function tunnel({ gateway, trust }: LocalProxyParts, { url = '' }: IncomingMessage, near: { socket: Duplex; head: Buffer }): void {
  const { socket, head } = near;
  socket.on('error', () => socket.destroy());
  if (url.startsWith(`${GATEWAY_NAME}:`)) {
    return refuseTunnel(socket, 400, `call it as http://${GATEWAY_NAME}/…: the proxy encrypts what leaves this machine`);
  }
  const asked = requestTls({
    ...connectionTo(trust()),
    agent: false,
    host: gateway.hostname.replace(/^\[|\]$/g, ''),
    port: gateway.port === '' ? 443 : gateway.port,
    method: 'CONNECT',
    path: url,
    headers: { host: url },
  });
  socket.once('close', () => asked.destroy());
  asked.once('error', () => refuseTunnel(socket, 502, 'Cordon cannot be reached'));
  asked.once('connect', (answer: IncomingMessage, far: Duplex, rest: Buffer) => {
    const lines = [`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`];
    for (let i = 0; i < answer.rawHeaders.length; i += 2) lines.push(`${answer.rawHeaders[i]}: ${answer.rawHeaders[i + 1]}`);
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    far.unshift(rest);
    socket.unshift(head);
    const end = (): void => void [socket.destroy(), far.destroy()];
    pipeline(far, socket, end);
    pipeline(socket, far, () => undefined);
  });
  asked.end();
}

const problemOf = (status: number, detail: string): string => JSON.stringify({ title: 'the local proxy of Cordon', status, detail });

function headersOf(status: number, body: string): Record<string, string | number> {
  return {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    ...(status === 407 ? { 'proxy-authenticate': 'Basic realm="cordon"' } : {}),
  };
}

function refuse(res: ServerResponse, status: number, detail: string): void {
  if (res.headersSent) return void res.destroy();
  const body = problemOf(status, detail);
  res.writeHead(status, { ...headersOf(status, body), connection: 'close' });
  res.end(body);
}

function refuseTunnel(socket: Duplex, status: number, detail: string): void {
  socket.on('error', () => socket.destroy());
  if (!socket.writable) return void socket.destroy();
  const body = problemOf(status, detail);
  const headers = Object.entries(headersOf(status, body)).map(([name, value]) => `${name}: ${value}`);
  socket.end([`HTTP/1.1 ${status} Refused`, ...headers, 'connection: close', '', body].join('\r\n'));
}
