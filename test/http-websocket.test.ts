// WebSockets of HTTP APIs: a client of undici through the gateway and mTLS to a server, and what neither side may do.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { Agent, WebSocket, type MessageEvent } from 'undici';
import { openBed, POLICIES, type Bed, type Svid } from './support/bed.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { until } from './support/until.ts';
import { openWebSocketUpstream, type WebSocketUpstream } from './support/websocket-upstream.ts';

const API = (port: number): string => `
  live:
    segment: tools
    http:
      url: http://127.0.0.1:${port}
      allowPlaintextLoopback: true
      credential: { secret: { env: LIVE_KEY } }
      routes:
        socket: { route: "GET /rooms/{room}", query: { mode: string }, websocket: { origins: ["https://desk.example"] } }
        plain: GET /plain
`;

let bed: Bed;
let upstream: WebSocketUpstream;
let caller: Svid;

before(async () => {
  upstream = await openWebSocketUpstream();
  process.env['LIVE_KEY'] = 'live-key';
  bed = await openBed({
    policies: `${POLICIES}@id("rooms") permit (principal == Agent::"caller", action == Action::"live/socket", resource) when { context.input.room != "secret" };
      @id("plain") permit (principal == Agent::"caller", action == Action::"live/plain", resource);`,
    configure: (yaml) => yaml.replace('\npolicies:', `${API(upstream.port)}\npolicies:`),
  });
  await bed.ready();
  caller = await bed.svid('caller');
});
after(async () => {
  await (bed as Bed | undefined)?.close();
  await upstream.close();
});

const openCalls = async (): Promise<number> =>
  ((await bed.control('GET', '/v1/status')).json as { gateway: { openCalls: number } }).gateway.openCalls;

function client(
  path: string,
  protocols: string[] = [],
  svid = caller,
): { readonly socket: WebSocket; readonly close: () => Promise<void> } {
  const { cert, key, ca } = svid;
  const dispatcher = new Agent({ connect: { cert, key, ca, servername: '', checkServerIdentity: () => undefined } });
  const socket = new WebSocket(`wss://127.0.0.1:${bed.ports.gateway}/api/live${path}`, { dispatcher, protocols });
  socket.addEventListener('error', () => undefined);
  return { socket, close: () => dispatcher.destroy() };
}

const opened = (socket: WebSocket): Promise<unknown> => once(socket, 'open');
const ended = (socket: WebSocket): Promise<unknown> => new Promise((resolve) => socket.addEventListener('close', resolve, { once: true }));

/** A handshake byte for byte, and the first thing that is answered. */
async function raw(lines: readonly string[], svid = caller): Promise<{ readonly head: string; readonly socket: TLSSocket }> {
  const { cert, key, ca } = svid;
  const socket = connect({
    host: '127.0.0.1',
    port: bed.ports.gateway,
    cert,
    key,
    ca,
    servername: '',
    checkServerIdentity: () => undefined,
  });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  socket.write([...lines, '', ''].join('\r\n'));
  const [first] = (await once(socket, 'data')) as [Buffer];
  return { head: first.toString(), socket };
}

const HANDSHAKE = {
  host: 'gateway',
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};
const linesOf = (path: string, headers: Readonly<Record<string, string | undefined>>): readonly string[] => [
  `GET /api/live${path} HTTP/1.1`,
  ...Object.entries<string | undefined>({ ...HANDSHAKE, ...headers }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  ),
];

