// Task tokens on calls to HTTP APIs and to hosts outside: for whom a call is made counts there as it does for tools, and the token goes no further.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { send, type Answer, type Svid } from './support/bed.ts';
import { headersOf, openHttpUpstream, type HttpUpstream } from './support/http-upstream.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { EXCHANGE, makeSigner, openOauthBed, proof, TYPE, type OauthBed } from './support/oauth-bed.ts';

const RESOURCES = (port: number): string => `
  billing:
    segment: tools
    token: required
    http:
      url: http://127.0.0.1:${port}
      allowPlaintextLoopback: true
      routes: { list: { route: GET /invoices, query: { page: integer } }, pay: { route: POST /pay, body: { type: object, properties: { amount: { type: integer } }, required: [amount] } } }
  partner:
    segment: tools
    token: required
    egress: { hosts: ["127.0.0.1:${port}"], addresses: [127.0.0.0/8], tunnel: any, headers: [authorization] }
`;

const POLICIES = `
@id("agent") permit (principal == Agent::"caller", action in [Action::"http/call", Action::"egress"], resource);
@id("staff") permit (principal is User in Group::"corp/staff", action in [Action::"http/call", Action::"egress"], resource);
`;

let bed: OauthBed;
let upstream: HttpUpstream;
let caller: Svid;

before(async () => {
  upstream = await openHttpUpstream();
  bed = await openOauthBed({
    tools: false,
    policies: POLICIES,
    configure: (yaml) =>
      yaml.replace('\nresources:', `\nresources:${RESOURCES(upstream.port)}`).replace(/\n {2}bench:[\s\S]*?(?=\n\S)/, ''),
  });
  await bed.ready();
  caller = await bed.svid('caller');
});
after(async () => {
  await (bed as OauthBed | undefined)?.close();
  await upstream.close();
});

const entry = (actions: readonly string[], locations: readonly string[], more: object = {}): object => ({
  type: 'cordon_task',
  actions,
  locations,
  ...more,
});

async function task(
  mandate: readonly object[],
  groups: readonly string[] = ['staff'],
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const subject = { subject_token: await bed.userToken({ groups: [...groups] }), subject_token_type: TYPE.jwt };
  const asked = { grant_type: EXCHANGE, ...subject, authorization_details: JSON.stringify(mandate) };
  const { status, text, json } = await bed.post(asked, { as: caller, headers });
  assert.equal(status, 200, text);
  return String(json['access_token']);
}

const BILLING = [
  entry(['http/call'], ['route:billing/*'], { arguments: { amount: { max: 5 } } }),
  entry(['http/call'], ['route:billing/list']),
];

const call = (path: string, headers: Readonly<Record<string, string>>, body?: string): Promise<Answer> =>
  send({
    port: bed.ports.gateway,
    path: `/api/billing${path}`,
    method: body === undefined ? 'GET' : 'POST',
    svid: caller,
    headers,
    ...(body === undefined ? {} : { body }),
  });

