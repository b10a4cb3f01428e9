// A server over stdio serves all callers with one process. What it asks reaches the one caller whose call is open, as policy says, and
// nobody when there is no such call, or more than one.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { after, before, describe, test } from 'node:test';
import { openBed, send, type Answer, type Bed, type Svid } from './support/bed.ts';
import { messagesOf } from './support/call-stream.ts';
import { readLog, signedAll } from './support/log-reader.ts';

const POLICIES = `
@id("all") permit (principal, action, resource);
@id("no-roots") forbid (principal, action == Action::"roots/list", resource);
@id("not-the-callee") forbid (principal == Agent::"callee", action == Action::"elicitation/create", resource);
`;

/** `ask` asks what it is told to and says what came of it; `hold` is open until `release`; at its start the server asks unbidden. */
const SERVER = `
  const say = (message) => console.log(JSON.stringify({ jsonrpc: '2.0', ...message }));
  const waiting = new Map();
  let next = 0, unbidden, held, heard;
  const ask = (method, then) => { const id = 'q' + next++; waiting.set(id, then); say({ id, method, params: { message: 'who?', requestedSchema: { type: 'object', properties: {} } } }); };
  const text = (id, value) => say({ id, result: { content: [{ type: 'text', text: JSON.stringify(value) }] } });
  const tool = (name) => ({ name, inputSchema: { type: 'object', properties: { method: { type: 'string' } } } });
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method, params, result, error } = JSON.parse(line);
    if (method === undefined) { waiting.get(id)?.(error ?? result); waiting.delete(id); return; }
    if (method === 'initialize') { heard = params.capabilities; return say({ id, result: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'asker', version: '1' } } }); }
    if (method === 'notifications/initialized') return ask('elicitation/create', (answer) => { unbidden = answer; });
    if (method === 'tools/list') return say({ id, result: { tools: ['ask', 'hold', 'release', 'report'].map(tool) } });
    if (method !== 'tools/call') return id === undefined ? undefined : say({ id, error: { code: -32601, message: 'Method not found' } });
    if (params.name === 'report') return text(id, { unbidden, heard });
    if (params.name === 'hold') { held = id; return; }
    if (params.name === 'release') { text(held, 'released'); return text(id, 'done'); }
    ask(params.arguments.method, (answer) => text(id, answer));
  });`;

let bed: Bed;
let caller: Svid;
let other: Svid;
let callee: Svid;
before(async () => {
  const stdio = JSON.stringify([process.execPath, '-e', SERVER]);
  const resources = `resources:\n  asker:\n    segment: tools\n    mcp: { stdio: ${stdio}, asks: [sampling, elicitation, roots] }\npolicies:`;
  bed = await openBed({ tools: false, policies: POLICIES, configure: (yaml) => yaml.replace(/^resources:[^]*^policies:/m, resources) });
  await bed.ready();
  [caller, other, callee] = [await bed.svid('caller'), await bed.svid('caller'), await bed.svid('callee')];
});
after(() => (bed as Bed | undefined)?.close());

const ALL = { elicitation: {}, sampling: {}, roots: {} };
const headersOf = (session?: string): Record<string, string> => ({
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': '2025-11-25',
  ...(session === undefined ? {} : { 'mcp-session-id': session }),
});
const post = (svid: Svid, body: object, session?: string): Promise<Answer> =>
  send({
    port: bed.ports.gateway,
    path: '/mcp/asker',
    headers: headersOf(session),
    body: JSON.stringify({ jsonrpc: '2.0', ...body }),
    svid,
  });
const begin = async (svid: Svid, capabilities: object = ALL): Promise<string> => {
  const params = { protocolVersion: '2025-11-25', capabilities, clientInfo: { name: 'test', version: '1' } };
  const answer = await post(svid, { id: 1, method: 'initialize', params });
  const id = answer.headers['mcp-session-id'];
  assert.ok(typeof id === 'string', answer.text);
  return id;
};
const called = (name: string, args: object = {}): object => ({ id: 2, method: 'tools/call', params: { name, arguments: args } });
const asking = (method: string): object => called('ask', { method });

/** What the tool said. */
const saidIn = ({ text }: Answer): Record<string, unknown> => {
  const message = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? text) as { result: { content: readonly { text: string }[] } };
  return JSON.parse(message.result.content[0]?.text ?? '{}') as Record<string, unknown>;
};

