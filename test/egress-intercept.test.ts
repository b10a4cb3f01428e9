// Interception: for hosts that are registered for it the gateway ends TLS, so that policy sees method and path; for others it never does.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer as createHttps, type Server } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect, createServer as createTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { fetch, ProxyAgent } from 'undici';
import { generateKeyPem } from '../src/crypto/x509.ts';
import { signWebLeaf, signWebRoot } from '../src/crypto/x509-web.ts';
import { cordon } from './support/cordon.ts';
import { openBed, POLICIES, send, type Bed, type Svid } from './support/bed.ts';
import { headersOf, openHttpUpstream, type HttpUpstream } from './support/http-upstream.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { until } from './support/until.ts';
import { openWebAuthority, type WebAuthority } from './support/web-certificate.ts';

const SECRET = 'sk-outside-only-the-gateway-has';

const EGRESS = (port: number, plain: number): string => `
  partner:
    segment: tools
    egress:
      hosts: ["api.partner.example:${port}", "*.cdn.example:${port}", "api.partner.example:${plain}"]
      addresses: [127.0.0.0/8]
      intercept: true
      ca: web.pem
      credential: { secret: { env: OUTSIDE_KEY } }
  own:
    segment: tools
    egress: { hosts: ["own.partner.example:${port}", "wrong.partner.example:${port}"], addresses: [127.0.0.0/8], intercept: true, ca: web.pem, headers: [authorization] }
  opaque:
    segment: tools
    egress: { hosts: ["opaque.example:${port}"], addresses: [127.0.0.0/8] }
`;

const EGRESS_POLICIES = `${POLICIES}
@id("tunnels") permit (principal == Agent::"caller", action == Action::"egress/connect", resource);
@id("reads")
permit (principal == Agent::"caller", action == Action::"egress/request", resource)
when { context.input.scheme == "https" && context.input.method == "GET" && context.input.path like "/public/*" };
@id("posts")
permit (principal == Agent::"caller", action == Action::"egress/request", resource == Egress::"partner")
when { context.input.method == "POST" && context.input.path == "/notes" && context.input has content_type && context.input.content_type == "application/json" };
`;

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly host: string;
  readonly authorization: string;
  readonly body: string;
}

let bed: Bed;
let authority: WebAuthority;
let https: Server;
let port: number;
let caller: Svid & { readonly run: string };
let root: string;
let plain: HttpUpstream;
const seen: Seen[] = [];

before(async () => {
  authority = await openWebAuthority();
  const names = ['api.partner.example', 'a.cdn.example', 'own.partner.example', 'opaque.example'];
  https = createHttps(await authority.issue(...names), (req, res) => {
    void (async () => {
      const { host = '', authorization = '' } = req.headers;
      seen.push({ method: req.method ?? '', url: req.url ?? '', host, authorization, body: (await buffer(req)).toString() });
      if (req.url === '/public/stream') res.write('first');
      else if (req.url === '/public/401') res.writeHead(401, { 'www-authenticate': 'Bearer', 'set-cookie': 'a=1' }).end();
      else res.writeHead(200, { 'set-cookie': 'a=1', 'content-type': 'text/plain' }).end('outside');
    })();
  });
  https.listen(0, '127.0.0.1');
  await once(https, 'listening');
  ({ port } = https.address() as { port: number });
  process.env['OUTSIDE_KEY'] = SECRET;
  plain = await openHttpUpstream();
  bed = await openBed({
    up: 'test/support/egress-up.ts',
    policies: EGRESS_POLICIES,
    configure: (yaml) => yaml.replace('\npolicies:', `${EGRESS(port, plain.port)}\npolicies:`),
    beforeStart: async (dir) => {
      await writeFile(join(dir, 'web.pem'), authority.ca);
      const hosts = [...names, 'wrong.partner.example'].map((name) => [name, [['127.0.0.1']]]);
      await writeFile(join(dir, 'hosts.json'), JSON.stringify(Object.fromEntries(hosts)));
    },
  });
  await bed.ready();
  caller = await bed.svid('caller');
  root = (await bed.control('GET', '/v1/ca')).json['interception'] as string;
});
after(async () => {
  await (bed as Bed | undefined)?.close();
  https.closeAllConnections();
  https.close();
  await plain.close();
});

const tlsOf = ({ cert, key, ca }: Svid): object => ({ cert, key, ca, servername: '', checkServerIdentity: () => undefined });
const proxyOf = (ca = root): ProxyAgent =>
  new ProxyAgent({ uri: `https://127.0.0.1:${bed.ports.gateway}`, proxyTls: tlsOf(caller), requestTls: { ca } });

