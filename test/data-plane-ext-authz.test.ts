// Envoy `ext_authz` v3, spoken to over gRPC with Envoy's own protos: what it may ask, what it is told, and that no answer has an unset status.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client, credentials, status, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { API_KEY, freePorts, openBed, toolCall, type Bed, type Svid } from './support/bed.ts';

const DEPS = join(import.meta.dirname, '../node_modules/@grpc/grpc-js-xds/deps');
const definition = loadSync(['envoy/service/auth/v3/external_auth.proto'], {
  keepCase: true,
  defaults: true,
  oneofs: true,
  enums: Number,
  longs: String,
  includeDirs: ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((name) => join(DEPS, name)),
});

interface Method {
  readonly path: string;
  readonly requestSerialize: (value: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => object;
}
const service = definition['envoy.service.auth.v3.Authorization'] as unknown as Record<string, Method>;

interface Header {
  readonly header: { readonly key: string; readonly value: string };
  readonly append: { readonly value: boolean } | null;
}
interface Response {
  readonly status: { readonly code: number; readonly message: string } | null;
  readonly http_response?: 'ok_response' | 'denied_response';
  readonly ok_response?: { readonly headers: readonly Header[]; readonly headers_to_remove: readonly string[] };
  readonly denied_response?: { readonly status: { readonly code: number }; readonly headers: readonly Header[]; readonly body: string };
}

const POLICIES = `
@id("caller-echoes")
permit (principal == Agent::"caller", action in [Action::"bench/echo", Action::"mcp/session"], resource);

@id("caller-writes-small")
permit (principal == Agent::"caller", action == Action::"bench/write", resource)
when { context.input.amount <= 100 };

@id("talks")
permit (principal == Agent::"caller", action in Action::"a2a/message", resource == Agent::"callee");
`;

let bed: Bed;
let port: number;
let client: Client;
let caller: Svid & { readonly run: string };
let other: Svid;

before(async () => {
  [port = 0] = await freePorts(1);
  bed = await openBed({
    policies: POLICIES,
    configure: (yaml) => `${yaml}dataPlanes:
  envoy:
    protocol: ext_authz
    url: https://127.0.0.1:9446
    socket: run/envoy.sock
    access: owner
    routes:
      mcp/bench: { credential: true, txnToken: true }
      a2a/callee:
  remote:
    protocol: ext_authz
    url: https://127.0.0.1:9446
    listen: 127.0.0.1:${port}
    workload: bench
    routes: { mcp/bench: {} }
`,
  });
  await bed.ready();
  caller = await bed.svid('caller');
  other = await bed.svid('other');
  client = new Client(`unix:${join(bed.dir, 'run/envoy.sock')}`, credentials.createInsecure());
});
after(async () => {
  (client as Client | undefined)?.close();
  await (bed as Bed | undefined)?.close();
});

function check(request: object, by = client): Promise<Response> {
  const method = service['Check'];
  if (method === undefined) throw new Error('no method `Check`');
  const deserialize = method.responseDeserialize as (bytes: Buffer) => Response;
  return new Promise((resolve, reject) => {
    by.makeUnaryRequest(method.path, method.requestSerialize, deserialize, request, (error: ServiceError | null, response) => {
      if (error === null && response !== undefined) resolve(response);
      else reject(error ?? new Error('no answer'));
    });
  });
}

interface Sent {
  readonly svid?: Partial<Svid>;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Beside `headers`, as they were sent. */
  readonly more?: readonly (readonly [string, string])[];
  readonly body?: string;
  readonly partial?: string;
  /** As a text, as Envoy does without `pack_as_bytes`. */
  readonly asText?: boolean;
  /** Joined by name, as Envoy does without `encode_raw_headers`. */
  readonly joined?: boolean;
}

/** What Envoy sends for a request, as `examples/data-planes/envoy/envoy.yaml` has it. */
function requestOf({
  svid = caller,
  method = 'POST',
  path = '',
  headers = {},
  more = [],
  body,
  partial = 'false',
  asText,
  joined,
}: Sent): object {
  const said = { ':method': method, ':path': path, ':authority': 'edge', 'content-type': 'application/json', ...headers };
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)), 'x-envoy-auth-partial-body': partial };
  const all = [...Object.entries({ ...said, ...length }), ...more];
  const sent =
    joined === true
      ? { headers: Object.fromEntries(all) }
      : { header_map: { headers: all.map(([key, value]) => ({ key, raw_value: Buffer.from(value, 'latin1') })) } };
  const whole = body === undefined ? {} : asText === true ? { body } : { raw_body: Buffer.from(body) };
  const certificate = svid.cert === undefined ? '' : encodeURIComponent(svid.cert.slice(0, svid.cert.indexOf('-----END') + 26));
  return {
    attributes: {
      source: { certificate, principal: 'spiffe://test.example/agent/caller' },
      request: { http: { method, path, ...sent, ...whole } },
    },
  };
}

