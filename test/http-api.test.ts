// HTTP APIs through the gateway: what is decided is what is sent, nothing of the caller's connection goes on, and what is hidden stays so.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { after, before, describe, test } from 'node:test';
import { openBed, POLICIES, send, type Answer, type Bed, type Svid } from './support/bed.ts';
import { headersOf, openHttpUpstream, type HttpUpstream, type Received } from './support/http-upstream.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { until } from './support/until.ts';

const SECRET = 'sk-only-the-gateway-has-this';

const API_POLICIES = `${POLICIES}
@id("reads-invoices")
permit (principal == Agent::"caller", action in Action::"http/call", resource in Api::"billing")
when { resource.reads };

@id("pays-little")
permit (principal == Agent::"caller", action == Action::"billing/pay", resource)
when { context.input.amount <= 100 && context.input.id == 7 };

@id("uploads")
permit (principal == Agent::"caller", action == Action::"billing/upload", resource)
when { context.input.content_type == "text/csv" && context.input.body_bytes < 100 };

@id("outsider-too")
permit (principal == Agent::"other", action in Action::"http/call", resource);
`;

const API = (port: number): string => `
  billing:
    segment: tools
    http:
      url: http://127.0.0.1:${port}/v1/
      allowPlaintextLoopback: true
      credential: { header: x-api-key, scheme: "", secret: { env: BILLING_KEY } }
      headers: [x-tenant]
      routes:
        list: { route: GET /invoices, query: { page: integer, paid: boolean, tag: { type: array, items: { type: string } }, status: string } }
        get: GET /invoices/{id}
        latest: GET /invoices/latest
        file: GET /files/{name}
        events: GET /events
        moved: { route: GET /moved, query: { to: string } }
        denied: GET /denied
        large: GET /large
        trailers: { route: GET /trailers, trailers: [server-timing] }
        peek: { route: HEAD /trailers, trailers: [server-timing] }
        gone: { route: GET /gone, trailers: [server-timing] }
        upload: { route: "PUT /files/{name}", content: [text/csv] }
        pay:
          route: POST /invoices/{id}/payments
          path: { id: integer }
          body: { type: object, properties: { amount: { type: integer }, note: { type: string } }, required: [amount] }
      replyBytes: 100000
`;

let bed: Bed;
let upstream: HttpUpstream;
let caller: Svid;
let other: Svid;

before(async () => {
  upstream = await openHttpUpstream();
  process.env['BILLING_KEY'] = SECRET;
  bed = await openBed({
    policies: API_POLICIES,
    configure: (yaml) => yaml.replace('\npolicies:', `${API(upstream.port)}\npolicies:`),
  });
  await bed.ready();
  caller = await bed.svid('caller');
  other = await bed.svid('other');
});
after(async () => {
  await (bed as Bed | undefined)?.close();
  await upstream.close();
});

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly svid?: Svid;
}

const ask = (path: string, { method = 'GET', headers = {}, body, svid = caller }: Asked = {}): Promise<Answer> =>
  send({ port: bed.ports.gateway, path: `/api/billing${path}`, method, headers, svid, ...(body === undefined ? {} : { body }) });

/** What the API received since `from`. */
const since = (from: number): readonly Received[] => upstream.received.slice(from);

