// Data planes that are not Cordon's own, asking it over real processes and sockets: what must pass passes, and of what must not nothing
// reaches the server behind them.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { API_KEY, freePorts, openBed, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';
import {
  missing,
  openUpstream,
  startCaddy,
  startHaproxy,
  startNginx,
  type Running,
  type Upstream,
  webCertificate,
} from './support/data-planes.ts';

const skip = missing('nginx', 'caddy', 'haproxy');

let bed: Bed;
let upstream: Upstream;
let caller: Svid & { readonly run: string };
let other: Svid;
let webRoot = '';
const planes = new Map<string, Running>();

const POLICIES = `
@id("caller-echoes")
permit (principal == Agent::"caller", action in [Action::"bench/echo", Action::"mcp/session"], resource);

@id("caller-writes-small")
permit (principal == Agent::"caller", action == Action::"bench/write", resource)
when { context.input.amount <= 100 };

@id("callee-echoes")
permit (principal == Agent::"callee", action == Action::"bench/echo", resource);

@id("but-not-this")
forbid (principal == Agent::"callee", action == Action::"bench/echo", resource)
when { context.input has text && context.input.text == "no" };

@id("talks")
permit (principal == Agent::"caller", action == Action::"a2a/GetAgentCard", resource == Agent::"callee");
`;

const planeOf = (name: string, protocol: string, port: number, route: string): string => `
  ${name}:
    protocol: ${protocol}
    url: https://127.0.0.1:${port}
    socket: run/${name}.sock
    access: owner
    routes:
      mcp/bench: { ${route} }
      a2a/callee:
`;

before(async () => {
  if (skip !== false) return;
  const [nginx = 0, caddy = 0, haproxy = 0] = await freePorts(3);
  const HEADERS = 'headersOnly: true, credential: true, txnToken: true';
  bed = await openBed({
    policies: POLICIES,
    configure: (yaml) =>
      `${yaml}dataPlanes:${planeOf('nginx', 'auth_request', nginx, HEADERS)}${planeOf('caddy', 'forward_auth', caddy, HEADERS)}${planeOf('haproxy', 'spoe', haproxy, 'credential: true, txnToken: true')}`,
  });
  await bed.ready();
  upstream = await openUpstream();
  caller = await bed.svid('caller');
  other = await bed.svid('other');
  const svid = await bed.svid('bench', 'resource');
  planes.set('nginx', await startNginx({ bed, svid, port: nginx, upstream: upstream.port }));
  planes.set('haproxy', await startHaproxy({ bed, svid, port: haproxy, upstream: upstream.port }));
  const web = await webCertificate(Date.now());
  webRoot = web.cert;
  planes.set('caddy', await startCaddy({ bed, svid, port: caddy, upstream: upstream.port }, web));
});
after(async () => {
  for (const plane of planes.values()) await plane.close();
  (upstream as Upstream | undefined)?.close();
  await (bed as Bed | undefined)?.close();
});

const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };

const portOf = (plane: string): number => planes.get(plane)?.port ?? 0;

const call = (plane: string, svid: Partial<Svid>, sent: Partial<Parameters<typeof send>[0]>): Promise<Answer> =>
  send({
    port: portOf(plane),
    path: '/',
    servername: plane === 'caddy' ? 'localhost' : '',
    ...sent,
    svid: { ...svid, ca: `${svid.ca ?? ''}${webRoot}` },
  });

const last = async (): Promise<Record<string, unknown>> => {
  const { items } = (await bed.control('GET', '/v1/decisions?limit=1')).json as { items: Record<string, unknown>[] };
  return items[0] ?? {};
};

/** It is refused, nothing reaches the server, and it is on record with this code. */
async function refused(plane: string, answer: Answer, status: number, code: string): Promise<Record<string, unknown>> {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(upstream.take(), []);
  const record = await last();
  assert.deepEqual([record['code'], record['enforced_by']], [code, plane]);
  return record;
}

/** What it shows Cordon of a body, and the status of what is hidden from the caller. */
const PLANES = [
  { plane: 'nginx', body: 'unseen', hidden: 403 },
  { plane: 'caddy', body: 'unseen', hidden: 403 },
  { plane: 'haproxy', body: 'seen', hidden: 404 },
];