/** A call whose answer is read as it comes. */
async function open(svid: Svid, body: object, session: string): Promise<AsyncGenerator<Record<string, unknown>>> {
  const { cert, key, ca } = svid;
  const to = { host: '127.0.0.1', port: bed.ports.gateway, path: '/mcp/asker', method: 'POST', agent: false as const, servername: '' };
  const headers = { ...headersOf(session), 'content-type': 'application/json' };
  const req = request({ ...to, cert, key, ca, headers, checkServerIdentity: () => undefined });
  req.end(JSON.stringify({ jsonrpc: '2.0', ...body }));
  const [response] = (await once(req, 'response')) as [IncomingMessage];
  return messagesOf({ response, abort: () => undefined });
}

describe('[MCP-2025-11-25] a server over stdio asks', () => {
  test('[I5] the caller whose call is open, who alone answers, once', async () => {
    const session = await begin(caller);
    const messages = await open(caller, asking('elicitation/create'), session);
    const asked = (await messages.next()).value as { id: string; method: string; params: object };
    assert.deepEqual([asked.method, /^q\d/.test(asked.id)], ['elicitation/create', false]);
    const said = { id: asked.id, result: { action: 'accept', content: { name: 'Zoë' } } };
    const forged = { id: asked.id, result: { action: 'accept', content: { name: 'forged' } } };
    assert.equal((await post(other, forged, session)).status, 404, 'another run, in this session');
    assert.equal((await post(other, forged, await begin(other))).status, 400, 'in a session of its own');
    assert.equal((await post(caller, forged, await begin(caller))).status, 400, 'in another session of the same run');
    assert.equal((await post(caller, said, session)).status, 202);
    assert.equal((await post(caller, forged, session)).status, 400, 'a second time');
    assert.match(JSON.stringify((await messages.next()).value), /Zoë/);
    await signedAll(bed);
    const { decisions } = await readLog(bed);
    const verdicts = decisions.filter(({ action }) => action === 'elicitation/create').map(({ verdict }) => verdict);
    assert.deepEqual(verdicts, ['allow', 'allow'], 'the question and the answer are on record');
  });

  test('[I1] nobody without an open call: what it asks of its own accord is refused', async () => {
    const { unbidden, heard } = saidIn(await post(caller, called('report'), await begin(caller))) as { unbidden: object; heard: object };
    assert.deepEqual(unbidden, { code: -32_601, message: 'nobody is there who could be asked' });
    assert.deepEqual(Object.keys(heard).toSorted(), ['elicitation', 'roots', 'sampling']);
  });

  test('[I5] nobody while two callers are in flight: nothing says which of them is asked', async () => {
    const [mine, theirs] = [await begin(caller), await begin(other)];
    const held = post(caller, called('hold'), mine);
    let answer: Record<string, unknown> = {};
    // the first call is open as soon as the second hears of it
    for (let tries = 0; tries < 200 && answer['code'] === undefined; tries++) {
      const { json } = await bed.control('GET', '/v1/status');
      if ((json as { gateway: { openCalls: number } }).gateway.openCalls < 1) continue;
      answer = saidIn(await post(other, asking('sampling/createMessage'), theirs));
    }
    assert.deepEqual(answer, { code: -32_601, message: 'more than one call is open, and nothing says which one asks' });
    assert.match((await post(other, called('release'), theirs)).text, /done/);
    assert.match((await held).text, /released/);
  });

  test('[I1] nobody whom policy does not let it ask, and nobody who cannot be asked', async () => {
    for (const [svid, capabilities, method] of [
      [caller, ALL, 'roots/list'],
      [callee, ALL, 'elicitation/create'],
      [caller, { sampling: {} }, 'elicitation/create'],
      [caller, {}, 'sampling/createMessage'],
      [caller, ALL, 'tools/call'],
    ] as const) {
      const { code } = saidIn(await post(svid, asking(method), await begin(svid, capabilities)));
      assert.equal(code, -32_601, method);
    }
    assert.equal(saidIn(await post(caller, asking('elicitation/create')))['code'], -32_601, 'without a session');
  });

  test('[I5] what one caller would set for all is no method there', async () => {
    const session = await begin(caller);
    for (const [method, params] of [
      ['logging/setLevel', { level: 'debug' }],
      ['resources/subscribe', { uri: 'a:b' }],
    ] as const)
      assert.match((await post(caller, { id: 3, method, params }, session)).text, /-32601/, method);
  });
});
