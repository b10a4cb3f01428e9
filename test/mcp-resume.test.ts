// Streams that are taken up again (MCP 2025-11-25, resumability): the server ends its answer before it is said, and a caller comes back to
// the stream of its session. Ids are good in the session that they were handed out in, and nowhere else.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { openBed, send, type Answer, type Bed, type Svid } from './support/bed.ts';

let bed: Bed;
let server: Server;
let caller: Svid;
let other: Svid;
/** `Last-Event-ID` of each GET that reached the server. */
const asked: (string | undefined)[] = [];
let sessions = 0;
const owed = new Map<string, number>();

const event = (id: string, message?: object): string =>
  `id: ${id}\nretry: 1\ndata: ${message === undefined ? '' : JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`;
const NOTICE = { method: 'notifications/tools/list_changed' };

before(async () => {
  server = createServer((req, res): unknown => {
    const json = (message: object, headers: Record<string, string> = {}): unknown =>
      res.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ jsonrpc: '2.0', ...message }));
    const sse = (...events: readonly string[]): unknown => res.writeHead(200, { 'content-type': 'text/event-stream' }).end(events.join(''));
    const session = String(req.headers['mcp-session-id'] ?? '');
    if (req.method === 'GET') {
      const { 'last-event-id': header } = req.headers;
      const last = header === undefined ? undefined : String(header);
      asked.push(last);
      const id = owed.get(last ?? '');
      // once more it says nothing, then it answers
      if (id !== undefined && last?.endsWith('-1') === true) return sse(event(`${last.slice(0, -2)}-2`), event(`${last.slice(0, -2)}-2`));
      if (id !== undefined) return sse(event('done', { id, result: { content: [{ type: 'text', text: 'after all' }] } }));
      return sse(event(`own-${session}`, NOTICE), event(`later-${session}`));
    }
    return textOf(req).then((body) => {
      const { id, method } = JSON.parse(body) as { id?: number; method: string };
      if (method === 'server/discover') return json({ id, error: { code: -32_601, message: 'no' } });
      if (id === undefined) return res.writeHead(202).end();
      const hello = {
        protocolVersion: '2025-11-25',
        capabilities: { tools: { listChanged: true } },
        serverInfo: { name: 'polls', version: '1' },
      };
      if (method === 'initialize') return json({ id, result: hello }, { 'mcp-session-id': `s${++sessions}` });
      if (method === 'tools/list') return json({ id, result: { tools: [{ name: 'echo', inputSchema: { type: 'object' } }] } });
      for (const n of [1, 2]) owed.set(`call-${session}-${n}`, id);
      return sse(event(`call-${session}-1`));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  bed = await openBed({
    tools: false,
    policies: `@id("all") permit (principal, action, resource);`,
    configure: (yaml) => {
      const { resources, ...rest } = parse(yaml) as { resources: { bench: object } };
      const mcp = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, allowPlaintextLoopback: true };
      return stringify({ ...rest, resources: { bench: { ...resources.bench, mcp } } });
    },
  });
  await bed.ready();
  [caller, other] = [await bed.svid('caller'), await bed.svid('caller')];
});
after(async () => {
  await (bed as Bed | undefined)?.close();
  server.closeAllConnections();
  server.close();
});

const ask = (svid: Svid, method: string, headers: Record<string, string>, body?: object): Promise<Answer> =>
  send({
    port: bed.ports.gateway,
    path: '/mcp/bench',
    method,
    headers: { accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-11-25', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify({ jsonrpc: '2.0', ...body }) }),
    svid,
  });
const begin = async (svid: Svid): Promise<string> => {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
  const { headers } = await ask(svid, 'POST', {}, { id: 1, method: 'initialize', params });
  return String(headers['mcp-session-id']);
};
const idsIn = ({ text }: Answer): readonly string[] => [...text.matchAll(/^id: (.*)$/gm)].map(([, id = '']) => id);

describe('[MCP-2025-11-25] streams that are taken up again', () => {
  test('an answer whose stream the server ends, twice, before it is said reaches its caller', async () => {
    const session = await begin(caller);
    const call = { id: 2, method: 'tools/call', params: { name: 'echo', arguments: {} } };
    asked.length = 0;
    const answer = await ask(caller, 'POST', { 'mcp-session-id': session }, call);
    assert.match(answer.text, /after all/);
    assert.match(answer.text, /"id":2\b/);
    assert.deepEqual(
      asked.map((id) => id?.slice(-2)),
      ['-1', '-2'],
    );
  });

  test('[I5] the stream of a session goes on after an id of its own; one of another session, or made up, never reaches the server', async () => {
    const [mine, second, theirs] = [await begin(caller), await begin(caller), await begin(other)];
    const stream = (svid: Svid, session: string, last?: string): Promise<Answer> =>
      ask(svid, 'GET', { 'mcp-session-id': session, ...(last === undefined ? {} : { 'last-event-id': last }) });
    const first = await stream(caller, mine);
    assert.match(first.text, /list_changed/);
    const [id = '', later = ''] = idsIn(first);
    assert.doesNotMatch(first.text, /own-s\d/, 'the ids of the server are its own');
    assert.ok(id !== '' && later !== '');
    asked.length = 0;
    assert.equal((await stream(caller, mine, id)).status, 200);
    assert.match(String(asked[0]), /^own-s\d+$/);
    asked.length = 0;
    for (const [svid, session, last] of [
      [caller, second, id],
      [other, theirs, id],
      [caller, mine, `${id.slice(0, -4)}AAAA`],
      [caller, mine, 'own-s1'],
      [caller, mine, 'call-s1-1'],
      [caller, mine, ''],
    ] as const) {
      const refused = await stream(svid, session, last);
      assert.equal(refused.status, 400, `${last} ${refused.text}`);
      assert.match(refused.text, /CORDON-9011/);
    }
    assert.equal((await stream(other, mine, id)).status, 404, "another's session");
    assert.deepEqual(asked, []);
  });
});