/** A tunnel that is open, with TLS inside as the client likes it. */
async function tunnel(host: string, inside: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port: bed.ports.gateway, ...tlsOf(caller) });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  socket.write(`CONNECT ${host}:${port} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  assert.match(head.toString(), /^HTTP\/1\.1 200 /);
  const inner = connect({ socket, ca: root, ...inside });
  inner.on('error', () => undefined);
  await once(inner, 'secureConnect');
  return inner;
}

/** What is answered inside to bytes as they are; `closed` when nothing is. */
async function say(inner: TLSSocket, text: string): Promise<string> {
  inner.write(text);
  const answer = await new Promise<string>((resolve) => {
    inner.once('data', (data: Buffer) => resolve(data.toString()));
    inner.once('close', () => resolve('closed'));
  });
  inner.destroy();
  return answer;
}

type Decided = { readonly id: string; readonly code?: string; readonly run?: string };
/** Newest first. */
const decided = async (): Promise<readonly Decided[]> =>
  ((await bed.control('GET', '/v1/decisions?limit=20')).json as { items: readonly Decided[] }).items;
const openCalls = async (): Promise<number> =>
  ((await bed.control('GET', '/v1/status')).json as { gateway: { openCalls: number } }).gateway.openCalls;
const noCalls = (): Promise<unknown> => until('all calls have ended', async () => ((await openCalls()) === 0 ? true : undefined));

describe('an intercepted host', () => {
  void test('is called as it was decided, with a credential that the agent never had, and each request is on record', async () => {
    const dispatcher = proxyOf();
    const url = `https://api.partner.example:${port}`;
    const read = await fetch(`${url}/public/caf%c3%a9?q=a+b`, { dispatcher, headers: { authorization: 'Bearer own', cookie: 'x=1' } });
    assert.deepEqual([read.status, await read.text(), read.headers.get('set-cookie')], [200, 'outside', null]);
    const posted = await fetch(`${url}/notes`, {
      dispatcher,
      method: 'POST',
      body: '{"a":1}',
      headers: { 'content-type': 'application/json' },
    });
    assert.equal(posted.status, 200, await posted.text());
    assert.deepEqual(seen.slice(-2), [
      { method: 'GET', url: '/public/caf%C3%A9?q=a%20b', host: `api.partner.example:${port}`, authorization: `Bearer ${SECRET}`, body: '' },
      { method: 'POST', url: '/notes', host: `api.partner.example:${port}`, authorization: `Bearer ${SECRET}`, body: '{"a":1}' },
    ]);
    await dispatcher.destroy();
    await noCalls();
    await signedAll(bed);
    const { decisions } = await readLog(bed);
    const recorded = decisions.filter(({ resource }) => resource === 'partner');
    assert.ok(recorded.every(({ verdict, run }) => verdict === 'allow' && run === caller.run));
    assert.equal(recorded[0]?.action, 'egress/connect');
    assert.equal(recorded.filter(({ action }) => action === 'egress/request').length, 2);
  });

  void test('[I10] a caller that leaves while the certificate of a host is made leaves no call open', async () => {
    for (let n = 0; n < 40; n++) {
      const socket = connect({ host: '127.0.0.1', port: bed.ports.gateway, ...tlsOf(caller) });
      socket.on('error', () => undefined);
      await once(socket, 'secureConnect');
      const host = `n${n}.cdn.example:${port}`;
      socket.write(`CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, () => socket.destroy());
    }
    await noCalls();
  });

  void test('takes one request after the other in one tunnel', async () => {
    const inner = await tunnel('api.partner.example', { servername: 'api.partner.example' });
    const from = seen.length;
    for (const path of ['/public/1', '/public/2']) {
      inner.write(`GET ${path} HTTP/1.1\r\nHost: api.partner.example:${port}\r\n\r\n`);
      const [answer] = (await once(inner, 'data')) as [Buffer];
      assert.match(answer.toString(), /^HTTP\/1\.1 200 [\s\S]*connection: keep-alive/i);
      await until('the answer is whole', async () => ((await openCalls()) === 1 ? true : undefined));
    }
    assert.deepEqual(
      seen.slice(from).map(({ url }) => url),
      ['/public/1', '/public/2'],
    );
    inner.destroy();
    await noCalls();
  });

  void test('is denied by method and path, and nothing of it goes out', async () => {
    const dispatcher = proxyOf();
    const from = seen.length;
    const url = `https://api.partner.example:${port}`;
    for (const [path, method, code] of [
      ['/private', 'GET', 'CORDON-3005'],
      ['/public/a', 'DELETE', 'CORDON-3005'],
      ['/public/%2e%2e/private', 'GET', 'CORDON-9011'],
      ['/public/%2fprivate', 'GET', 'CORDON-9011'],
    ] as const) {
      // undici would resolve dots by itself
      const answer = await say(
        await tunnel('api.partner.example', { servername: 'api.partner.example' }),
        `${method} ${path} HTTP/1.1\r\nHost: api.partner.example:${port}\r\n\r\n`,
      );
      assert.match(answer, new RegExp(code), path);
    }
    const text = await fetch(`${url}/notes`, { dispatcher, method: 'POST', body: 'x', headers: { 'content-type': 'text/plain' } });
    assert.equal(text.status, 403);
    assert.equal(seen.length, from);
    await dispatcher.destroy();
  });

  void test('[I8] the credential is not said in the open, whatever the caller asks for', async () => {
    const path = `http://api.partner.example:${plain.port}/notes`;
    const headers = { host: new URL(path).host, 'content-type': 'application/json' };
    const { status } = await send({ port: bed.ports.gateway, path, method: 'POST', svid: caller, headers, body: '{}' });
    assert.equal(status, 200);
    const [got] = plain.received.slice(-1);
    assert.ok(got);
    assert.doesNotMatch(JSON.stringify([...headersOf(got)]), new RegExp(SECRET));
  });

  void test('names below a wildcard get a certificate each, of the registered authority alone', async () => {
    const inner = await tunnel('a.cdn.example', { servername: 'a.cdn.example' });
    const certificate = inner.getPeerX509Certificate();
    assert.equal(certificate?.subjectAltName, 'DNS:a.cdn.example');
    assert.ok(certificate.verify(new X509Certificate(root).publicKey));
    const life = certificate.validToDate.getTime() - certificate.validFromDate.getTime();
    assert.ok(life < 24 * 3_600_000);
    assert.match(await say(inner, `GET /public/a HTTP/1.1\r\nHost: a.cdn.example:${port}\r\n\r\n`), /^HTTP\/1\.1 200 /);
  });

  void test('an agent that signs in by itself keeps what the host says of that', async () => {
    const dispatcher = proxyOf();
    const answer = await fetch(`https://own.partner.example:${port}/public/401`, { dispatcher, headers: { authorization: 'Bearer own' } });
    assert.deepEqual([answer.status, answer.headers.get('www-authenticate'), answer.headers.get('set-cookie')], [401, 'Bearer', 'a=1']);
    assert.equal(seen.at(-1)?.authorization, 'Bearer own');
    await dispatcher.destroy();
  });

  void test('a host that cannot show a certificate for its name is not spoken to', async () => {
    const dispatcher = proxyOf();
    const from = seen.length;
    const answer = await fetch(`https://wrong.partner.example:${port}/public/a`, { dispatcher });
    assert.deepEqual([answer.status, ((await answer.json()) as { code: string }).code], [502, 'CORDON-9010']);
    assert.equal(seen.length, from);
    await dispatcher.destroy();
  });

  void test('[I6] `off` cuts what is streamed inside, and the tunnel with it', async () => {
    const dispatcher = proxyOf();
    const answer = await fetch(`https://api.partner.example:${port}/public/stream`, { dispatcher });
    const reader = answer.body?.getReader();
    await reader?.read();
    assert.equal(await openCalls(), 2);
    assert.equal((await bed.control('POST', '/v1/agents/caller/level', { level: 'off', reason: 'test' })).status, 200);
    await assert.rejects(reader?.read() ?? Promise.resolve());
    await noCalls();
    await bed.control('POST', '/v1/agents/caller/level', { level: 'normal', reason: 'test' });
    await dispatcher.destroy();
    await signedAll(bed);
    assert.deepEqual(
      (await readLog(bed)).outcomes.slice(-2).map(({ status }) => status),
      ['cut', 'cut'],
    );
  });

  for (const [what, text, expected] of [
    ['another Host (fronting)', 'GET /public/a HTTP/1.1\r\nHost: opaque.example:PORT\r\n\r\n', /CORDON-3011/],
    ['no port in Host', 'GET /public/a HTTP/1.1\r\nHost: api.partner.example\r\n\r\n', /CORDON-3011/],
    ['an absolute target', 'GET https://opaque.example/public/a HTTP/1.1\r\nHost: api.partner.example:PORT\r\n\r\n', /CORDON-9011/],
    ['CONNECT within', 'CONNECT opaque.example:443 HTTP/1.1\r\nHost: opaque.example:443\r\n\r\n', /^closed/],
    [
      'an upgrade',
      'GET /public/a HTTP/1.1\r\nHost: api.partner.example:PORT\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
      /CORDON-9011/,
    ],
    [
      'metadata of the gateway',
      'GET /.well-known/oauth-protected-resource HTTP/1.1\r\nHost: api.partner.example:PORT\r\n\r\n',
      /CORDON-3005/,
    ],
    [
      'a tool server of the gateway',
      'POST /mcp/bench HTTP/1.1\r\nHost: api.partner.example:PORT\r\nContent-Length: 2\r\n\r\n{}',
      /CORDON-3005/,
    ],
    ['two Hosts', 'GET /public/a HTTP/1.1\r\nHost: api.partner.example:PORT\r\nHost: b\r\n\r\n', /CORDON-3011/],
    [
      'length and chunks',
      'POST /notes HTTP/1.1\r\nHost: api.partner.example:PORT\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      /^closed/,
    ],
  ] as const) {
    void test(`refuses inside the tunnel: ${what}`, async () => {
      const from = seen.length;
      const inner = await tunnel('api.partner.example', { servername: 'api.partner.example' });
      assert.match(await say(inner, text.replaceAll('PORT', String(port))), expected);
      assert.equal(seen.length, from);
    });
  }

  void test('[I3] what is no HTTP inside the tunnel leaves a record of who sent it', async () => {
    const inner = await tunnel('api.partner.example', { servername: 'api.partner.example' });
    const newest = (await decided())[0]?.id;
    assert.equal(await say(inner, 'GET /public/a HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n'), 'closed');
    const found = await until('the refusal is recorded', async () => {
      const items = await decided();
      return items
        .slice(
          0,
          items.findIndex(({ id }) => id === newest),
        )
        .find(({ code }) => code === 'CORDON-9011');
    });
    assert.equal(found.run, caller.run);
  });

  void test('TLS inside for another name ends the tunnel', async () => {
    await assert.rejects(tunnel('api.partner.example', { servername: 'a.cdn.example' }));
    await assert.rejects(
      tunnel('api.partner.example', { checkServerIdentity: () => undefined }).then((inner) =>
        once(inner, 'end', { signal: AbortSignal.timeout(5_000) }).then(() => Promise.reject(new Error('ended'))),
      ),
    );
  });

  void test('a host that is not registered for it is never intercepted', async () => {
    const dispatcher = proxyOf(authority.ca);
    const answer = await fetch(`https://opaque.example:${port}/anything`, { dispatcher });
    assert.equal(await answer.text(), 'outside');
    await dispatcher.destroy();
    const trusting = proxyOf(root);
    await assert.rejects(fetch(`https://opaque.example:${port}/`, { dispatcher: trusting }));
    await trusting.destroy();
  });

  void test('`cordon ca root --interception` prints what agents trust', async () => {
    const { code, stdout, stderr } = await cordon(['ca', 'root', '--interception'], { cwd: bed.dir, env: { CORDON_DATA: bed.data } });
    assert.deepEqual([code, stdout.trim()], [0, root.trim()], stderr);
  });

  void test('the authority stays over a restart', async () => {
    await bed.stop();
    await bed.start();
    await bed.ready();
    assert.equal((await bed.control('GET', '/v1/ca')).json['interception'], root);
    caller = await bed.svid('caller');
  });
});

describe('the interception authority', () => {
  void test('[RFC5280 §4.2.1.10] a client refuses what it vouches for beyond the registered names', async () => {
    const [ca, leaf] = [await generateKeyPem(), await generateKeyPem()];
    const common = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000), issuerKey: ca.privateKey };
    const authorityCert = await signWebRoot({
      ...common,
      serial: '01',
      publicKey: ca.publicKey,
      subject: 'CN=test',
      names: ['good.example'],
    });
    for (const [host, isTrusted] of [
      ['good.example', true],
      ['below.good.example', true],
      ['evil.example', false],
      ['notgood.example', false],
    ] as const) {
      const cert = await signWebLeaf({ ...common, serial: '02', publicKey: leaf.publicKey, issuer: authorityCert, host });
      const server = createTls({ cert, key: leaf.privateKey }, (socket) => socket.end());
      server.on('tlsClientError', () => undefined);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const client = connect({ host: '127.0.0.1', port: (server.address() as { port: number }).port, ca: authorityCert, servername: host });
      const secured = once(client, 'secureConnect');
      if (isTrusted) await secured;
      else await assert.rejects(secured, /permitted subtree violation/, host);
      client.destroy();
      server.close();
    }
  });
});
