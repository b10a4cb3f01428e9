// What is beyond one request and its answer in MCP: sessions of 2025-11-25, what a server asks of a caller, streams of notices, parameters
// in headers. The server is the fixture of the conformance suite, on the official SDK; here stand the attacks, over real sockets.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import type { JsonObject } from '../src/domain/json.ts';
import { openBed, send, type Answer, type Bed, type Svid } from './support/bed.ts';
import { messagesOf } from './support/call-stream.ts';
import { cordon } from './support/cordon.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { until } from './support/until.ts';

const POLICIES = `
@id("all") permit (principal, action, resource);
@id("no-sampling") @reason("no sampling for the second") forbid (principal, action == Action::"sampling/createMessage", resource == Server::"second");
@id("no-roots") forbid (principal == Agent::"callee", action == Action::"roots/list", resource);
@id("not-watched") @reason("not yours") forbid (principal == Agent::"callee", action == Action::"resources/read", resource)
when { context.input.uri == "test://watched-resource" };
`;

let bed: Bed;
let fixture: ChildProcess;
let caller: Svid;
let other: Svid;
let callee: Svid;

before(async () => {
  fixture = spawn(process.execPath, [new URL('../conformance/mcp/serve.ts', import.meta.url).pathname], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: fixture.stdout ?? process.stdin })[Symbol.asyncIterator]();
  const { value: port } = await lines.next();
  bed = await openBed({
    policies: POLICIES,
    tools: false,
    configure: (yaml) => {
      const { resources, ...rest } = parse(yaml) as { resources: { bench: object } };
      const mcp = { url: `http://127.0.0.1:${String(port)}/mcp`, allowPlaintextLoopback: true };
      return stringify(
        { ...rest, resources: { bench: { ...resources.bench, mcp }, second: { ...resources.bench, mcp } } },
        { aliasDuplicateObjects: false },
      );
    },
  });
  await bed.ready();
  caller = await bed.svid('caller');
  other = await bed.svid('caller');
  callee = await bed.svid('callee');
});
after(async () => {
  fixture.kill();
  await (bed as Bed | undefined)?.close();
});

const ACCEPT = 'application/json, text/event-stream';
const legacy = (svid: Svid, body: object, session?: string, server = 'bench'): Promise<Answer> =>
  send({
    port: bed.ports.gateway,
    path: `/mcp/${server}`,
    headers: { accept: ACCEPT, 'mcp-protocol-version': '2025-11-25', ...(session === undefined ? {} : { 'mcp-session-id': session }) },
    body: JSON.stringify({ jsonrpc: '2.0', ...body }),
    svid,
  });
const begin = async (svid: Svid, capabilities: object = {}, server = 'bench'): Promise<string> => {
  const params = { protocolVersion: '2025-11-25', capabilities, clientInfo: { name: 'test', version: '1' } };
  const answer = await legacy(svid, { id: 1, method: 'initialize', params }, undefined, server);
  const id = answer.headers['mcp-session-id'];
  assert.ok(typeof id === 'string', answer.text);
  return id;
};
/** The JSON-RPC message of an answer that is one event, or plain JSON. */
const messageOf = ({ text }: Answer): JsonObject => JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? text) as JsonObject;

const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
const modern = (svid: Svid, method: string, params: object, headers: Record<string, string> = {}, server = 'bench'): Promise<Answer> => {
  const { name, uri } = params as { name?: string; uri?: string };
  const named = name ?? uri;
  return send({
    port: bed.ports.gateway,
    path: `/mcp/${server}`,
    headers: {
      accept: ACCEPT,
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(named === undefined ? {} : { 'mcp-name': named }),
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 7, method, params: { _meta: META, ...params } }),
    svid,
  });
};
const able = (capabilities: object): object => ({ ...META, 'io.modelcontextprotocol/clientCapabilities': capabilities });

