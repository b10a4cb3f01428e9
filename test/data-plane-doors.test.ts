// The ways in for data planes: who is let in to ask, over a unix socket and over mTLS, and what a question must look like.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { generateKeyPem } from '../src/crypto/x509.ts';
import { varint } from '../src/gateway/external/spop/typed.ts';
import { renderWhy } from '../src/cli/explain.ts';
import { createPaint } from '../src/cli/paint.ts';
import { freePorts, openBed, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';
import { forge } from './support/forge.ts';
import { until } from './support/until.ts';

const API = `  billing:
    segment: tools
    http:
      url: http://127.0.0.1:1/
      allowPlaintextLoopback: true
      routes:
        get: GET /invoices/{id}
        pay: { route: "POST /invoices/{id}/payments", body: { type: object } }
`;

let bed: Bed;
let port: number;
let caller: Svid;
let plane: Svid & { readonly run: string };

before(async () => {
  [port = 0] = await freePorts(1);
  const planeOf = (name: string, door: string): string =>
    `  ${name}: { protocol: auth_request, url: "https://edge.example", ${door}, routes: { mcp/bench: { headersOnly: true }, api/billing: {} } }\n`;
  bed = await openBed({
    policies: `@id("echoes") permit (principal == Agent::"caller", action == Action::"bench/echo", resource);
@id("reads") permit (principal == Agent::"caller", action == Action::"billing/get", resource) when { context.input.id != "8" };
@id("pays") permit (principal == Agent::"caller", action == Action::"billing/pay", resource);`,
    configure: (yaml) =>
      [
        yaml.replace('resources:\n', `resources:\n  edge: { segment: tools, mcp: { stdio: ["false"] } }\n${API}`),
        'dataPlanes:\n',
        planeOf('open', 'socket: run/open.sock, access: owner'),
        planeOf('ours', `socket: run/ours.sock, uids: [${process.getuid?.() ?? 0}]`),
        planeOf('theirs', 'socket: run/theirs.sock, uids: [54321]'),
        planeOf('frames', 'socket: run/frames.sock, access: owner').replace('auth_request', 'spoe').replace('{ headersOnly: true }', '{}'),
        planeOf('remote', `listen: "127.0.0.1:${port}", workload: edge`),
      ].join(''),
  });
  caller = await bed.svid('caller');
  plane = await bed.svid('edge', 'resource');
  await until(
    'the policies are in force',
    async () => (await over('open', { ...SUBREQUEST, ...certified(caller) })).status === 204 || undefined,
  );
});
after(() => (bed as Bed | undefined)?.close());

const { headers: said } = toolCall('echo', { text: 'x' });
const SUBREQUEST = { ...said, 'x-original-uri': '/mcp/bench', 'x-original-method': 'POST' };
const certified = (svid: Pick<Svid, 'cert'>): Record<string, string> => ({ 'x-cordon-client-cert': encodeURIComponent(svid.cert) });

interface Told {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

async function over(socket: string, headers: Readonly<Record<string, string | readonly string[] | undefined>>): Promise<Told> {
  const sent = Object.fromEntries(Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
  const req = httpRequest({
    socketPath: join(bed.dir, 'run', `${socket}.sock`),
    path: '/',
    headers: sent as Record<string, string>,
    agent: false,
  });
  req.end();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  return { status: res.statusCode ?? 0, headers: res.headers, text: await text(res) };
}

const ask = (svid: Partial<Svid>, agent?: Agent): Promise<Answer> =>
  send({
    port,
    path: '/',
    method: 'GET',
    svid,
    headers: { ...(SUBREQUEST as Record<string, string>), ...certified(caller) },
    ...(agent && { agent }),
  });

const last = async (): Promise<Record<string, unknown>> => {
  const { items } = (await bed.control('GET', '/v1/decisions?limit=1')).json as { items: Record<string, unknown>[] };
  return items[0] ?? {};
};

const word = (value: string): Buffer => Buffer.concat([varint(value.length), Buffer.from(value)]);
const text8 = (key: string, value: string): Buffer => Buffer.concat([word(key), Uint8Array.of(8), word(value)]);

function framed(type: number, stream: number, payload: Uint8Array): Buffer {
  const body = Buffer.concat([Uint8Array.of(type, 0, 0, 0, 1, stream, stream), payload]);
  return Buffer.concat([Uint8Array.of(0, 0, body.length >> 8, body.length & 255), body]);
}

void describe('who may ask', () => {
  void test('[I5] the user that the kernel names, and nobody else', async () => {
    assert.equal((await over('ours', { ...SUBREQUEST, ...certified(caller) })).status, 204);
    const socket = connect(join(bed.dir, 'run/theirs.sock'));
    await once(socket, 'close');
  });

  void test('[I5] the one workload that shows its SVID, and nobody else', async () => {
    assert.equal((await ask(plane)).status, 204);
    const key = await generateKeyPem();
    const now = Date.now();
    const own = await forge({ uri: 'spiffe://test.example/resource/edge/run/X', key, notBefore: now - 60_000, notAfter: now + 60_000 });
    const strangers: readonly (readonly [svid: Partial<Svid>, code: string])[] = [
      [{ ca: plane.ca }, 'CORDON-1001'],
      [{ ca: plane.ca, cert: own, key: key.privateKey }, 'CORDON-1004'],
      [caller, 'CORDON-1014'],
      [await bed.svid('bench', 'resource'), 'CORDON-1014'],
    ];
    for (const [svid, code] of strangers) {
      await assert.rejects(ask(svid));
      assert.equal((await last())['code'], code);
    }
  });

  void test('[I6] a data plane whose run is revoked is cut, and let in no more', async () => {
    const gone = await bed.svid('edge', 'resource');
    const agent = new Agent({ keepAlive: true });
    assert.equal((await ask(gone, agent)).status, 204);
    const [socket] = Object.values(agent.freeSockets).flat();
    const closed = socket && once(socket, 'close');
    const revoked = await bed.control('POST', '/v1/revocations', { kind: 'run', id: gone.run, reason: 'test' });
    assert.equal(revoked.status, 200, revoked.text);
    await closed;
    await assert.rejects(ask(gone));
    agent.destroy();
  });
});

void describe('what is asked', () => {
  const CASES: readonly (readonly [
    why: string,
    headers: Readonly<Record<string, string | readonly string[] | undefined>>,
    status: number,
    code: string,
  ])[] = [
    ['nobody', { ...SUBREQUEST }, 401, 'CORDON-1001'],
    ['somebody unreadable', { ...SUBREQUEST, 'x-cordon-client-cert': 'x' }, 401, 'CORDON-1006'],
    ['no target', { 'x-original-uri': undefined }, 403, 'CORDON-3003'],
    ['two targets', { 'x-original-uri': ['/mcp/bench', '/mcp/other'] }, 403, 'CORDON-3011'],
    ['two methods', { 'x-original-method': ['GET', 'POST'] }, 403, 'CORDON-3011'],
    ['another method', { 'x-original-method': 'DELETE' }, 403, 'CORDON-3008'],
    ['an absolute target', { 'x-original-uri': 'https://edge/mcp/bench' }, 403, 'CORDON-3003'],
    ['a route that is not its own', { 'x-original-uri': '/a2a/callee/.well-known/agent-card.json' }, 403, 'CORDON-3003'],
    ['a name of a tool that is not canonical', { 'mcp-name': '=?base64?ZWNob?=' }, 403, 'CORDON-3011'],
    ['a session that an older revision has', { 'mcp-protocol-version': '2025-11-25' }, 403, 'CORDON-3009'],
    ['a look-alike', { x_original_uri: '/mcp/other' }, 403, 'CORDON-3011'],
    ['another method in a header', { 'x-http-method-override': 'DELETE' }, 403, 'CORDON-3011'],
    ['another path in a header', { 'x-original-url': '/mcp/other' }, 403, 'CORDON-3011'],
    ['a WebSocket', { upgrade: 'websocket' }, 403, 'CORDON-9011'],
  ];
  for (const [why, headers, status, code] of CASES) {
    void test(`[Auth-request] [I3] is answered and recorded: ${why}`, async () => {
      const anyone = why === 'nobody' || why.startsWith('somebody') ? {} : certified(caller);
      const told = await over('open', { ...SUBREQUEST, ...anyone, ...headers });
      assert.equal(told.status, status, told.text);
      const record = await last();
      assert.deepEqual([record['code'], record['enforced_by'], told.headers['cordon-decision']], [code, 'open', record['id']]);
      assert.equal(told.headers['cordon-problem'], told.text);
      if (status === 401) assert.match(String(told.headers['www-authenticate']), /mTLS/);
    });
  }

  void test('[I10] headers beyond the bound are not read', async () => {
    const told = await over('open', { ...SUBREQUEST, 'x-filler': 'x'.repeat(100_000) }).catch((error: unknown) => error);
    assert.ok(told instanceof Error || (told as Told).status === 431);
  });

  void test('[U2] `cordon why` says who enforced it on what', async () => {
    await over('open', { ...SUBREQUEST, ...certified(caller) });
    const why = (await bed.control('GET', `/v1/decisions/${String((await last())['id'])}`)).json as unknown as Parameters<
      typeof renderWhy
    >[1];
    assert.match(renderWhy(createPaint(false, false, {}), why).join('\n'), /enforced +by open, body unseen; no outcome on record/);
  });
});

void describe('an HTTP API, of which method and path say it all', () => {
  const asked = (method: string, target: string): Promise<Told> =>
    over('open', { 'x-original-uri': target, 'x-original-method': method, ...certified(caller) });

  void test('[Auth-request] passes where policy permits what the path says', async () => {
    const told = await asked('GET', '/api/billing/invoices/7');
    assert.equal(told.status, 204, told.text);
    const record = await last();
    assert.deepEqual([record['resource'], record['body'], told.headers['cordon-decision']], ['billing/get', 'unseen', record['id']]);
  });

  const REFUSED: readonly (readonly [why: string, method: string, target: string, code: string])[] = [
    ['what policy does not permit', 'GET', '/api/billing/invoices/8', 'CORDON-3005'],
    ['a route that needs a body', 'POST', '/api/billing/invoices/7/payments', 'CORDON-3006'],
    ['no route', 'GET', '/api/billing/customers', 'CORDON-3003'],
    ['another method', 'DELETE', '/api/billing/invoices/7', 'CORDON-3003'],
    ['another spelling of the same', 'GET', '/api/billing/invoices/%37', 'CORDON-9011'],
    ['a dot segment', 'GET', '/api/billing/invoices/9/../7', 'CORDON-9011'],
    ['an encoded slash', 'GET', '/api/billing/invoices%2f7', 'CORDON-9011'],
    ['a query that no route has', 'GET', '/api/billing/invoices/7?id=8', 'CORDON-3006'],
  ];
  for (const [why, method, target, code] of REFUSED) {
    void test(`[Auth-request] [I2] is refused: ${why}`, async () => {
      const told = await asked(method, target);
      const record = await last();
      assert.deepEqual([told.status, record['code']], [403, code], told.text);
    });
  }
});

void describe('what is no frame', () => {
  const hello = Buffer.concat([
    text8('supported-versions', '2.0'),
    Buffer.concat([word('max-frame-size'), Uint8Array.of(3), varint(16_380)]),
    text8('capabilities', 'pipelining'),
  ]);
  const question = Buffer.concat([word('cordon'), Uint8Array.of(0)]);
  const CASES: readonly (readonly [why: string, bytes: Uint8Array])[] = [
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')],
    ['a question that came before', Buffer.concat([framed(1, 0, hello), framed(3, 1, question), framed(3, 1, question)])],
    ['a question about nothing', Buffer.concat([framed(1, 0, hello), framed(3, 1, question)])],
  ];
  for (const [why, bytes] of CASES) {
    void test(`[SPOP §3.5] [I3] ends the connection and is on record: ${why}`, async () => {
      const socket = connect(join(bed.dir, 'run/frames.sock'));
      socket.on('error', () => socket.destroy()).resume();
      socket.write(bytes);
      await once(socket, 'close');
      const record = await last();
      assert.deepEqual([record['code'], record['action'], record['enforced_by']], ['CORDON-9011', 'data-plane', 'frames']);
    });
  }
});