for (const { plane, body: shown, hidden } of PLANES) {
  void describe(plane, { skip }, () => {
    void test('[I2] [Auth-request] what is allowed is forwarded with what Cordon hands over, and says who enforced it on what', async () => {
      const answer = await call(plane, caller, toolCall('echo', { text: 'hello' }));
      assert.equal(answer.status, 200, answer.text);
      const [reached, ...more] = upstream.take();
      assert.equal(more.length, 0);
      assert.equal(reached?.url, '/mcp');
      assert.equal(reached.headers['authorization'], `Bearer ${API_KEY}`);
      assert.match(String(reached.headers['txn-token']), /^ey/);
      const record = await last();
      assert.equal(reached.headers['cordon-decision'], record['id']);
      assert.deepEqual(
        [record['verdict'], record['resource'], record['run'], record['enforced_by'], record['body']],
        ['allow', 'bench/echo', caller.run, plane, shown],
      );
    });

    void test('[I9] an agent without a link is told no more than that', async () => {
      await refused(plane, await call(plane, other, toolCall('echo', { text: 'x' })), hidden, 'CORDON-3007');
    });

    void test('[I5] a certificate in a header of the caller is worth nothing: who it is, is what it has shown', async () => {
      const forged = { 'x-cordon-client-cert': encodeURIComponent(caller.cert), 'x-original-method': 'GET', 'x-forwarded-method': 'GET' };
      const { path, headers, body } = toolCall('echo', { text: 'x' });
      const answer = await call(plane, other, { path, body: String(body), headers: { ...headers, ...forged } });
      const record =
        shown === 'seen' ? await refused(plane, answer, 403, 'CORDON-3011') : await refused(plane, answer, hidden, 'CORDON-3007');
      assert.match(String(record['principal']), /agent\/other/);
    });

    for (const name of ['txn-token', 'cordon-caller', 'cordon-decision', 'cordon-authorization', 'x-forwarded-client-cert']) {
      void test(`[I8] what only Cordon says is not taken from the caller: ${name}`, async () => {
        const { path, headers, body } = toolCall('echo', { text: 'x' });
        const answer = await call(plane, caller, { path, body: String(body), headers: { ...headers, [name]: 'mine' } });
        await refused(plane, answer, 403, 'CORDON-3011');
      });
    }

    void test('[I8] no proof of the caller goes on', async () => {
      const { path, headers, body } = toolCall('echo', { text: 'x' });
      await call(plane, caller, { path, body: String(body), headers: { ...headers, dpop: 'mine' } });
      assert.deepEqual(
        upstream.take().map((reached) => reached.headers['dpop']),
        [undefined],
      );
    });

    for (const path of [
      '/mcp/../mcp/bench',
      '/mcp//bench',
      '/mcp/%62ench',
      '/mcp%2fbench',
      '/mcp/bench/',
      '/mcp/bench?a=b',
      '/x/..%2fmcp/bench',
    ]) {
      void test(`[I2] a path that only becomes the route when somebody normalises it is not forwarded: ${path}`, async () => {
        const answer = await call(plane, caller, { ...toolCall('echo', { text: 'x' }), path });
        assert.ok([403, 404].includes(answer.status), `${answer.status} ${answer.text}`);
        assert.deepEqual(upstream.take(), []);
      });
    }

    void test('[I2] no caller has what Cordon says dropped by a hop behind, as a header of the connection', async () => {
      const { path, headers, body } = toolCall('echo', { text: 'x' });
      await call(plane, caller, { path, body: String(body), headers: { ...headers, connection: 'close, txn-token, cordon-caller' } });
      for (const reached of upstream.take()) assert.doesNotMatch(reached.headers.connection ?? '', /txn-token|cordon/);
    });

    void test('[I2] a header that looks like another one to some readers does not reach the server', async () => {
      const { path, headers, body } = toolCall('echo', { text: 'x' });
      await call(plane, caller, { path, body: String(body), headers: { ...headers, mcp_name: 'secret', x_cordon_client_cert: 'x' } });
      const names = upstream.take().flatMap(({ rawHeaders }) => rawHeaders.filter((_, at) => at % 2 === 0));
      assert.deepEqual(
        names.filter((name) => name.includes('_')),
        [],
      );
    });

    void test('[I6] a run that has ended is refused with the next call, and its level is too', async () => {
      const ended = await bed.svid('caller');
      assert.equal((await call(plane, ended, toolCall('echo', { text: 'x' }))).status, 200);
      upstream.take();
      assert.equal((await bed.control('DELETE', `/v1/runs/${ended.run}`)).status, 200);
      await refused(plane, await call(plane, ended, toolCall('echo', { text: 'x' })), 403, 'CORDON-4005');
    });

    void test('[I6] `off` is refused from then on, and what was forwarded before is reported as not observed', async () => {
      const off = await bed.control('POST', '/v1/agents/caller/level', { level: 'off', reason: 'test' });
      const { status, peps } = off.json as { status: string; peps: { pep: string; unobserved?: true }[] };
      assert.equal(status, 'partial', off.text);
      assert.ok(peps.some(({ pep, unobserved }) => pep === plane && unobserved === true));
      await refused(plane, await call(plane, caller, toolCall('echo', { text: 'x' })), 403, 'CORDON-4002');
      assert.equal((await bed.control('POST', '/v1/agents/caller/level', { level: 'normal', reason: 'test' })).status, 200);
    });
  });
}