describe('a route that policy permits', () => {
  void test('[I2] is called as it was decided: path, query and body written anew, the credential added', async () => {
    const from = upstream.received.length;
    const listed = await ask('/invoices?tag=a%20b&page=2&tag=c+d&paid=true', { headers: { 'x-tenant': 't1', accept: 'application/json' } });
    assert.equal(listed.status, 200, listed.text);
    const paid = await ask('/invoices/7/payments', { method: 'POST', body: '{ "amount" : 42.0e0, "note":"\\u0041" }' });
    assert.equal(paid.status, 200, paid.text);
    const [list, pay] = since(from);
    assert.ok(list && pay);
    assert.equal(list.url, '/v1/invoices?page=2&paid=true&tag=a%20b&tag=c%20d');
    assert.deepEqual([pay.method, pay.url, pay.body], ['POST', '/v1/invoices/7/payments', '{"amount":42,"note":"A"}']);
    const headers = headersOf(list);
    assert.equal(headers.get('x-api-key'), SECRET);
    assert.equal(headers.get('x-tenant'), 't1');
    assert.equal(headers.get('host'), `127.0.0.1:${upstream.port}`);
  });

  void test('a literal goes before a parameter, and a parameter is one segment', async () => {
    const from = upstream.received.length;
    assert.equal((await ask('/invoices/latest')).status, 200);
    assert.equal((await ask('/invoices/l%61test')).status, 200);
    assert.equal((await ask('/invoices/7/x')).status, 404);
    assert.deepEqual(
      since(from).map(({ url }) => url),
      ['/v1/invoices/latest', '/v1/invoices/latest'],
    );
    await signedAll(bed);
    const { decisions } = await readLog(bed);
    assert.equal(decisions.filter(({ resource }) => resource === 'billing/latest').length, 2);
  });

  void test('its answer is cleaned: no session, no hop, no other way; status, type and body as they are', async () => {
    const answer = await ask('/invoices/1');
    assert.equal(answer.headers['etag'], '"7"');
    assert.equal(answer.headers['content-type'], 'application/json');
    for (const name of ['set-cookie', 'x-hop', 'alt-svc']) assert.equal(answer.headers[name], undefined, name);
  });

  void test('a redirect is handed on, never followed, and leads through the gateway', async () => {
    const from = upstream.received.length;
    const answer = await ask('/moved');
    assert.deepEqual([answer.status, answer.headers['location']], [302, '/api/billing/invoices/9?x=1']);
    assert.equal(since(from).length, 1);
  });

  for (const [location, expected] of [
    ['9#end', '/api/billing/9#end'],
    ['?to=x', '/api/billing/moved?to=x'],
    // beside the base of the API: on the gateway this is another callee, which the caller would ask with its own identity
    ['/mcp/bench', 'API/mcp/bench'],
    ['/v1/../mcp/bench', 'API/mcp/bench'],
    ['/v10', 'API/v10'],
    ['//evil.example/a', 'http://evil.example/a'],
    ['/\\evil.example/a', 'http://evil.example/a'],
  ] as const) {
    void test(`[I2] a redirect to ${location} is read beside what was asked, and names nothing of the gateway`, async () => {
      const answer = await ask(`/moved?to=${encodeURIComponent(location)}`);
      assert.equal(answer.headers['location'], expected.replace('API', `http://127.0.0.1:${upstream.port}`));
    });
  }

  void test("[I8] a refusal of the credential is the gateway's trouble, not the caller's", async () => {
    const answer = await ask('/denied');
    assert.deepEqual([answer.status, answer.json['code'], answer.headers['www-authenticate']], [502, 'CORDON-9010', undefined]);
  });

  void test('[I10] an answer longer than allowed is cut', async () => {
    await assert.rejects(ask('/large'));
  });
});

describe('a route that policy does not permit', () => {
  void test('is refused with a problem of RFC 9457, and typed arguments reach policy', async () => {
    const from = upstream.received.length;
    for (const [path, amount] of [
      ['/invoices/7/payments', 101],
      ['/invoices/8/payments', 1],
    ] as const) {
      const answer = await ask(path, { method: 'POST', body: JSON.stringify({ amount }) });
      assert.deepEqual([answer.status, answer.json['code']], [403, 'CORDON-3005'], answer.text);
      assert.match(String(answer.headers['content-type']), /^application\/problem\+json/);
    }
    assert.equal(since(from).length, 0);
  });

  void test('[I9] what the caller may not know is what does not exist: same bytes, whatever it sends', async () => {
    const missing = await send({ port: bed.ports.gateway, path: '/api/nothing/x', method: 'GET', svid: other });
    for (const [path, asked] of [
      ['/invoices/1', {}],
      ['/invoices/1?stray=1', {}],
      ['/no-route', {}],
      ['/invoices/7/payments', { method: 'POST', body: '{"amount":"x"}' }],
      ['/invoices/7/payments', { method: 'POST', body: '{' }],
      ['/a//b', {}],
    ] as const) {
      const answer = await ask(path, { ...asked, svid: other });
      assert.deepEqual([answer.status, answer.text], [missing.status, missing.text], path);
    }
    const unrouted = await ask('/no-route');
    assert.deepEqual([unrouted.status, unrouted.text], [404, missing.text]);
  });
});

