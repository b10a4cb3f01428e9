// Egress through the gateway as a forward proxy, with undici and curl as clients: tunnels and requests lead where policy says, and nowhere else.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer as createHttps, type Server } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { fetch, ProxyAgent } from 'undici';
import { openBed, POLICIES, send, type Answer, type Bed, type Svid } from './support/bed.ts';
import { headersOf, openHttpUpstream, type HttpUpstream } from './support/http-upstream.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { until } from './support/until.ts';
import { openWebAuthority, type WebAuthority } from './support/web-certificate.ts';

const noCurl = spawnSync('curl', ['--version']).status === 0 ? undefined : 'curl is not installed';
if (noCurl !== undefined && process.env['CI'] === 'true') throw new Error(noCurl);

const EGRESS = (https: number, http: number): string => `
  partner:
    segment: tools
    egress:
      hosts: ["api.partner.example:${https}", "*.cdn.example:${https}", "127.0.0.9:${https}", "api.partner.example:${http}", "127.0.0.1:${http}"]
      addresses: [127.0.0.0/8]
      headers: [authorization]
      idle: 10s
  public:
    segment: tools
    egress: { hosts: ["rebind.example:${https}", "rebind.example:${http}", "10.0.0.1:443", "metadata.example:${http}"] }
  raw:
    segment: tools
    egress: { hosts: ["ssh.partner.example:${http}"], addresses: [127.0.0.0/8], tunnel: any }
  hidden:
    segment: vault
    egress: { hosts: ["vault.example:${https}"], addresses: [127.0.0.0/8] }
  denied:
    segment: tools
    egress: { hosts: ["denied.example:${https}"], addresses: [127.0.0.0/8] }
`;

const EGRESS_POLICIES = (https: number): string => `${POLICIES}
@id("tunnels")
permit (principal == Agent::"caller", action == Action::"egress/connect", resource in Segment::"tools")
when { context.input.host != "denied.example" };

@id("reads-partner")
permit (principal == Agent::"caller", action == Action::"egress/request", resource == Egress::"partner")
when { context.input.method == "GET" && context.input.path like "/public/*" && context.input.port != ${https} };

@id("writes-little")
permit (principal == Agent::"caller", action == Action::"egress/request", resource == Egress::"partner")
when { context.input.method == "POST" && context.input has body_bytes && context.input.body_bytes < 100 };

@id("public")
permit (principal == Agent::"caller", action == Action::"egress/request", resource == Egress::"public");
`;

let bed: Bed;
let authority: WebAuthority;
let https: Server;
let port: number;
let plain: HttpUpstream;
let caller: Svid;
let other: Svid;
const served: string[] = [];

before(async () => {
  authority = await openWebAuthority();
  https = createHttps(await authority.issue('api.partner.example', 'a.cdn.example', 'evil.example'), (req, res) => {
    served.push(`${req.headers.host ?? ''}${req.url ?? ''}`);
    if (req.url === '/stream') res.write('first');
    else res.end('over TLS');
  });
  https.listen(0, '0.0.0.0');
  await once(https, 'listening');
  ({ port } = https.address() as { port: number });
  plain = await openHttpUpstream();
  bed = await openBed({
    up: 'test/support/egress-up.ts',
    policies: EGRESS_POLICIES(port),
    configure: (yaml) => yaml.replace('\npolicies:', `${EGRESS(port, plain.port)}\npolicies:`),
    beforeStart: (dir) =>
      writeFile(
        join(dir, 'hosts.json'),
        JSON.stringify({
          'api.partner.example': [['127.0.0.1']],
          'a.cdn.example': [['127.0.0.1']],
          'ssh.partner.example': [['127.0.0.1']],
          'vault.example': [['127.0.0.1']],
          'denied.example': [['127.0.0.1']],
          'rebind.example': [['8.8.8.8', '127.0.0.1']],
          'metadata.example': [['169.254.169.254']],
        }),
      ),
  });
  await bed.ready();
  caller = await bed.svid('caller');
  other = await bed.svid('other');
});
after(async () => {
  await (bed as Bed | undefined)?.close();
  https.closeAllConnections();
  https.close();
  await plain.close();
});

const tlsOf = ({ cert, key, ca }: Svid): object => ({ cert, key, ca, servername: '', checkServerIdentity: () => undefined });

