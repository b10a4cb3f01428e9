// The path of a call, over real processes and sockets: what must pass passes, and every way around it that we know of is tried.
import assert from 'node:assert/strict';
import { readJwk } from '../src/crypto/jwk.ts';
import type { JsonObject } from '../src/domain/json.ts';
import { verifyCard } from '../src/identity/agent-card.ts';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect as connectTls } from 'node:tls';
import { after, before, describe, test } from 'node:test';
import { ClientFactory, DefaultAgentCardResolver, JsonRpcTransportFactory } from '@a2a-js/sdk/client';
import { Role } from '@a2a-js/sdk';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { createRequest, generateKeyPem } from '../src/crypto/x509.ts';
import { forge } from './support/forge.ts';
import { connect, type Cordon } from '../src/sdk/index.ts';
import { openBed, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';

let bed: Bed;
let caller: Svid & { readonly run: string };
let other: Svid;

before(async () => {
  bed = await openBed();
  caller = await bed.svid('caller');
  other = await bed.svid('other');
});
after(() => (bed as Bed | undefined)?.close());

const call = (svid: Partial<Svid>, sent: Partial<Parameters<typeof send>[0]>): Promise<Answer> =>
  send({ port: bed.ports.gateway, path: '/', ...sent, svid });

const last = async (): Promise<Record<string, unknown>> => {
  const { items } = (await bed.control('GET', '/v1/decisions?limit=1')).json as { items: Record<string, unknown>[] };
  return items[0] ?? {};
};

const resultOf = (
  answer: Answer,
): { isError?: boolean; content: { text: string }[]; structuredContent?: { code: string; decision_id: string } } =>
  answer.json['result'] as never;
const errorOf = (answer: Answer): { code: number; message: string; data?: { code: string } } => answer.json['error'] as never;
const codeOf = (answer: Answer): unknown =>
  (answer.json['error'] as { data?: { code: string } } | undefined)?.data?.code ?? answer.json['code'];

/** Of an error that A2A has, in JSON-RPC. */
const a2aCodeOf = ({ json }: Answer): unknown =>
  (json['error'] as { data?: { metadata?: { code: string } }[] } | undefined)?.data?.[0]?.metadata?.code;

async function workload(agent: string): Promise<Cordon> {
  const { json } = await bed.control('POST', '/v1/runs', { kind: 'agent', name: agent });
  const started = json as { token: string; identity_url: string; bundle: string };
  return connect({ CORDON_JOIN_TOKEN: started.token, CORDON_IDENTITY_URL: started.identity_url, CORDON_BUNDLE: started.bundle });
}

describe('what is allowed passes', () => {
  void test('[I3] a permitted call reaches the tool with the credential that only the gateway has', async () => {
    const answer = await call(caller, toolCall('echo', { text: 'hello' }));
    assert.equal(answer.status, 200);
    assert.equal(resultOf(answer).content[0]?.text, 'hello');
    const record = await last();
    assert.deepEqual([record['verdict'], record['resource'], record['run']], ['allow', 'bench/echo', caller.run]);
    assert.deepEqual((record['policy'] as { determining: string[] }).determining, ['caller-echoes']);
  });

  for (const mode of ['legacy', 'auto'] as const) {
    void test(`[${mode === 'auto' ? 'MCP-2026-07-28' : 'MCP-2025-11-25'}] the official MCP client lists what it may call and calls it`, async () => {
      const cordon = await workload('caller');
      const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
      await client.connect(new StreamableHTTPClientTransport(cordon.mcpUrl('bench'), { fetch: cordon.fetch }));
      const { tools } = await client.listTools();
      assert.deepEqual(tools.map((tool) => tool.name).toSorted(), ['echo', 'slow', 'write']);
      const said = await client.callTool({ name: 'echo', arguments: { text: 'ü' } });
      assert.deepEqual(said.content, [{ type: 'text', text: 'ü' }]);
      const denied = await client.callTool({ name: 'write', arguments: { line: 'x', amount: 101 } });
      assert.equal(denied.isError, true);
      await client.close();
      await cordon.close();
    });
  }

  void test('[A2A-1.0] the official A2A client reads a card that names the gateway alone, and its message arrives', async () => {
    await bed.spawnWorkload('agent', 'callee', 'test/support/callee.ts', [String(bed.ports.callee)]);
    const cordon = await workload('caller');
    const factory = new ClientFactory({
      cardResolver: new DefaultAgentCardResolver({ fetchImpl: cordon.fetch }),
      transports: [new JsonRpcTransportFactory({ fetchImpl: cordon.fetch })],
      preferredTransports: ['JSONRPC'],
    });
    const card = await (await cordon.fetch(`${cordon.a2aUrl('callee').href}/.well-known/agent-card.json`)).json();
    assert.doesNotMatch(JSON.stringify(card), new RegExp(String(bed.ports.callee)));
    const published = (await send({ port: bed.ports.identity, path: '/oauth2/jwks', method: 'GET', svid: { ca: caller.ca } })).json;
    const keys = new Map((published['keys'] as (JsonObject & { kid: string })[]).map((jwk) => [jwk.kid, readJwk(jwk)]));
    verifyCard(card as JsonObject, keys); // [A2A-1.0 §8.4] by the published keys of the token service
    const client = await factory.createFromUrl(cordon.a2aUrl('callee').href, `/a2a/callee/.well-known/agent-card.json`);
    const message = {
      messageId: 'm',
      role: Role.ROLE_USER,
      contextId: '',
      taskId: '',
      parts: [{ content: { $case: 'text' as const, value: 'hi' }, metadata: undefined, filename: '', mediaType: '' }],
      metadata: undefined,
      extensions: [],
      referenceTaskIds: [],
    };
    const reply = await client.sendMessage({ tenant: '', message, configuration: undefined, metadata: undefined });
    assert.match(JSON.stringify(reply), /heard: hi/);
    const streamed: unknown[] = [];
    for await (const event of client.sendMessageStream({ tenant: '', message, configuration: undefined, metadata: undefined }))
      streamed.push(event);
    assert.match(JSON.stringify(streamed), /heard: hi/);
    await cordon.close();
  });
});

describe('what is not allowed is denied, and says why', () => {
  void test('[U2] an argument that the policy does not allow: the model is told, the effect is not there, `why` names the clause', async () => {
    const answer = await call(caller, toolCall('write', { line: 'too much', amount: 101 }));
    const { isError, structuredContent } = resultOf(answer);
    assert.equal(isError, true);
    assert.equal(structuredContent?.code, 'CORDON-3005');
    assert.doesNotMatch(await readFile(bed.effects, 'utf8'), /too much/);
    const { json } = await bed.control('GET', `/v1/decisions/${structuredContent.decision_id}`);
    const why = json as unknown as { explanation: { nearest: [{ policy: string; failedClause: string; observed: string }] } };
    assert.equal(why.explanation.nearest[0].policy, 'caller-writes-small');
    assert.match(why.explanation.nearest[0].observed, /101/);
  });

  void test('[I1] a tool that no policy permits is denied by default', async () => {
    const answer = await call(caller, toolCall('secret', {}));
    assert.equal(resultOf(answer).structuredContent?.code, 'CORDON-3001');
  });

  void test('[I9] [U3] across a segment boundary a server looks exactly like one that does not exist', async () => {
    const hidden = await call(other, toolCall('echo', { text: 'x' }));
    const absent = await call(other, toolCall('echo', { text: 'x' }, 'nothere'));
    assert.deepEqual([hidden.status, hidden.text], [absent.status, absent.text]);
    const { date: _a, ...hiddenHeaders } = hidden.headers;
    const { date: _b, ...absentHeaders } = absent.headers;
    assert.deepEqual(hiddenHeaders, absentHeaders);
    assert.equal(hidden.status, 404);
    const { items } = (await bed.control('GET', '/v1/decisions?agent=other&limit=2')).json as { items: { code: string }[] };
    assert.deepEqual(items.map((item) => item.code).toSorted(), ['CORDON-3003', 'CORDON-3007']);
  });

  void test('[MCP-2026-07-28] an unknown tool of a visible server is named unknown', async () => {
    const answer = await call(caller, toolCall('nothing', {}));
    assert.equal(errorOf(answer).code, -32_602);
    assert.match(errorOf(answer).message, /^Unknown tool: nothing$/);
  });

  void test('[RFC9457] over plain HTTP a refusal is a problem document, of the gateway and of the control plane', async () => {
    const hidden = await call(caller, { path: '/mcp/nothere', method: 'PUT' });
    const unknown = await bed.control('POST', '/v1/runs', { kind: 'agent', name: 'nobody' });
    for (const { status, headers, json } of [hidden, unknown]) {
      assert.match(String(headers['content-type']), /^application\/problem\+json/);
      assert.deepEqual([json['type'], json['status'], typeof json['title']], ['about:blank', status, 'string']);
    }
  });

  void test('[U3] a denial is on record with every field that an allow has', async () => {
    await call(caller, toolCall('echo', { text: 'x' }));
    const allowed = await last();
    await call(caller, toolCall('secret', {}));
    const denied = await last();
    assert.deepEqual([allowed['verdict'], denied['verdict']], ['allow', 'deny']);
    const missing = Object.keys(allowed).filter((field) => !Object.hasOwn(denied, field));
    assert.deepEqual(missing, []);
  });

  void test('[I7] an agent is refused on every operator route, and a control plane without a certificate answers nobody', async () => {
    for (const [method, path] of [
      ['GET', '/v1/status'],
      ['POST', '/v1/agents/other/level'],
      ['POST', '/v1/runs'],
      ['GET', '/v1/policies'],
      ['POST', '/v1/policies/apply'],
      ['POST', '/v1/policies/promote'],
      ['POST', '/v1/policies/rollback'],
      ['GET', '/v1/decisions/watch'],
      ['DELETE', '/v1/runs/AAAA'],
    ] as const) {
      const answer = await send({ port: bed.ports.control, path, method, svid: caller, body: '{}' });
      assert.deepEqual([answer.status, answer.json['code']], [403, 'CORDON-1014'], path);
      const record = await last();
      assert.deepEqual([record['code'], record['run'], record['resource']], ['CORDON-1014', caller.run, 'control'], path);
    }
    await assert.rejects(send({ port: bed.ports.control, path: '/v1/status', method: 'GET', svid: { ca: caller.ca } }));
  });
});

describe('identity', () => {
  void test('[I5] no client certificate: the handshake ends, and the log says so', async () => {
    await assert.rejects(call({ ca: caller.ca }, toolCall('echo', { text: 'x' })));
    assert.equal((await last())['code'], 'CORDON-1001');
  });

  void test('[I5] a certificate of another CA that claims a registered agent', async () => {
    const key = await generateKeyPem();
    const uri = 'spiffe://test.example/agent/caller/run/FORGED';
    const forged = await forge({ uri, key, notBefore: Date.now() - 1000, notAfter: Date.now() + 60_000 });
    await assert.rejects(call({ cert: forged, key: key.privateKey, ca: caller.ca }, toolCall('echo', { text: 'x' })));
    const record = await last();
    assert.deepEqual([record['code'], record['principal']], ['CORDON-1004', undefined]);
  });

  void test('[I5] a stolen certificate without its key is of no use', async () => {
    const key = await generateKeyPem();
    await assert.rejects(call({ ...caller, key: key.privateKey }, toolCall('echo', { text: 'x' })));
  });

  void test('a join token is good once, and its holder cannot choose another name', async () => {
    const { json } = await bed.control('POST', '/v1/runs', { kind: 'agent', name: 'caller' });
    const csr = Buffer.from(await createRequest(await generateKeyPem())).toString('base64');
    const join = (): Promise<Answer> =>
      send({ port: bed.ports.identity, path: '/v1/join', body: JSON.stringify({ token: json['token'], csr }), svid: { ca: caller.ca } });
    const answers = await Promise.all([join(), join(), join()]);
    assert.deepEqual(
      answers.map((answer) => answer.status).toSorted((a, b) => a - b),
      [200, 403, 403],
    );
    assert.deepEqual([(await last())['code'], (await last())['action']], ['CORDON-1005', 'control/POST /v1/join']);
    assert.equal((await bed.control('POST', '/v1/runs', { kind: 'agent', name: 'nobody' })).json['code'], 'CORDON-1014');
    assert.equal((await bed.control('POST', '/v1/runs', { kind: 'operator', name: 'local' })).json['code'], 'CORDON-9011');
  });

  void test('an ended run is refused at once, on the connection it has', async () => {
    const gone = await bed.svid('caller');
    assert.equal((await call(gone, toolCall('echo', { text: 'x' }))).status, 200);
    await bed.control('DELETE', `/v1/runs/${gone.run}`);
    assert.equal(resultOf(await call(gone, toolCall('echo', { text: 'x' }))).structuredContent?.code, 'CORDON-4005');
  });

  void test('[I5] [RFC9457] a tool server answers the gateway and nobody else, and the attempt is in the log', async () => {
    const direct = await send({ port: bed.ports.bench, ...toolCall('echo', { text: 'x' }), path: '/mcp', svid: caller });
    assert.deepEqual([direct.status, direct.json['code']], [403, 'CORDON-3007']);
    let record = await last();
    for (let tries = 0; record['action'] !== 'tls/connect' && tries < 100; tries++) record = await last();
    assert.deepEqual([record['action'], record['resource'], record['run']], ['tls/connect', 'bench', caller.run]);
  });
});

const body = (text: string, extra: Record<string, string> = {}): Pick<Parameters<typeof send>[0], 'path' | 'headers' | 'body'> => {
  const { path, headers } = toolCall('write', {});
  return { path, headers: { ...headers, ...extra }, body: text };
};
const numbered = (count: number, prefix: string): [string, string][] => Array.from({ length: count }, (_, i) => [`${prefix}-${i}`, 'x']);
const META = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}';
const writes = (amount: string, rest = ''): string =>
  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"write","arguments":{"line":"smuggled","amount":${amount}${rest}},${META}}}`;

const FORMS: readonly (readonly [why: string, sent: Partial<Parameters<typeof send>[0]>, status: number, code: string])[] = [
  ['duplicate keys', body(writes('1', ',"amount":1000')), 400, 'CORDON-9011'],
  ['a duplicate method', body(`{"method":"tools/list",${writes('1').slice(1)}`), 400, 'CORDON-9011'],
  ['an escaped duplicate key', body(writes('1', ',"\\u0061mount":1000')), 400, 'CORDON-9011'],
  ['a batch', body(`[${writes('1')}]`), 400, 'CORDON-9011'],
  ['two messages', body(`${writes('1')}${writes('1')}`), 400, 'CORDON-9011'],
  ['no JSON', body('hello'), 400, 'CORDON-9011'],
  ['nothing', body(''), 400, 'CORDON-9011'],
  ['nesting', body('['.repeat(100)), 400, 'CORDON-9011'],
  ['a lone surrogate', body(writes('1', ',"x":"\\ud800"')), 400, 'CORDON-9011'],
  ['a byte order mark', body(`\ufeff${writes('1')}`), 400, 'CORDON-9011'],
  ['an oversized body', body(writes('1', `,"pad":"${'x'.repeat(1_100_000)}"`)), 400, 'CORDON-9011'],
  ['a method header that disagrees', body(writes('1'), { 'mcp-method': 'tools/list' }), 400, 'CORDON-3011'],
  ['a name header that disagrees', body(writes('1'), { 'mcp-name': 'echo' }), 400, 'CORDON-3011'],
  ['a name header that disagrees in base64', body(writes('1'), { 'mcp-name': '=?base64?ZWNobw==?=' }), 400, 'CORDON-3011'],
  ['a version header that disagrees', body(writes('1'), { 'mcp-protocol-version': '2025-11-25' }), 400, 'CORDON-3011'],
  [
    'an unknown version',
    body(writes('1').replace('2026-07-28', '2031-01-01'), { 'mcp-protocol-version': '2031-01-01' }),
    400,
    'CORDON-3021',
  ],
  ['a compressed body', body(writes('1'), { 'content-encoding': 'gzip' }), 400, 'CORDON-9011'],
  ['another content type', body(writes('1'), { 'content-type': 'text/plain' }), 400, 'CORDON-9011'],
  ['an upgrade', body(writes('1'), { upgrade: 'h2c', connection: 'upgrade' }), 400, 'CORDON-9011'],
  ['a compressed transfer', body(writes('1'), { 'transfer-encoding': 'gzip, chunked' }), 400, 'CORDON-9011'],
  ['too many headers', body(writes('1'), Object.fromEntries(numbered(120, 'x-pad'))), 400, 'CORDON-9011'],
  ['an oversized body in chunks', body('x'.repeat(1_100_000), { 'transfer-encoding': 'chunked' }), 400, 'CORDON-9011'],
  ['a header value that is no UTF-8', body(writes('1'), { 'mcp-name': '=?base64?/w==?=' }), 400, 'CORDON-3011'],
];

const a2a = (params: object, agent = 'callee'): Pick<Parameters<typeof send>[0], 'path' | 'headers' | 'body'> => ({
  path: `/a2a/${agent}`,
  headers: { 'a2a-version': '1.0' },
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SendMessage', params }),
});
const said = (part: object): object => ({ messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'hi' }, part] });

const BESIDE: readonly (readonly [why: string, params: object, code: string])[] = [
  ['data', { message: said({ data: { iban: 'DE00' } }) }, 'CORDON-3006'],
  ['a file', { message: said({ url: 'https://evil.example/x' }) }, 'CORDON-3006'],
  ['data under a text', { message: said({ text: 'x', data: {} }) }, 'CORDON-3006'],
  [
    'a webhook',
    { message: said({ text: 'x' }), configuration: { taskPushNotificationConfig: { url: 'https://evil.example' } } },

    'CORDON-3023',
  ],
];

describe('[MCP-2026-07-28] form', () => {
  for (const [why, sent, status, code] of FORMS) {
    void test(`[I2] ${why} is refused and recorded`, async () => {
      const answer = await call(caller, sent);
      assert.equal(answer.status, status, answer.text);
      assert.equal(codeOf(answer), code);
      assert.doesNotMatch(await readFile(bed.effects, 'utf8'), /smuggled/);
      assert.equal((await last())['code'], code);
    });
  }

  for (const [what, params, code] of BESIDE) {
    void test(`[I2] ${what} beside the text that policy sees is refused`, async () => {
      const answer = await call(caller, a2a(params));
      assert.deepEqual([a2aCodeOf(answer), (await last())['code']], [code, code]);
    });
  }

  const RAW: readonly (readonly [why: string, head: string])[] = [
    ['two Host headers', 'POST /mcp/bench HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}'],
    [
      'a repeated Mcp-Name',
      'POST /mcp/bench HTTP/1.1\r\nHost: a\r\nMcp-Name: a\r\nMcp-Name: b\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
    ],
    ['length and chunking', 'POST /mcp/bench HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    [
      'an absolute target',
      'POST https://evil.example/mcp/bench HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
    ],
    ['a version-less request line', 'GET /mcp/bench\r\n\r\n'],
    ['HTTP/1.0', 'POST /mcp/bench HTTP/1.0\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}'],
    ['a path that climbs', 'POST /mcp/../mcp/bench HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}'],
    ['CONNECT', 'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n'],
  ];
  for (const [why, head] of RAW) {
    void test(`[I2] [I3] ${why} does not get through, and is recorded`, async () => {
      const earlier = await last();
      const socket = connectTls({ host: '127.0.0.1', port: bed.ports.gateway, ...caller, checkServerIdentity: () => undefined });
      socket.on('error', () => undefined); // a reset is a refusal too
      await once(socket, 'secureConnect');
      let seen = '';
      socket.on('data', (data: Buffer) => (seen += data.toString()));
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.end(head);
      await closed;
      assert.doesNotMatch(seen, /^HTTP\/1\.1 2/);
      const record = await last();
      assert.notEqual(record['seq'], earlier['seq']);
      assert.deepEqual([record['verdict'], record['run']], ['deny', caller.run]);
    });
  }
});

describe('containment', () => {
  void test('[I6] [U6] `off` cuts the live stream, refuses the next call, survives a restart, and `release` lifts it', async () => {
    const cordon = await workload('caller');
    const { path, headers, body: text } = toolCall('slow', {});
    const withToken = String(text).replace('"_meta":{', '"_meta":{"progressToken":1,');
    const response = await cordon.fetch(`https://127.0.0.1:${bed.ports.gateway}${path}`, {
      method: 'POST',
      headers: { ...(headers as Record<string, string>), 'content-type': 'application/json' },
      body: withToken,
    });
    const reader = response.body?.getReader();
    await reader?.read();
    const off = (await bed.control('POST', '/v1/agents/caller/level', { level: 'off', reason: 'test' })).json as unknown as {
      status: string;
      peps: [{ calls: number; connections: number; remaining: number }];
    };
    assert.equal(off.status, 'contained', JSON.stringify(off));
    assert.equal(off.peps[0].remaining, 0);
    assert.ok(off.peps[0].connections >= 1);
    await assert.rejects(async () => {
      for (;;) if ((await reader?.read())?.done ?? true) throw new Error('ended');
    });
    const told = await call(caller, toolCall('echo', { text: 'x' }));
    assert.equal(resultOf(told).structuredContent?.code, 'CORDON-4002');
    assert.equal(told.headers['connection'], 'close', 'who is off is told why and let go');
    const run = await bed.control('POST', '/v1/runs', { kind: 'agent', name: 'caller' });
    assert.equal(run.json['code'], 'CORDON-4002', 'and gets no new identity');
    await bed.stop();
    await bed.start();
    await bed.ready();
    assert.equal(resultOf(await call(caller, toolCall('echo', { text: 'x' }))).structuredContent?.code, 'CORDON-4002');
    const released = (await bed.control('POST', '/v1/agents/caller/level', { level: 'normal', reason: 'test' })).json;
    assert.equal(released['status'], 'released');
    assert.equal((await call(caller, toolCall('echo', { text: 'x' }))).status, 200);
    await cordon.close();
  });

  void test('level `restricted` leaves reads', async () => {
    await bed.control('POST', '/v1/agents/caller/level', { level: 'restricted', reason: 'test' });
    assert.equal(resultOf(await call(caller, toolCall('echo', { text: 'x' }))).content[0]?.text, 'x');
    assert.equal(resultOf(await call(caller, toolCall('write', { line: 'no', amount: 1 }))).structuredContent?.code, 'CORDON-4004');
    await bed.control('POST', '/v1/agents/caller/level', { level: 'normal', reason: 'test' });
  });
});