describe('attacks on the wire of an API', () => {
  /** Ways to write a path or a query that two readers take for two things → what they exploit. */
  const TRICKS: readonly (readonly [target: string, why: string])[] = [
    ['/files/../invoices/1', 'dot segment (RFC 3986 §5.2.4)'],
    ['/files/./a', 'single dot segment'],
    ['/files/%2e%2e/invoices', 'encoded dots (CVE-2021-41773)'],
    ['/files/.%2e/invoices', 'half encoded dots (CVE-2021-41773)'],
    ['/files/%2E%2E', 'upper case encoded dots'],
    ['/files/..%2finvoices', 'dots with an encoded slash'],
    ['/files/..;/invoices', 'dots with a path parameter (Tomcat, CVE-2020-1938 chains)'],
    ['/files/a;x=1', 'path parameter'],
    ['/files/a%3bx', 'encoded path parameter'],
    ['/files/a%2fb', 'encoded slash'],
    ['/files/a%2Fb', 'encoded slash, upper case'],
    ['/files/a%5cb', 'encoded backslash (IIS)'],
    ['/files/a\\b', 'backslash'],
    ['/files/..%5c..%5cetc', 'encoded backslash traversal'],
    ['/files//a', 'double slash'],
    ['//files/a', 'leading double slash: an authority to some'],
    ['/files/a//', 'double slash at the end'],
    ['/files/a/', 'trailing slash'],
    ['/files/', 'empty parameter'],
    ['/files/%00', 'NUL (CWE-158)'],
    ['/files/a%00.txt', 'NUL in the middle'],
    ['/files/a%0d%0aX-Evil:1', 'CR LF'],
    ['/files/a%0a', 'LF'],
    ['/files/a%09', 'tab'],
    ['/files/%7f', 'DEL'],
    ['/files/%c2%85', 'C1 control NEL'],
    ['/files/%e2%80%a8', 'line separator'],
    ['/files/%c0%ae%c0%ae', 'overlong UTF-8 dots (CVE-2000-0884)'],
    ['/files/%c0%af', 'overlong UTF-8 slash'],
    ['/files/%e0%80%af', 'overlong UTF-8 slash, three bytes'],
    ['/files/%f0%80%80%af', 'overlong UTF-8 slash, four bytes'],
    ['/files/%ed%a0%80', 'UTF-8 of a surrogate (CESU-8)'],
    ['/files/%ff', 'no UTF-8'],
    ['/files/%252e%252e', 'double encoding (CVE-2001-0333)'],
    ['/files/a%252fb', 'double encoded slash'],
    ['/files/%2525252e', 'encoded many times'],
    ['/files/%u002e', 'IIS %u encoding'],
    ['/files/%', 'a percent alone'],
    ['/files/%2', 'half a percent-encoding'],
    ['/files/%zz', 'no hex'],
    ['/files/%ef%bc%8e%ef%bc%8e', 'fullwidth dots'],
    ['/files/%ef%bc%8f', 'fullwidth slash'],
    ['/files/%e2%81%84', 'fraction slash'],
    ['/files/%e2%88%95x', 'division slash'],
    ['/files/%e2%80%a5', 'two dot leader, `..` under NFKC'],
    ['/files/...', 'three dots'],
    ['/files/..%20', 'dots and a blank (Windows)'],
    ['/files/%ef%bb%bf..', 'byte order mark before dots'],
    ['/files/a|b', 'character outside pchar'],
    ['/files/a"b', 'quote'],
    ['/files/a<b', 'angle bracket'],
    ['/files/a#b', 'fragment'],
    ['/files/a{b}', 'braces'],
    ['/FILES/a', 'another case'],
    ['/invoices?page=1&page=2', 'a parameter said twice (HPP)'],
    ['/invoices?page=1;paid=true', '`;` as a separator'],
    ['/invoices?page[]=1', 'brackets (qs)'],
    ['/invoices?page%5b%5d=1', 'encoded brackets'],
    ['/invoices?stray=1', 'a parameter that is not declared'],
    ['/invoices?__proto__=1', 'prototype pollution'],
    ['/invoices?page=01', 'a number with another spelling'],
    ['/invoices?page=1e3', 'exponent'],
    ['/invoices?page=%2b1', 'plus sign'],
    ['/invoices?page=0x10', 'hexadecimal'],
    ['/invoices?page=-0', 'negative zero'],
    ['/invoices?page=99999999999999999999', 'a number beyond 64 bits'],
    ['/invoices?page=', 'an empty number'],
    ['/invoices?page=1%00', 'NUL in a value'],
    ['/invoices?&page=1', 'empty pair'],
    ['/invoices?=1', 'no name'],
    ['/invoices?paid=TRUE', 'another spelling of true'],
    ['/invoices?tag=%c0%af', 'overlong UTF-8 in a query'],
    [`/files/${'a'.repeat(9000)}`, 'too long'],
    [`/files${'/a'.repeat(80)}`, 'too many segments'],
  ];
  for (const [target, why] of TRICKS) {
    void test(`[I2] [I10] never reaches the API: ${target.slice(0, 50)} (${why})`, async () => {
      const from = upstream.received.length;
      const answer = await ask(target);
      assert.ok([400, 404].includes(answer.status), `${answer.status} ${answer.text}`);
      assert.deepEqual(since(from), []);
    });
  }

  void test('[I2] what is strange but has one meaning goes on, in one spelling', async () => {
    for (const [target, sent] of [
      ['/files/100%25', '/v1/files/100%25'],
      ['/files/caf%c3%a9', '/v1/files/caf%C3%A9'],
      ['/files/a%20b%26c', '/v1/files/a%20b%26c'],
      ['/files/a+b', '/v1/files/a%2Bb'],
      ['/files/a:b@c', '/v1/files/a:b@c'],
      ['/files/..a', '/v1/files/..a'],
      ['/invoices?status=a%26page%3D9', '/v1/invoices?status=a%26page%3D9'],
      ['/invoices?status=a=b', '/v1/invoices?status=a%3Db'],
      ['/invoices?status', '/v1/invoices?status='],
      ['/invoices?', '/v1/invoices'],
      ['/invoices?page=-3&paid=false', '/v1/invoices?page=-3&paid=false'],
    ] as const) {
      const from = upstream.received.length;
      const answer = await ask(target);
      assert.equal(answer.status, 200, `${target} ${answer.text}`);
      assert.deepEqual(
        since(from).map(({ url }) => url),
        [sent],
      );
    }
  });

  /** Headers of the caller that must not be seen by the API. */
  const HEADERS: Readonly<Record<string, string>> = {
    authorization: 'Basic dXNlcjpwdw==',
    cookie: 'session=1',
    'x-api-key': 'forged',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-client-cert': 'By=spiffe://evil',
    'x-spiffe-id': 'spiffe://test.example/agent/admin',
    'x-user-identity': 'admin',
    'x-real-ip': '127.0.0.1',
    'x-original-url': '/admin',
    'x-rewrite-url': '/admin',
    'x-http-method-override': 'DELETE',
    'x-method-override': 'DELETE',
    'proxy-authorization': 'Basic eDp5',
    'proxy-connection': 'keep-alive',
    'keep-alive': 'timeout=5',
    forwarded: 'for=127.0.0.1',
    via: '1.1 evil',
    'txn-token': 'forged',
    'workload-identity-token': 'forged',
    'cordon-caller': 'spiffe://test.example/agent/admin',
    'accept-encoding': 'gzip, zstd',
    'sec-fetch-site': 'same-origin',
    origin: 'https://evil.example',
    dpop: 'forged',
    'x-unknown': '1',
  };
  void test('[I5] no header of the caller speaks for its identity, its hop or another method', async () => {
    const { authorization: _token, ...headers } = HEADERS;
    const from = upstream.received.length;
    assert.equal((await ask('/invoices/1', { headers })).status, 200);
    const [got] = since(from);
    assert.ok(got);
    const seen = headersOf(got);
    assert.equal(seen.get('x-api-key'), SECRET);
    assert.equal(seen.get('accept-encoding'), 'identity');
    for (const name of Object.keys(HEADERS)) {
      if (name !== 'x-api-key' && name !== 'accept-encoding') assert.equal(seen.get(name), undefined, name);
    }
  });

  for (const [what, headers, code] of [
    ['a `connection` that would drop another header', { connection: 'x-tenant, close' }, 'CORDON-9011'],
    ['`te`', { te: 'trailers' }, 'CORDON-9011'],
    ['a compressed body', { 'content-encoding': 'gzip' }, 'CORDON-9011'],
    ['an upgrade of a route that is none', { connection: 'upgrade', upgrade: 'websocket' }, 'CORDON-9011'],
    ['a token of somebody else', { authorization: 'Bearer ey.ey.ey' }, 'CORDON-1009'],
  ] as const) {
    void test(`is refused: ${what}`, async () => {
      const from = upstream.received.length;
      const answer = await ask('/invoices/1', { headers });
      assert.equal(answer.json['code'], code, answer.text);
      assert.deepEqual(since(from), []);
    });
  }

  for (const [what, path, asked, code] of [
    ['a body where none is taken', '/invoices/1', { body: '{}' }, 'CORDON-9011'],
    ['a body that is missing', '/invoices/7/payments', { method: 'POST' }, 'CORDON-3006'],
    ['a duplicate key', '/invoices/7/payments', { method: 'POST', body: '{"amount":1,"amount":999}' }, 'CORDON-9011'],
    ['a member that is not declared', '/invoices/7/payments', { method: 'POST', body: '{"amount":1,"to":"x"}' }, 'CORDON-3006'],
    ['a member called as a parameter is', '/invoices/8/payments', { method: 'POST', body: '{"amount":1,"id":7}' }, 'CORDON-3006'],
    ['a member `__proto__`', '/invoices/7/payments', { method: 'POST', body: '{"amount":1,"__proto__":{}}' }, 'CORDON-3006'],
    ['a lone surrogate', '/invoices/7/payments', { method: 'POST', body: '{"amount":1,"note":"\\ud800"}' }, 'CORDON-9011'],
    ['a number that is none', '/invoices/7/payments', { method: 'POST', body: '{"amount":1e400}' }, 'CORDON-9011'],
    ['an argument of another type', '/invoices/7/payments', { method: 'POST', body: '{"amount":"1"}' }, 'CORDON-3006'],
    ['a body that is a list', '/invoices/7/payments', { method: 'POST', body: '[1]' }, 'CORDON-3006'],
    [
      'another charset',
      '/invoices/7/payments',
      { method: 'POST', body: '{"amount":1}', headers: { 'content-type': 'application/json; charset=utf-7' } },
      'CORDON-9011',
    ],
    [
      'another content type',
      '/invoices/7/payments',
      { method: 'POST', body: 'amount=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      'CORDON-9011',
    ],
    [
      'bytes of a type that the route does not take',
      '/files/a',
      { method: 'PUT', body: '<x/>', headers: { 'content-type': 'text/html' } },
      'CORDON-9011',
    ],
    [
      'bytes beyond what policy allows',
      '/files/a',
      { method: 'PUT', body: 'x'.repeat(101), headers: { 'content-type': 'text/csv' } },
      'CORDON-3005',
    ],
    [
      'bytes beyond what the gateway reads',
      '/files/a',
      { method: 'PUT', body: 'x'.repeat(1_048_577), headers: { 'content-type': 'text/csv' } },
      'CORDON-9011',
    ],
  ] as const) {
    void test(`[I2] is refused: ${what}`, async () => {
      const from = upstream.received.length;
      const answer = await ask(path, asked);
      assert.equal(answer.json['code'], code, answer.text);
      assert.deepEqual(since(from), []);
    });
  }

  void test('a method that the path does not have does not exist', async () => {
    for (const method of ['DELETE', 'TRACE', 'PROPFIND', 'HEAD', 'OPTIONS'])
      assert.equal((await ask('/invoices/1', { method })).status, 404, method);
  });

  void test('bytes go on as they are, with their type', async () => {
    const from = upstream.received.length;
    const answer = await ask('/files/a.csv', {
      method: 'PUT',
      body: 'a;b\n1;2\n',
      headers: { 'content-type': 'text/csv; charset=utf-8; header=present' },
    });
    assert.equal(answer.status, 200, answer.text);
    const [got] = since(from);
    assert.deepEqual([got?.method, got?.url, got?.body], ['PUT', '/v1/files/a.csv', 'a;b\n1;2\n']);
    assert.equal(got && headersOf(got).get('content-type'), 'text/csv; charset=utf-8; header=present');
  });
});

describe('what an API streams', () => {
  const open = (path: string): Promise<{ readonly res: IncomingMessage; readonly req: ClientRequest }> =>
    new Promise((resolve, reject) => {
      const req = request({
        host: '127.0.0.1',
        port: bed.ports.gateway,
        path: `/api/billing${path}`,
        ...caller,
        agent: false,
        servername: '',
        checkServerIdentity: () => undefined,
      });
      req.on('error', reject);
      req.on('response', (res) => resolve({ res, req }));
      req.end();
    });

  void test('trailers that the route declares are handed on, others not', async () => {
    const { res } = await open('/trailers');
    for await (const _chunk of res);
    assert.deepEqual(res.trailers, { 'server-timing': 'db;dur=53' });
  });

  void test('an answer without a body has none, and no trailers', async () => {
    const head = await ask('/trailers', { method: 'HEAD' });
    assert.deepEqual([head.status, head.text, head.headers['content-type']], [200, '', 'text/plain']);
    const gone = await ask('/gone');
    assert.deepEqual([gone.status, gone.text], [204, '']);
  });

  void test('[I6] events arrive as they are sent; a caller that leaves is told to the API', async () => {
    const { res, req } = await open('/events');
    const [first] = (await once(res, 'data')) as [Buffer];
    assert.equal(first.toString(), 'data: one\n\n');
    const seen = upstream.closed.length;
    res.on('error', () => undefined);
    req.on('error', () => undefined);
    req.destroy();
    await until('the API saw it close', () => (upstream.closed.slice(seen).includes('/v1/events') ? true : undefined));
  });

  void test('[I6] `off` cuts an open stream at both ends', async () => {
    const { res } = await open('/events');
    const ended = new Promise((resolve) => res.once('close', resolve));
    res.on('error', () => undefined);
    res.resume();
    const seen = upstream.closed.length;
    const off = await bed.control('POST', '/v1/agents/caller/level', { level: 'off', reason: 'test' });
    assert.equal(off.status, 200, off.text);
    await ended;
    await until('the API saw it close', () => (upstream.closed.slice(seen).includes('/v1/events') ? true : undefined));
    await bed.control('POST', '/v1/agents/caller/level', { level: 'normal', reason: 'test' });
  });
});
