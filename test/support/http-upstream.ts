// An HTTP API behind the gateway: it keeps every request as it came, byte for byte where that matters, and answers as the path asks.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';

export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly string[];
  readonly body: string;
}

export interface HttpUpstream {
  readonly port: number;
  readonly server: Server;
  readonly received: Received[];
  /** Of streams: those that were seen to close. */
  readonly closed: string[];
  close(): Promise<void>;
}

export const headersOf = ({ headers }: Received): ReadonlyMap<string, string> =>
  new Map(headers.flatMap((name, at) => (at % 2 === 0 ? [[name.toLowerCase(), headers[at + 1] ?? ''] as const] : [])));

export async function openHttpUpstream(): Promise<HttpUpstream> {
  const received: Received[] = [];
  const closed: string[] = [];
  const server = createServer((req, res) => {
    void (async () => {
      const body = (await buffer(req)).toString('utf8');
      received.push({ method: req.method ?? '', url: req.url ?? '', headers: req.rawHeaders, body });
      res.once('close', () => closed.push(req.url ?? ''));
      answer(req, res, body);
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    port,
    server,
    received,
    closed,
    async close(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answer(req: IncomingMessage, res: ServerResponse, body: string): void {
  const path = (req.url ?? '').split('?')[0] ?? '';
  const json = (value: object, headers: Record<string, string | string[]> = {}): void => {
    res.writeHead(200, { 'content-type': 'application/json', ...headers });
    res.end(JSON.stringify(value));
  };
  if (path.endsWith('/events')) {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.write('data: one\n\n');
    return;
  }
  if (path.endsWith('/moved')) {
    const location = new URL(req.url ?? '', 'http://api').searchParams.get('to') ?? `http://${req.headers.host ?? ''}/v1/invoices/9?x=1`;
    res.writeHead(302, { location, 'content-length': '0' });
    res.end();
    return;
  }
  if (path.endsWith('/denied')) {
    res.writeHead(401, { 'www-authenticate': 'Basic realm="upstream"' });
    res.end();
    return;
  }
  if (path.endsWith('/gone')) {
    res.writeHead(204).end();
    return;
  }
  if (path.endsWith('/large')) {
    res.writeHead(200, { 'content-type': 'application/octet-stream' });
    res.end(Buffer.alloc(200_000, 7));
    return;
  }
  if (req.method === 'HEAD') {
    res.writeHead(200, { 'content-type': 'text/plain' }).end();
    return;
  }
  if (path.endsWith('/trailers')) {
    res.writeHead(200, { 'content-type': 'text/plain', trailer: 'server-timing, x-secret' });
    res.write('body');
    res.addTrailers({ 'server-timing': 'db;dur=53', 'x-secret': 'kept' });
    res.end();
    return;
  }
  json(
    { path: req.url, body },
    {
      'set-cookie': 'session=upstream',
      connection: 'keep-alive, x-hop',
      'x-hop': '1',
      'alt-svc': 'h3=":443"',
      etag: '"7"',
    },
  );
}