describe('a task token on a call to an API', () => {
  void test('[I4] the agent, the user and the mandate have to permit it', async () => {
    const token = { authorization: `Bearer ${await task(BILLING)}` };
    const from = upstream.received.length;
    assert.equal((await call('/invoices?page=1', token)).status, 200);
    assert.equal((await call('/pay', token, '{"amount":5}')).status, 200);
    assert.equal((await call('/pay', token, '{"amount":6}')).json['code'], 'CORDON-3019');
    const nobody = { authorization: `Bearer ${await task(BILLING, ['guests'])}` };
    assert.equal((await call('/invoices', nobody)).json['code'], 'CORDON-3001');
    const received = upstream.received.slice(from);
    assert.equal(received.length, 2);
    assert.ok(
      received.every((one) => headersOf(one).get('authorization') === undefined),
      'the token stays',
    );
    await signedAll(bed);
    const { decisions } = await readLog(bed);
    const last = decisions.findLast(({ resource }) => resource === 'billing/pay') as { gate: string; on_behalf_of: string };
    assert.deepEqual([last.gate, last.on_behalf_of.startsWith('corp/')], ['mandate', true]);
  });

  void test('[RFC9728 §5.1] without one the caller is told where tokens come from', async () => {
    const answer = await call('/invoices', {});
    assert.deepEqual([answer.status, answer.json['code']], [401, 'CORDON-1008']);
    const [, url = ''] = /resource_metadata="([^"]+)"/.exec(String(answer.headers['www-authenticate'])) ?? [];
    const metadata = await send({ port: bed.ports.gateway, path: new URL(url).pathname, method: 'GET', svid: caller });
    assert.equal(metadata.json['resource'], `https://127.0.0.1:${bed.ports.gateway}/api/billing`);
  });

  void test('[RFC9449 §4.2] a proof is for the path, without the query', async () => {
    const key = await makeSigner('dpop');
    const made = async (claims: object, issuer = false): Promise<string> => {
      const htu = issuer
        ? `https://127.0.0.1:${bed.ports.control}/oauth2/token`
        : `https://127.0.0.1:${bed.ports.gateway}/api/billing/invoices`;
      return proof(key, { htm: issuer ? 'POST' : 'GET', htu, ...claims });
    };
    const first = await bed.post({ grant_type: 'client_credentials' }, { as: caller, headers: { dpop: await made({}, true) } });
    const token = await task(BILLING, ['staff'], { dpop: await made({ nonce: first.headers['dpop-nonce'] }, true) });
    const ath = createHash('sha256').update(token).digest('base64url');
    const shown = async (claims: object): Promise<Answer> =>
      call('/invoices?page=2', { authorization: `DPoP ${token}`, dpop: await made({ ath, ...claims }) });
    assert.equal((await shown({})).status, 200);
    assert.equal((await shown({ htu: `https://127.0.0.1:${bed.ports.gateway}/api/billing/pay` })).json['code'], 'CORDON-1013');
  });
});

describe('a task token on what leads outside', () => {
  const OUTSIDE = [entry(['egress/connect'], ['egress:partner'])];

  async function tunnel(headers: Readonly<Record<string, string>>): Promise<string> {
    const { cert, key, ca } = caller;
    const socket = connect({
      host: '127.0.0.1',
      port: bed.ports.gateway,
      cert,
      key,
      ca,
      servername: '',
      checkServerIdentity: () => undefined,
    });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    const lines = Object.entries({ host: `127.0.0.1:${upstream.port}`, ...headers }).map(([name, value]) => `${name}: ${value}`);
    socket.write([`CONNECT 127.0.0.1:${upstream.port} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
    const [head] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    return head.toString();
  }

  void test('[I4] is shown in `proxy-authorization`, and what is missing or too narrow is told to a proxy client', async () => {
    const token = await task(OUTSIDE);
    assert.match(await tunnel({ 'proxy-authorization': `Bearer ${token}` }), /^HTTP\/1\.1 200 /);
    assert.match(await tunnel({}), /^HTTP\/1\.1 407 [\s\S]*proxy-authenticate: Bearer resource_metadata=/i);
    assert.match(await tunnel({ authorization: `Bearer ${token}` }), /^HTTP\/1\.1 407 /);
    assert.match(await tunnel({ 'proxy-authorization': `Bearer ${await task(BILLING)}` }), /^HTTP\/1\.1 403 [\s\S]*CORDON-3019/);
    assert.match(
      await tunnel({ 'proxy-authorization': `Bearer ${await task(OUTSIDE, ['guests'])}` }),
      /^HTTP\/1\.1 403 [\s\S]*CORDON-3001/,
    );
  });

  void test('goes no further than the gateway; what is meant for the host does', async () => {
    const token = await task([entry(['egress/request'], ['egress:partner'])]);
    const url = `http://127.0.0.1:${upstream.port}/a`;
    const headers = { host: new URL(url).host, 'proxy-authorization': `Bearer ${token}`, authorization: 'Bearer for-the-host' };
    const answer = await send({ port: bed.ports.gateway, path: url, method: 'GET', svid: caller, headers });
    assert.equal(answer.status, 200, answer.text);
    const [got] = upstream.received.slice(-1);
    assert.ok(got);
    assert.deepEqual([headersOf(got).get('authorization'), headersOf(got).get('proxy-authorization')], ['Bearer for-the-host', undefined]);
  });
});