const asked = (tool: string, args: object, more: Partial<Sent> = {}): object => {
  const { path, headers, body } = toolCall(tool, args);
  return requestOf({ path, headers: headers as Record<string, string>, body: String(body), ...more });
};

/** A message to an agent. */
const talk = (message: object): object =>
  requestOf({
    path: '/a2a/callee',
    headers: { 'a2a-version': '1.0' },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'SendMessage',
      params: { message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'hi' }], ...message } },
    }),
  });

const last = async (): Promise<Record<string, unknown>> => {
  const { items } = (await bed.control('GET', '/v1/decisions?limit=1')).json as { items: Record<string, unknown>[] };
  return items[0] ?? {};
};

void describe('ext_authz', () => {
  for (const joined of [false, true]) {
    void test(`[Envoy-ext_authz] what is allowed has status 0 and what goes on with it, headers ${joined ? 'joined' : 'raw'}`, async () => {
      const { status: said, ok_response: ok, http_response: kind } = await check(asked('echo', { text: 'x' }, { joined }));
      assert.deepEqual([said?.code, kind], [status.OK, 'ok_response']);
      const headers = new Map(ok?.headers.map(({ header, append }) => [header.key, [header.value, append?.value]]));
      assert.deepEqual(headers.get('authorization'), [`Bearer ${API_KEY}`, false]);
      assert.match(String(headers.get('txn-token')?.[0]), /^ey/);
      assert.deepEqual(ok?.headers_to_remove, ['dpop']);
      const record = await last();
      assert.deepEqual(headers.get('cordon-decision'), [record['id'], false]);
      assert.deepEqual([record['enforced_by'], record['body'], record['run']], ['envoy', 'seen', caller.run]);
    });
  }

  void test('[A2A-1.0] a message that names no task and no context goes on', async () => {
    assert.equal((await check(talk({}))).status?.code, status.OK);
  });

  const { path, headers, body } = toolCall('echo', { text: 'x' });
  const echo: Sent = { path, headers: headers as Record<string, string>, body: String(body) };
  const DENIED: readonly (readonly [why: string, sent: () => object, http: number, rpc: number, code: string])[] = [
    ['arguments that no policy permits', () => asked('write', { line: 'x', amount: 101 }), 403, status.PERMISSION_DENIED, 'CORDON-3005'],
    ['a tool across segments', () => asked('echo', { text: 'x' }, { svid: other }), 404, status.NOT_FOUND, 'CORDON-3007'],
    ['no certificate, only a principal', () => requestOf({ ...echo, svid: {} }), 401, status.UNAUTHENTICATED, 'CORDON-1001'],
    ['no attributes', () => ({}), 401, status.UNAUTHENTICATED, 'CORDON-1001'],
    ['a part of the body', () => requestOf({ ...echo, partial: 'true' }), 403, status.PERMISSION_DENIED, 'CORDON-9011'],
    ['a body as text', () => requestOf({ ...echo, asText: true }), 403, status.PERMISSION_DENIED, 'CORDON-9011'],
    [
      'a body that is not sent along',
      () => requestOf({ path: '/mcp/bench', headers: { ...echo.headers, 'content-length': '200' } }),
      403,
      status.PERMISSION_DENIED,
      'CORDON-9011',
    ],
    ...['true', 'false'].map((partial) => {
      const said = (): object =>
        requestOf({ ...echo, partial, more: [['x-envoy-auth-partial-body', partial === 'true' ? 'false' : 'true']] });
      return [
        `a client that says that its body is whole, before or after (${partial})`,
        said,
        403,
        status.PERMISSION_DENIED,
        'CORDON-9011',
      ] as const;
    }),
    ...[{ taskId: 't' }, { contextId: 'c' }, { referenceTaskIds: ['t'] }].map((message) => {
      const [named = ''] = Object.keys(message);
      return [`[I4] [A2A-1.0] a message with a \`${named}\``, () => talk(message), 403, status.PERMISSION_DENIED, 'CORDON-3008'] as const;
    }),
    [
      '[A2A-1.0] a message over HTTP+JSON',
      () =>
        requestOf({
          path: '/a2a/callee/message:send',
          headers: { 'a2a-version': '1.0' },
          body: '{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"hi"}]}}',
        }),
      403,
      status.PERMISSION_DENIED,
      'CORDON-3008',
    ],
    ...['/tasks', '/tasks/t', '/tasks/t:subscribe'].map(
      (below) =>
        [
          `[A2A-1.0] \`GET ${below}\``,
          () => requestOf({ method: 'GET', path: `/a2a/callee${below}`, headers: { 'a2a-version': '1.0' } }),
          403,
          status.PERMISSION_DENIED,
          'CORDON-3008',
        ] as const,
    ),
    ['a header twice', () => requestOf({ ...echo, more: [['mcp-name', 'write']] }), 403, status.PERMISSION_DENIED, 'CORDON-3011'],
    ['a look-alike', () => requestOf({ ...echo, more: [['mcp_name', 'write']] }), 403, status.PERMISSION_DENIED, 'CORDON-3011'],
    [
      'a header of proxies',
      () => requestOf({ ...echo, more: [['x-forwarded-client-cert', 'x']] }),
      403,
      status.PERMISSION_DENIED,
      'CORDON-3011',
    ],
    [
      'a body shorter than it says',
      () => requestOf({ ...echo, more: [['content-length', '9999']] }),
      403,
      status.PERMISSION_DENIED,
      'CORDON-9011',
    ],
    ['a path that is normalised later', () => requestOf({ ...echo, path: '/x/../mcp/bench' }), 404, status.NOT_FOUND, 'CORDON-3003'],
    [
      'a task token that is none',
      () => requestOf({ ...echo, more: [['authorization', 'Bearer x']] }),
      401,
      status.UNAUTHENTICATED,
      'CORDON-1009',
    ],
  ];
  for (const [why, sent, http, rpc, code] of DENIED) {
    void test(`[Envoy-ext_authz] [I1] is denied with a status that is set, and on record: ${why}`, async () => {
      const { status: said, denied_response: denied, http_response: kind } = await check(sent());
      assert.deepEqual([said?.code, kind, denied?.status.code], [rpc, 'denied_response', http], JSON.stringify(denied));
      assert.equal(denied?.headers[0]?.header.key, 'content-type');
      assert.match(denied.body, /^\{"/);
      const record = await last();
      assert.deepEqual([record['code'], record['enforced_by']], [code, 'envoy']);
    });
  }

  void test('[I9] a name that is hidden and one that never was are told the same', async () => {
    const [hidden, absent] = await Promise.all([
      check(asked('echo', { text: 'x' }, { svid: other })),
      check(requestOf({ ...echo, svid: other, path: '/mcp/nothing' })),
    ]);
    assert.deepEqual(hidden.denied_response, absent.denied_response);
  });

  void test('[I10] a message beyond the bound is not read', async () => {
    await assert.rejects(check(requestOf({ ...echo, body: 'x'.repeat(2_000_000) })), { code: status.RESOURCE_EXHAUSTED });
  });

  void test('[I6] a run that has ended is denied with the next call', async () => {
    const ended = await bed.svid('caller');
    assert.equal((await check(asked('echo', { text: 'x' }, { svid: ended }))).status?.code, status.OK);
    await bed.control('DELETE', `/v1/runs/${ended.run}`);
    const { denied_response: denied } = await check(asked('echo', { text: 'x' }, { svid: ended }));
    assert.equal(denied?.status.code, 403);
    assert.equal((await last())['code'], 'CORDON-4005');
  });

  void test('[Envoy-ext_authz] [I5] over mTLS for the one workload, and for nobody else', async () => {
    const over = ({ ca, key, cert }: Svid): Client => {
      const options = { checkServerIdentity: () => undefined };
      return new Client(`127.0.0.1:${port}`, credentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert), options));
    };
    const [envoy, agent] = [over(await bed.svid('bench', 'resource')), over(caller)];
    assert.equal((await check(asked('echo', { text: 'x' }), envoy)).status?.code, status.OK);
    assert.equal((await last())['enforced_by'], 'remote');
    await assert.rejects(check(asked('echo', { text: 'x' }), agent), { code: status.UNAVAILABLE });
    envoy.close();
    agent.close();
  });
});