const proxyOf = (svid = caller): ProxyAgent =>
  new ProxyAgent({ uri: `https://127.0.0.1:${bed.ports.gateway}`, proxyTls: tlsOf(svid), requestTls: { ca: authority.ca } });

interface Raw {
  readonly head: string;
  readonly socket: TLSSocket;
}

/** Sends bytes and waits for the first that are answered. */
async function raw(text: string, svid = caller): Promise<Raw> {
  const socket = connect({ host: '127.0.0.1', port: bed.ports.gateway, ...tlsOf(svid) });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  socket.write(text);
  const head = await new Promise<string>((resolve) => {
    socket.once('data', (first: Buffer) => resolve(first.toString()));
    socket.once('close', () => resolve('closed'));
  });
  return { head, socket };
}

const connectTo = (authorityText: string, svid = caller, host = authorityText): Promise<Raw> =>
  raw(`CONNECT ${authorityText} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, svid);

const openCalls = async (): Promise<number> =>
  ((await bed.control('GET', '/v1/status')).json as { gateway: { openCalls: number } }).gateway.openCalls;
const noCalls = (): Promise<unknown> => until('all calls have ended', async () => ((await openCalls()) === 0 ? true : undefined));

/** Absolute-form, as a proxy is asked. */
const through = (url: string, more: Partial<Parameters<typeof send>[0]> = {}): Promise<Answer> =>
  send({ port: bed.ports.gateway, path: url, method: 'GET', svid: caller, ...more, headers: { host: new URL(url).host, ...more.headers } });

describe('a tunnel', () => {
  void test('is opened for undici to a host that policy permits, and recorded with the bytes both ways', async () => {
    const dispatcher = proxyOf();
    const answer = await fetch(`https://api.partner.example:${port}/a`, { dispatcher });
    assert.equal(await answer.text(), 'over TLS');
    assert.equal(served.at(-1), `api.partner.example:${port}/a`);
    await dispatcher.destroy();
    await noCalls();
    await signedAll(bed);
    const { decisions, outcomes } = await readLog(bed);
    const decision = decisions.at(-1) as { action: string; resource: string; verdict: string };
    assert.deepEqual([decision.action, decision.resource, decision.verdict], ['egress/connect', 'partner', 'allow']);
    const outcome = outcomes.at(-1) as { bytes: number; bytes_in: number };
    assert.ok(outcome.bytes > 500 && outcome.bytes_in > 200, JSON.stringify(outcome));
  });

  void test('is opened for names below a wildcard, and not for the name itself', async () => {
    const dispatcher = proxyOf();
    assert.equal(await (await fetch(`https://a.cdn.example:${port}/`, { dispatcher })).text(), 'over TLS');
    await dispatcher.destroy();
    assert.match((await connectTo(`cdn.example:${port}`)).head, /^HTTP\/1\.1 404 /);
    assert.match((await connectTo(`a.b.cdn.example:${port}`)).head, /^HTTP\/1\.1 502 /, 'registered, and without an address');
  });

  void test('is opened for curl', { skip: noCurl ?? false }, async () => {
    const file = async (name: string, text: string): Promise<string> => {
      await writeFile(join(bed.dir, name), text);
      return join(bed.dir, name);
    };
    const options = {
      '--max-time': '20',
      '--noproxy': '',
      '--proxy': `https://127.0.0.1:${bed.ports.gateway}`,
      '--proxy-cert': await file('cert.pem', caller.cert),
      '--proxy-key': await file('key.pem', caller.key),
      '--cacert': await file('web.pem', authority.ca),
    };
    const url = `https://api.partner.example:${port}/curl`;
    // curl knows hosts by name alone, and an SVID has none
    const { stdout } = await promisify(execFile)('curl', ['-sS', '--proxy-insecure', ...Object.entries(options).flat(), url]);
    assert.equal(stdout, 'over TLS');
  });

  void test('[I9] to what is not registered, or stands behind no link, is the same: nothing is there', async () => {
    const body = (text: string): string => text.slice(text.indexOf('\r\n\r\n'));
    const missing = await connectTo(`nothing.example:${port}`);
    for (const [target, svid] of [
      [`vault.example:${port}`, caller],
      [`api.partner.example:${port}`, other],
      ['api.partner.example:1', caller],
    ] as const) {
      const { head } = await connectTo(target, svid);
      assert.match(head, /^HTTP\/1\.1 404 /, target);
      assert.equal(body(head), body(missing.head), target);
    }
    assert.doesNotMatch(await readFile(join(bed.dir, 'resolved.txt'), 'utf8'), /nothing|vault/, 'what may not be reached is not resolved');
  });

  void test('[I10] tunnels that have ended, or were refused, leave no place taken', async () => {
    const CONCURRENT = 128;
    for (let n = 0; n < CONCURRENT + 5; n++) {
      const { head, socket } = await connectTo(n % 2 === 0 ? `ssh.partner.example:${plain.port}` : `nothing.example:${port}`);
      assert.match(head, n % 2 === 0 ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 404 /, `${n}`);
      socket.destroy();
    }
    await noCalls();
    const { head, socket } = await connectTo(`ssh.partner.example:${plain.port}`);
    assert.match(head, /^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  void test('that policy denies is refused, and nothing is resolved', async () => {
    const { head } = await connectTo(`denied.example:${port}`);
    assert.match(head, /^HTTP\/1\.1 403 [\s\S]*CORDON-3005/);
    assert.doesNotMatch(await readFile(join(bed.dir, 'resolved.txt'), 'utf8'), /denied/);
  });

  for (const [target, why] of [
    ['rebind.example', 'a name of which one address is loopback'],
    ['10.0.0.1', 'a private address that is registered as a host and not as a range'],
  ] as const) {
    void test(`is not opened to ${target}: ${why}`, async () => {
      const { head } = await connectTo(`${target}:${target === '10.0.0.1' ? 443 : port}`);
      assert.match(head, /^HTTP\/1\.1 403 [\s\S]*CORDON-3010/);
    });
  }

  void test('[I2] for one host carries TLS for no other: domain fronting ends before a byte goes out', async () => {
    const from = served.length;
    for (const servername of ['evil.example', 'a.cdn.example', undefined]) {
      const { head, socket } = await connectTo(`api.partner.example:${port}`);
      assert.match(head, /^HTTP\/1\.1 200 /);
      const inner = connect({ socket, ca: authority.ca, ...(servername === undefined ? {} : { servername }) });
      await assert.rejects(once(inner, 'secureConnect'));
    }
    assert.equal(served.length, from);
    await noCalls();
    await signedAll(bed);
    assert.deepEqual((await readLog(bed)).outcomes.at(-1)?.code, 'CORDON-3010');
  });

  void test('for an address carries TLS without a name', async () => {
    const { head, socket } = await connectTo(`127.0.0.9:${port}`);
    assert.match(head, /^HTTP\/1\.1 200 /);
    const inner = connect({ socket, ca: authority.ca, checkServerIdentity: () => undefined });
    await once(inner, 'secureConnect');
    inner.destroy();
  });

  void test('carries nothing but TLS, unless the resource says otherwise', async () => {
    const from = plain.received.length;
    const { socket } = await connectTo(`api.partner.example:${plain.port}`);
    socket.write('GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'close');
    assert.equal(plain.received.length, from);
    const { head, socket: free } = await connectTo(`ssh.partner.example:${plain.port}`);
    assert.match(head, /^HTTP\/1\.1 200 /);
    free.write('GET /any HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.match(String(((await once(free, 'data')) as [Buffer])[0]), /^HTTP\/1\.1 200 /);
    free.destroy();
  });

  void test('[I6] is cut at both ends by `off`', async () => {
    const dispatcher = proxyOf();
    const answer = await fetch(`https://api.partner.example:${port}/stream`, { dispatcher });
    const reader = answer.body?.getReader();
    await reader?.read();
    const off = await bed.control('POST', '/v1/agents/caller/level', { level: 'off', reason: 'test' });
    assert.equal(off.status, 200, off.text);
    await assert.rejects(reader?.read() ?? Promise.resolve());
    await until('the host saw it close', async () => ((await connectionsOf(https)) === 0 ? true : undefined));
    await bed.control('POST', '/v1/agents/caller/level', { level: 'normal', reason: 'test' });
    await dispatcher.destroy();
    await noCalls();
    await signedAll(bed);
    assert.equal((await readLog(bed)).outcomes.at(-1)?.status, 'cut');
  });

  void test('[I2] that is asked for behind a request that has no answer yet ends the connection, and the gateway stands', async () => {
    const from = served.length;
    for (const behind of [
      `CONNECT api.partner.example:${port} HTTP/1.1\r\nHost: api.partner.example:${port}\r\n\r\n`,
      'GET /api/none HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
    ]) {
      const first = `GET http://api.partner.example:${plain.port}/public/a HTTP/1.1\r\nHost: api.partner.example:${plain.port}\r\n\r\n`;
      const { head, socket } = await raw(`${first}${behind}`);
      assert.equal(head, 'closed');
      socket.destroy();
    }
    await noCalls();
    assert.equal(served.length, from);
  });

  void test('[I10] that is refused does not keep the connection of a caller that leaves its half open', async () => {
    const halfOpen = { host: '127.0.0.1', port: bed.ports.gateway, allowHalfOpen: true };
    const socket = connect({ ...tlsOf(caller), ...halfOpen });
    socket.on('error', () => undefined).on('data', () => undefined);
    await once(socket, 'secureConnect');
    socket.write('CONNECT nothing.example:1 HTTP/1.1\r\nHost: nothing.example:1\r\n\r\n');
    await once(socket, 'end');
    await until('nobody takes what is sent', async () => {
      socket.write('x');
      return socket.destroyed ? true : undefined;
    });
  });

  for (const [what, text, status] of [
    ['another Host', `CONNECT api.partner.example:PORT HTTP/1.1\r\nHost: evil.example:PORT\r\n\r\n`, 400],
    ['another port in Host', `CONNECT api.partner.example:PORT HTTP/1.1\r\nHost: api.partner.example:1\r\n\r\n`, 400],
    ['no port', 'CONNECT api.partner.example HTTP/1.1\r\nHost: api.partner.example\r\n\r\n', 400],
    ['an origin-form target', 'CONNECT /mcp/bench HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['an absolute-form target', 'CONNECT http://api.partner.example:PORT/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['user information', 'CONNECT a@api.partner.example:PORT HTTP/1.1\r\nHost: api.partner.example:PORT\r\n\r\n', 400],
    ['an address as a number', 'CONNECT 2130706433:PORT HTTP/1.1\r\nHost: 2130706433:PORT\r\n\r\n', 400],
    ['a body', `CONNECT api.partner.example:PORT HTTP/1.1\r\nHost: api.partner.example:PORT\r\nContent-Length: 3\r\n\r\nabc`, 400],
    [
      'chunks',
      `CONNECT api.partner.example:PORT HTTP/1.1\r\nHost: api.partner.example:PORT\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['two Hosts', `CONNECT api.partner.example:PORT HTTP/1.1\r\nHost: api.partner.example:PORT\r\nHost: b\r\n\r\n`, 400],
    ['HTTP/1.0', `CONNECT api.partner.example:PORT HTTP/1.0\r\nHost: api.partner.example:PORT\r\n\r\n`, 400],
    [
      'a `connection` that names a header',
      `CONNECT api.partner.example:PORT HTTP/1.1\r\nHost: api.partner.example:PORT\r\nConnection: proxy-authorization\r\n\r\n`,
      400,
    ],
    [
      'a token of somebody else',
      `CONNECT api.partner.example:PORT HTTP/1.1\r\nHost: api.partner.example:PORT\r\nProxy-Authorization: Bearer ey.ey.ey\r\n\r\n`,
      407,
    ],
  ] as const) {
    void test(`is not opened: ${what}`, async () => {
      const { head } = await raw(text.replaceAll('PORT', String(port)));
      assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} `), head);
    });
  }
});

describe('a request for another host', () => {
  void test('[I2] is sent as it was decided, with what the caller signs in with, and without the hop', async () => {
    const from = plain.received.length;
    const answer = await through(`http://api.partner.example:${plain.port}/public/caf%c3%a9?b=2&a=x+y`, {
      headers: {
        authorization: 'Bearer own',
        'proxy-connection': 'keep-alive',
        cookie: 'a=1',
        'x-forwarded-for': '1.2.3.4',
        accept: '*/*',
      },
    });
    assert.equal(answer.status, 200, answer.text);
    const [got] = plain.received.slice(from);
    assert.ok(got);
    assert.equal(got.url, '/public/caf%C3%A9?b=2&a=x%20y');
    const headers = headersOf(got);
    assert.deepEqual([headers.get('host'), headers.get('authorization')], [`api.partner.example:${plain.port}`, 'Bearer own']);
    for (const name of ['proxy-connection', 'cookie', 'x-forwarded-for', 'via', 'proxy-authorization'])
      assert.equal(headers.get(name), undefined, name);
    await signedAll(bed);
    assert.equal((await readLog(bed)).decisions.at(-1)?.action, 'egress/request');
  });

  void test('policy sees method, path and how much is sent', async () => {
    const from = plain.received.length;
    const url = `http://api.partner.example:${plain.port}`;
    assert.equal((await through(`${url}/private/a`)).json['code'], 'CORDON-3005');
    assert.equal((await through(`${url}/public/../private/a`)).json['code'], 'CORDON-9011');
    assert.equal((await through(`${url}/public/%2e%2e/private/a`)).json['code'], 'CORDON-9011');
    assert.equal((await through(`${url}/public/a`, { method: 'DELETE' })).json['code'], 'CORDON-3005');
    assert.equal(
      (await through(`${url}/x`, { method: 'POST', body: 'x'.repeat(100), headers: { 'content-type': 'text/plain' } })).json['code'],
      'CORDON-3005',
    );
    assert.equal(plain.received.length, from);
    assert.equal(
      (await through(`${url}/x`, { method: 'POST', body: 'x'.repeat(99), headers: { 'content-type': 'text/plain' } })).status,
      200,
    );
    assert.equal(plain.received.at(-1)?.body.length, 99);
  });

  void test('a redirect is handed on, never followed', async () => {
    const from = plain.received.length;
    const answer = await through(`http://127.0.0.1:${plain.port}/public/moved`);
    assert.equal(answer.status, 302);
    assert.match(String(answer.headers['location']), /^http:\/\/127\.0\.0\.1/);
    assert.equal(plain.received.length, from + 1);
  });

  for (const [what, url, code] of [
    ['the gateway itself', 'http://127.0.0.1:GATEWAY/mcp/bench', 'hidden'],
    ['the control API', 'http://127.0.0.1:CONTROL/v1/agents', 'hidden'],
    ['a host that is not registered', 'http://nothing.example/', 'hidden'],
    ['metadata of the cloud, under a name', 'http://metadata.example:PLAIN/latest/meta-data', 'CORDON-3010'],
    ['loopback among the addresses of a name', 'http://rebind.example:PLAIN/', 'CORDON-3010'],
  ] as const) {
    void test(`is not sent: ${what}`, async () => {
      const at = url
        .replace('GATEWAY', String(bed.ports.gateway))
        .replace('CONTROL', String(bed.ports.control))
        .replace('PLAIN', String(plain.port));
      const answer = await through(at);
      if (code === 'hidden') assert.deepEqual([answer.status, answer.json['code']], [404, undefined]);
      else assert.deepEqual([answer.status, answer.json['code']], [403, code], answer.text);
    });
  }

  for (const [what, line, headers] of [
    ['another Host', 'GET http://api.partner.example:PLAIN/public/a', 'Host: evil.example'],
    ['https in the open', 'GET https://api.partner.example:PLAIN/public/a', 'Host: api.partner.example:PLAIN'],
    ['another scheme', 'GET ftp://api.partner.example:PLAIN/public/a', 'Host: api.partner.example:PLAIN'],
    ['user information', 'GET http://a:b@api.partner.example:PLAIN/public/a', 'Host: api.partner.example:PLAIN'],
    ['a host in another notation', 'GET http://0x7f.1:PLAIN/public/a', 'Host: 0x7f.1:PLAIN'],
    ['a fragment', 'GET http://api.partner.example:PLAIN/public/a#b', 'Host: api.partner.example:PLAIN'],
    ['an asterisk', 'OPTIONS *', 'Host: api.partner.example:PLAIN'],
    ['no slash', 'GET mcp/bench', 'Host: a'],
    [
      'an upgrade',
      'GET http://api.partner.example:PLAIN/public/a',
      'Host: api.partner.example:PLAIN\r\nConnection: upgrade\r\nUpgrade: websocket',
    ],
    ['another method', 'PROPFIND http://api.partner.example:PLAIN/public/a', 'Host: api.partner.example:PLAIN'],
  ] as const) {
    void test(`is refused: ${what}`, async () => {
      const from = plain.received.length;
      const { head, socket } = await raw(`${line} HTTP/1.1\r\n${headers}\r\n\r\n`.replaceAll('PLAIN', String(plain.port)));
      assert.match(head, /^(?:HTTP\/1\.1 40[03] |closed)/, head);
      assert.equal(plain.received.length, from);
      socket.destroy();
    });
  }
});

const connectionsOf = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))));