for (const { plane } of PLANES.filter(({ body }) => body === 'unseen')) {
  void describe(`${plane}, without the body`, { skip }, () => {
    void test('[I2] a policy that asks for arguments permits nothing while they are not seen', async () => {
      const record = await refused(plane, await call(plane, caller, toolCall('write', { line: 'x', amount: 1 })), 403, 'CORDON-3005');
      assert.equal(record['body'], 'unseen');
    });

    void test('[I1] a forbid that asks for arguments holds while they are not seen', async () => {
      const callee = await bed.svid('callee');
      await refused(plane, await call(plane, callee, toolCall('echo', { text: 'yes' })), 403, 'CORDON-3002');
    });

    void test('[I1] a call whose headers do not say which revision they are of is refused', async () => {
      const { path, body } = toolCall('echo', { text: 'x' });
      await refused(plane, await call(plane, caller, { path, body: String(body) }), 403, 'CORDON-3009');
    });
  });
}

void describe('haproxy, with the body', { skip }, () => {
  const rpc = (params: object, more: object = {}): string =>
    JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { ...params, _meta: META }, ...more });
  const { headers } = toolCall('echo', {});
  const callAs = (svid: Svid, sent: Partial<Parameters<typeof send>[0]>): Promise<Answer> => call('haproxy', svid, sent);
  const asEcho = (body: string): Promise<Answer> => call('haproxy', caller, { path: '/mcp/bench', headers: { ...headers }, body });

  void test('[I2] arguments are decided on', async () => {
    const answer = await call('haproxy', caller, toolCall('write', { line: 'x', amount: 100 }));
    assert.equal(answer.status, 200, answer.text);
    assert.match(upstream.take()[0]?.body ?? '', /"amount":100/);
    await refused('haproxy', await call('haproxy', caller, toolCall('write', { line: 'x', amount: 101 })), 403, 'CORDON-3005');
  });

  void test('[I2] [RFC9457] the agent is told why, with the id of the decision', async () => {
    const answer = await call('haproxy', caller, toolCall('write', { line: 'x', amount: 101 }));
    upstream.take();
    assert.equal(answer.headers['content-type'], 'application/problem+json');
    assert.deepEqual([answer.json['code'], answer.json['decision_id']], ['CORDON-3005', (await last())['id']]);
  });

  const BODIES: readonly (readonly [why: string, body: string, code: string])[] = [
    ['another tool than the header says', rpc({ name: 'secret', arguments: {} }), 'CORDON-3011'],
    ['a key twice', '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{}}', 'CORDON-9011'],
    ['two messages', `${rpc({ name: 'echo', arguments: { text: 'x' } })}${rpc({ name: 'echo', arguments: { text: 'x' } })}`, 'CORDON-9011'],
    ['no JSON', 'x', 'CORDON-9011'],
    ['nothing', '', 'CORDON-9011'],
    ['a member that nobody decides on', rpc({ name: 'echo', arguments: { text: 'x' } }, { also: 1 }), 'CORDON-9011'],
    ['a parameter that nobody decides on', rpc({ name: 'echo', arguments: { text: 'x' }, requestState: 'x' }), 'CORDON-9011'],
  ];
  for (const [why, body, code] of BODIES) {
    void test(`[I2] a body is refused, not repaired: ${why}`, async () => {
      await refused('haproxy', await asEcho(body), 403, code);
    });
  }

  void test('[MCP-2025-11-25] [I5] a session is that of the run that showed it first', async () => {
    const inSession = (svid: Svid, tool: string): Promise<Answer> => {
      const { path, body } = toolCall(tool, { text: 'x' });
      const message = JSON.parse(String(body)) as { params: { _meta?: object } };
      delete message.params._meta;
      const session = { 'mcp-protocol-version': '2025-11-25', 'mcp-session-id': 'a-session' };
      return callAs(svid, { path, headers: session, body: JSON.stringify(message) });
    };
    assert.equal((await inSession(caller, 'echo')).status, 200);
    assert.equal(upstream.take()[0]?.headers['mcp-session-id'], 'a-session');
    assert.equal((await inSession(caller, 'echo')).status, 200);
    upstream.take();
    await refused('haproxy', await inSession(await bed.svid('caller'), 'echo'), 403, 'CORDON-3011');
  });

  void test('[I2] a body of which nobody knows whether it is whole is refused', async () => {
    const { path, headers: said, body } = toolCall('echo', { text: 'x' });
    const chunked = await call('haproxy', caller, { path, headers: { ...said, 'transfer-encoding': 'chunked' }, body: String(body) });
    await refused('haproxy', chunked, 403, 'CORDON-9011');
  });

  void test('[I1] a body that does not fit is denied', async () => {
    const answer = await call('haproxy', caller, toolCall('echo', { text: 'x'.repeat(100_000) }));
    assert.ok([403, 503].includes(answer.status), `${answer.status}`);
    assert.deepEqual(upstream.take(), []);
  });
});

void describe('while Cordon is not there', { skip }, () => {
  before(() => bed.stop('SIGKILL'));

  for (const { plane } of PLANES) {
    void test(`[I1] ${plane} lets nothing pass`, async () => {
      const answer = await call(plane, caller, toolCall('echo', { text: 'x' }));
      assert.ok(answer.status >= 500, `${answer.status}`);
      assert.deepEqual(upstream.take(), []);
    });
  }
});