describe('a WebSocket through the gateway', () => {
  void test('[RFC6455 §4] messages go both ways; the API sees the credential and nothing of the caller, and both have a key of their own', async () => {
    const { socket, close } = client('/rooms/a', ['chat', 'other']);
    await opened(socket);
    assert.equal(socket.protocol, 'chat');
    const said: unknown[] = [];
    for (const text of ['one', 'two']) {
      socket.send(text);
      said.push(((await once(socket, 'message')) as [MessageEvent])[0].data);
    }
    assert.deepEqual(said, ['one', 'two']);
    const handshake = upstream.handshakes.at(-1);
    assert.equal(handshake?.url, '/rooms/a');
    assert.equal(handshake.headers.authorization, 'Bearer live-key');
    assert.equal(handshake.headers['sec-websocket-extensions'], undefined, 'no permessage-deflate');
    assert.equal(await openCalls(), 1);
    socket.close();
    await ended(socket);
    await close();
    await until('the call has ended', async () => ((await openCalls()) === 0 ? true : undefined));
    await signedAll(bed);
    const { outcomes } = await readLog(bed);
    const last = outcomes.at(-1) as { status: string; bytes: number; bytes_in: number; upstream_status: number };
    assert.deepEqual([last.status, last.upstream_status, last.bytes > 5, last.bytes_in > 15], ['completed', 101, true, true]);
  });

  void test('[I6] `off` cuts it at both ends', async () => {
    const { socket, close } = client('/rooms/b');
    await opened(socket);
    const gone = ended(socket);
    assert.equal(upstream.open.size, 1);
    assert.equal((await bed.control('POST', '/v1/agents/caller/level', { level: 'off', reason: 'test' })).status, 200);
    await gone;
    await until('the API saw it close', () => (upstream.open.size === 0 ? true : undefined));
    await bed.control('POST', '/v1/agents/caller/level', { level: 'normal', reason: 'test' });
    await close();
    await signedAll(bed);
    assert.equal((await readLog(bed)).outcomes.at(-1)?.status, 'cut');
  });

  void test('[I10] whoever does not read makes the other side wait, in both directions', async () => {
    const { socket: deaf } = await raw(linesOf('/rooms/c?mode=flood', {}));
    deaf.pause();
    const { head, socket } = await raw(linesOf('/rooms/d?mode=silent', {}));
    assert.match(head, /^HTTP\/1\.1 101 /);
    const chunk = Buffer.alloc(1 << 20);
    let written = 0;
    while (written < 256 && socket.write(chunk)) written++;
    assert.ok(written < 256, 'the gateway takes what nobody reads');
    deaf.destroy();
    socket.destroy();
    for (const side of upstream.open) side.destroy();
    await until('both calls have ended', async () => ((await openCalls()) === 0 ? true : undefined));
  });

  for (const [what, path, headers, status] of [
    ['a web page of another origin', '/rooms/a', { origin: 'https://evil.example' }, 403],
    ['the origin `null`', '/rooms/a', { origin: 'null' }, 403],
    ['another version', '/rooms/a', { 'sec-websocket-version': '8' }, 400],
    ['no key', '/rooms/a', { 'sec-websocket-key': undefined }, 400],
    ['a key of another length', '/rooms/a', { 'sec-websocket-key': 'YWJj' }, 400],
    ['a subprotocol that is no token', '/rooms/a', { 'sec-websocket-protocol': 'a b' }, 400],
    ['a body', '/rooms/a', { 'content-length': '3' }, 400],
    ['h2c', '/rooms/a', { upgrade: 'h2c' }, 400],
    ['two protocols at once', '/rooms/a', { upgrade: 'websocket, h2c' }, 400],
    ['a `connection` that names a header', '/rooms/a', { connection: 'Upgrade, authorization' }, 400],
    ['a route that is none', '/plain', {}, 400],
    ['a path that nothing has', '/elsewhere', {}, 404],
    ['what policy denies', '/rooms/secret', {}, 403],
    ['a path trick', '/rooms/..%2fplain', {}, 400],
  ] as const) {
    void test(`is refused: ${what}`, async () => {
      const from = upstream.handshakes.length;
      const { head, socket } = await raw(linesOf(path, headers));
      assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} `), head);
      await (socket.closed || once(socket, 'close'));
      assert.equal(upstream.handshakes.length, from);
    });
  }

  void test('a page of a listed origin may open it', async () => {
    const { head, socket } = await raw(linesOf('/rooms/a', { origin: 'https://desk.example' }));
    assert.match(head, /^HTTP\/1\.1 101 /);
    assert.doesNotMatch(head, /set-cookie/i);
    assert.match(head, /sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/, 'RFC 6455 §1.3');
    socket.destroy();
  });

  for (const mode of ['forged', 'extension', 'protocol']) {
    void test(`[RFC6455 §4.1] an API that answers the handshake wrongly is not connected: ${mode}`, async () => {
      const { head } = await raw(linesOf(`/rooms/a?mode=${mode}`, {}));
      assert.match(head, /^HTTP\/1\.1 502 /);
      await until('its connection is closed', () => (upstream.open.size === 0 ? true : undefined));
    });
  }
});
