// Data planes that are not Cordon's own, asking it over real processes and sockets: what must pass passes, and of what must not nothing
// reaches the server behind them.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { API_KEY, freePorts, openBed, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';
import { missing, openUpstream, startCaddy, startNginx, type Running, type Upstream, webCertificate } from './support/data-planes.ts';

const skip = missing('nginx', 'caddy');

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
  const [nginx = 0, caddy = 0] = await freePorts(2);
  const HEADERS = 'headersOnly: true, credential: true, txnToken: true';
  bed = await openBed({
    policies: POLICIES,
    configure: (yaml) =>
      `${yaml}dataPlanes:${planeOf('nginx', 'auth_request', nginx, HEADERS)}${planeOf('caddy', 'forward_auth', caddy, HEADERS)}`,
  });
  await bed.ready();
  upstream = await openUpstream();
  caller = await bed.svid('caller');
  other = await bed.svid('other');
  const svid = await bed.svid('bench', 'resource');
  planes.set('nginx', await startNginx({ bed, svid, port: nginx, upstream: upstream.port }));
  const web = await webCertificate(Date.now());
  webRoot = web.cert;
  planes.set('caddy', await startCaddy({ bed, svid, port: caddy, upstream: upstream.port }, web));
});
after(async () => {
  for (const plane of planes.values()) await plane.close();
  (upstream as Upstream | undefined)?.close();
  await (bed as Bed | undefined)?.close();
});

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

for (const plane of ['nginx', 'caddy']) {
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
        ['allow', 'bench/echo', caller.run, plane, 'unseen'],
      );
    });

    void test('[I2] a policy that asks for arguments permits nothing while they are not seen', async () => {
      const record = await refused(plane, await call(plane, caller, toolCall('write', { line: 'x', amount: 1 })), 403, 'CORDON-3005');
      assert.equal(record['body'], 'unseen');
    });

    void test('[I1] a forbid that asks for arguments holds while they are not seen', async () => {
      const callee = await bed.svid('callee');
      await refused(plane, await call(plane, callee, toolCall('echo', { text: 'yes' })), 403, 'CORDON-3002');
    });

    void test('[I9] an agent without a link is told no more than that', async () => {
      await refused(plane, await call(plane, other, toolCall('echo', { text: 'x' })), 403, 'CORDON-3007');
    });

    void test('[I5] a certificate in a header of the caller is overwritten with the one that it has shown', async () => {
      const forged = { 'x-cordon-client-cert': encodeURIComponent(caller.cert), 'x-original-method': 'GET', 'x-forwarded-method': 'GET' };
      const { path, headers, body } = toolCall('echo', { text: 'x' });
      const answer = await call(plane, other, { path, body: String(body), headers: { ...headers, ...forged } });
      assert.match(String((await refused(plane, answer, 403, 'CORDON-3007'))['principal']), /agent\/other/);
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

    void test('[I2] a header that looks like another one to some readers does not reach the server', async () => {
      const { path, headers, body } = toolCall('echo', { text: 'x' });
      await call(plane, caller, { path, body: String(body), headers: { ...headers, mcp_name: 'secret', x_cordon_client_cert: 'x' } });
      const names = upstream.take().flatMap(({ rawHeaders }) => rawHeaders.filter((_, at) => at % 2 === 0));
      assert.deepEqual(
        names.filter((name) => name.includes('_')),
        [],
      );
    });

    void test('[I1] a call whose headers do not say which revision they are of is refused', async () => {
      const { path, body } = toolCall('echo', { text: 'x' });
      await refused(plane, await call(plane, caller, { path, body: String(body) }), 403, 'CORDON-3009');
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