/** A request whose answer is read as it comes. */
async function open(svid: Svid, method: string, headers: Record<string, string>, body?: object): Promise<IncomingMessage> {
  const { cert, key, ca } = svid;
  const req = request({
    host: '127.0.0.1',
    port: bed.ports.gateway,
    path: '/mcp/bench',
    method,
    cert,
    key,
    ca,
    agent: false,
    servername: '',
    checkServerIdentity: () => undefined,
    headers: { accept: ACCEPT, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
  });
  req.end(body === undefined ? undefined : JSON.stringify(body));
  req.on('error', () => undefined);
  const [response] = (await once(req, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  return response;
}

describe('[MCP-2025-11-25] sessions', () => {
  void test('[I5] a session id is good for its run, on its route, until it is ended', async () => {
    const session = await begin(caller);
    const list = { id: 2, method: 'tools/list' };
    assert.equal((await legacy(caller, list, session)).status, 200);
    assert.equal((await legacy(other, list, session)).status, 404, 'another run of the same agent');
    assert.equal((await legacy(callee, list, session)).status, 404, 'another agent');
    assert.equal((await legacy(caller, list, session, 'second')).status, 404, 'another route');
    assert.equal((await legacy(caller, list, 'made-up')).status, 404);
    const end = (svid: Svid): Promise<Answer> =>
      send({ port: bed.ports.gateway, path: '/mcp/bench', method: 'DELETE', headers: { 'mcp-session-id': session }, svid });
    assert.equal((await end(other)).status, 404);
    assert.equal((await legacy(caller, list, session)).status, 200, 'nobody else ended it');
    assert.equal((await end(caller)).status, 200);
    assert.equal((await legacy(caller, list, session)).status, 404);
    assert.equal((await end(caller)).status, 404);
  });

  void test('GET and DELETE without a session, and in 2026-07-28, are no methods; a session id means nothing there', async () => {
    const session = await begin(caller);
    for (const method of ['GET', 'DELETE']) {
      const ask = (headers: Record<string, string>): Promise<Answer> =>
        send({ port: bed.ports.gateway, path: '/mcp/bench', method, headers: { accept: ACCEPT, ...headers }, svid: caller });
      assert.equal((await ask({})).status, 405);
      assert.equal((await ask({ 'mcp-session-id': session, 'mcp-protocol-version': '2026-07-28' })).status, 405);
    }
    assert.equal((await modern(caller, 'tools/list', {}, { 'mcp-session-id': 'made-up' })).status, 200);
  });

  void test('a GET that clients try and do without does not hide the last denied call from whoever asks why', async () => {
    const svid = await bed.svid('other');
    const tries = (): Promise<Answer> =>
      send({ port: bed.ports.gateway, path: '/mcp/bench', method: 'GET', headers: { accept: ACCEPT }, svid });
    const why = (...args: readonly string[]): ReturnType<typeof cordon> =>
      cordon(['why', '--last', ...args, '--agent', 'other'], { cwd: bed.dir, env: { CORDON_DATA: bed.data } });
    assert.equal((await tries()).status, 405);
    const none = await why();
    assert.match(none.stdout, /^no call was denied\n/);
    assert.match((await why('1')).stdout, /CORDON-3022/);
    assert.equal((await modern(svid, 'tools/call', { name: 'test_simple_text', arguments: {} })).status, 404, 'of another segment');
    assert.equal((await tries()).status, 405);
    const denied = await why();
    assert.match(denied.stdout, /^DENY .*CORDON-3007/);
  });

  void test('[I4] what the server asks in a call reaches its caller alone, and only the caller answers, once', async () => {
    const session = await begin(caller, { sampling: {} });
    const call = { jsonrpc: '2.0', id: 3, method: 'tools/call', params: { name: 'test_sampling', arguments: { prompt: 'hi' } } };
    const headers = { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' };
    const messages = messagesOf({ response: await open(caller, 'POST', headers, call), abort: () => undefined });
    const asked = (await messages.next()).value as { id: string; method: string };
    assert.equal(asked.method, 'sampling/createMessage');
    const said = { id: asked.id, result: { role: 'assistant', model: 'm', content: { type: 'text', text: 'from the caller' } } };
    const forged = { ...said, result: { ...said.result, content: { type: 'text', text: 'forged' } } };
    assert.equal((await legacy(other, forged, session)).status, 404);
    assert.equal((await legacy(other, forged, await begin(other))).status, 400, 'in a session of its own');
    assert.equal((await legacy(caller, { ...forged, id: 'ask-000000-1' }, session)).status, 400);
    assert.equal((await legacy(caller, said, session)).status, 202);
    assert.equal((await legacy(caller, forged, session)).status, 400, 'a second time');
    assert.match(JSON.stringify((await messages.next()).value), /LLM response: from the caller/);
    await signedAll(bed);
    const actions = (await readLog(bed)).decisions
      .filter(({ action }) => action === 'sampling/createMessage')
      .map(({ verdict }) => verdict);
    assert.deepEqual(actions, ['allow', 'allow'], 'the question and the answer are on record');
    // [I10] a question takes no place of its own: else a server that asks fills those of its segment
    await until('its places are free', async () => {
      const { upstreams } = (await bed.control('GET', '/v1/status')).json as { upstreams: { name: string; inFlight: number }[] };
      return upstreams.find(({ name }) => name === 'bench')?.inFlight === 0 ? true : undefined;
    });
  });

  void test('[I1] a server does not learn of a capability, and does not ask, where policy does not permit it', async () => {
    const session = await begin(caller, { sampling: {} }, 'second');
    const params = { name: 'test_sampling', arguments: { prompt: 'hi' } };
    const answer = await legacy(caller, { id: 3, method: 'tools/call', params }, session, 'second');
    assert.doesNotMatch(answer.text, /"sampling\/createMessage"/);
    assert.match(JSON.stringify(messageOf(answer)), /isError|error/);
  });

  void test('[I6] the stream of a session is cut when its agent is contained', async () => {
    const svid = await bed.svid('callee');
    const session = await begin(svid);
    const stream = await open(svid, 'GET', { 'mcp-session-id': session });
    assert.deepEqual([stream.statusCode, stream.headers['content-type']], [200, 'text/event-stream']);
    const closed = new Promise((resolve) => stream.once('close', resolve));
    stream.resume();
    assert.equal((await bed.control('POST', '/v1/agents/callee/level', { level: 'off', reason: 'test' })).status, 200);
    await closed;
    assert.equal((await bed.control('POST', '/v1/agents/callee/level', { level: 'normal', reason: 'test' })).status, 200);
    callee = await bed.svid('callee');
  });
});

describe('[MCP-2026-07-28] what a server needs', () => {
  const first = async (svid: Svid, name: string): Promise<string> => {
    const { result } = messageOf(await modern(svid, 'tools/call', { name, _meta: able({ elicitation: {}, sampling: {}, roots: {} }) })) as {
      result: { resultType: string; requestState: string };
    };
    assert.equal(result.resultType, 'input_required');
    return result.requestState;
  };
  const again = (svid: Svid, name: string, requestState: string, more: object = {}): Promise<Answer> =>
    modern(svid, 'tools/call', {
      name,
      inputResponses: { confirm: { action: 'accept', content: { ok: true } } },
      requestState,
      _meta: able({ elicitation: {} }),
      ...more,
    });

  void test('[I5] a state comes back from its caller, for its call, or is refused', async () => {
    const name = 'test_input_required_result_request_state';
    const state = await first(caller, name);
    assert.doesNotMatch(Buffer.from(state, 'base64url').toString('latin1'), /"step"/, 'the caller cannot read it');
    assert.match((await again(caller, name, state)).text, /state-ok/);
    const refused: readonly (readonly [string, Promise<Answer>])[] = [
      ['another agent', again(callee, name, state)],
      ['another tool', again(caller, 'test_input_required_result_tampered_state', state)],
      ['other arguments', again(caller, name, state, { arguments: { x: 1 } })],
      ['a changed bit', again(caller, name, `${state.slice(0, -2)}AA`)],
      ['nothing', again(caller, name, '')],
    ];
    for (const [why, answer] of refused) assert.match((await answer).text, /CORDON-(?:9011|3006)/, why);
  });

  void test('[I1] it asks what policy permits', async () => {
    const name = 'test_input_required_result_list_roots';
    const ask = (svid: Svid): Promise<Answer> => modern(svid, 'tools/call', { name, _meta: able({ roots: {} }) });
    assert.match((await ask(caller)).text, /roots\/list/);
    assert.doesNotMatch((await ask(callee)).text, /"roots\/list"/);
  });

  void test('[I2] parameters in headers say what the body says', async () => {
    const call = (args: object, headers: Record<string, string>): Promise<Answer> =>
      modern(caller, 'tools/call', { name: 'test_custom_header', arguments: args }, headers);
    assert.equal((await call({ region: 'eu', priority: 2 }, { 'mcp-param-region': 'eu', 'mcp-param-priority': '2' })).status, 200);
    assert.equal((await call({ region: 'é' }, { 'mcp-param-region': '=?base64?w6k=?=' })).status, 200);
    for (const [args, headers] of [
      [{ region: 'eu' }, { 'mcp-param-region': 'us' }],
      [{ region: 'eu' }, {}],
      [{}, { 'mcp-param-region': 'eu' }],
      [{ priority: 2 }, { 'mcp-param-priority': '02x' }],
      [{ region: 'é' }, { 'mcp-param-region': '=?base64?w6k?=' }],
      [{ region: null }, { 'mcp-param-region': 'null' }],
    ] as const) {
      const answer = await call(args, headers);
      assert.deepEqual([answer.status, /-32020/.test(answer.text)], [400, true], JSON.stringify([args, headers]));
    }
  });

  void test('[I9] of the resources that a caller listens to, those that it may read', async () => {
    const notifications = { resourceSubscriptions: ['test://watched-resource', 'test://static-text'] };
    const body = { jsonrpc: '2.0', id: 9, method: 'subscriptions/listen', params: { notifications, _meta: META } };
    const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'subscriptions/listen' };
    for (const [svid, expected] of [
      [caller, ['test://watched-resource', 'test://static-text']],
      [callee, ['test://static-text']],
    ] as const) {
      const response = await open(svid, 'POST', headers, body);
      const heard = await messagesOf({ response, abort: () => undefined }).next();
      response.destroy();
      const { params } = heard.value as { params: { notifications: { resourceSubscriptions: unknown }; _meta: Record<string, unknown> } };
      assert.deepEqual(params.notifications.resourceSubscriptions, expected);
      assert.equal(params._meta['io.modelcontextprotocol/subscriptionId'], 9);
    }
  });
});
