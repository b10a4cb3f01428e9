// Two real Cordons of two trust domains that believe each other: agents of each call tools behind the gateway of the other.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { writeJson } from '../src/domain/json.ts';
import { openBed, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';
import { openLine } from './support/line.ts';
import { openOtherDomain, type OtherDomain } from './support/other-domain.ts';
import { until } from './support/until.ts';

const POLICIES = `
@id("sessions")
permit (principal, action in Action::"mcp/session", resource);
@id("partner-echoes")
permit (principal == Agent::"partner", action == Action::"bench/echo", resource);
`;
const MORE = `
@id("others-echo")
permit (principal == Agent::"clerk", action == Action::"bench/echo", resource);
@id("own-echoes")
permit (principal == Agent::"caller", action == Action::"bench/echo", resource);
`;

let desk: Bed;
let vendor: Bed;
/** Believed by the desk: a domain whose authority signs whatever it likes. */
let rogue: OtherDomain;

const domainOf = (bed: Bed): string => (bed === desk ? 'test.example' : 'vendor.example');

/** The document that a Cordon publishes. */
const published = async (bed: Bed): Promise<Answer> =>
  send({ port: bed.ports.identity, path: '/v1/spiffe-bundle', method: 'GET', svid: { ...UNVERIFIED } });
const UNVERIFIED = { rejectUnauthorized: false } as Partial<Svid>;

/** Members of `cordon.yaml` that make `other` believed. */
const believing = async (yaml: string, dir: string, other: Bed): Promise<string> => {
  const { text } = await published(other);
  await writeFile(join(dir, 'first-bundle.json'), text);
  await writeFile(join(dir, 'rogue-bundle.json'), writeJson(rogue.document(1)));
  const domain = domainOf(other);
  return `${yaml.replace(
    'agents:\n',
    `agents:\n  partner: { segment: desk, owner: test, purpose: comes from elsewhere, spiffeId: "spiffe://${domain}/agent/caller" }
  clerk: { segment: desk, owner: test, purpose: comes from a third domain, spiffeId: "spiffe://rogue.example/ns/x/sa/clerk" }\n`,
  )}
federation:
  ${domain}:
    url: https://127.0.0.1:${other.ports.identity}/v1/spiffe-bundle
    profile: https_spiffe
    endpointId: spiffe://${domain}/control/control-1
    bundle: first-bundle.json
  rogue.example:
    url: ${rogue.url}
    profile: https_spiffe
    endpointId: ${rogue.endpointId}
    bundle: rogue-bundle.json
`;
};

const believe = async (bed: Bed, other: Bed): Promise<void> => {
  await bed.stop();
  const path = join(bed.dir, 'cordon.yaml');
  await writeFile(path, await believing(await readFile(path, 'utf8'), bed.dir, other));
  await bed.start();
};

const rootsOf = async (bed: Bed): Promise<string> =>
  (await send({ port: bed.ports.identity, path: '/v1/bundle', method: 'GET', svid: UNVERIFIED })).text;

const call = async (at: Bed, svid: Svid): Promise<Answer> =>
  send({ port: at.ports.gateway, ...toolCall('echo', { text: 'hello' }), svid: { ...svid, ca: await rootsOf(at) } });

before(async () => {
  rogue = await openOtherDomain('rogue.example');
  rogue.publish(rogue.document(1));
  desk = await openBed({ policies: POLICIES.replaceAll('"partner"', '"caller"') });
  await desk.ready();
  vendor = await openBed({
    policies: POLICIES.replaceAll('"partner"', '"caller"'),
    configure: (yaml) => yaml.replace('test.example', 'vendor.example'),
  });
  await vendor.ready();
  for (const bed of [desk, vendor]) await writeFile(join(bed.dir, 'policies', 'test.cedar'), POLICIES + MORE);
  await believe(vendor, desk);
  await believe(desk, vendor);
  for (const bed of [desk, vendor]) await bed.ready();
});
after(async () => {
  await (desk as Bed | undefined)?.close();
  await (vendor as Bed | undefined)?.close();
  await (rogue as OtherDomain | undefined)?.close();
});

describe('agents of two trust domains', () => {
  void test('[SPIFFE-Federation] each calls through the gateway of the other with its own SVID', async () => {
    for (const [home, away] of [
      [desk, vendor],
      [vendor, desk],
    ] as const) {
      const answer = await call(away, await home.svid('caller'));
      assert.equal(answer.status, 200, answer.text);
      assert.match(answer.text, /hello/);
      const { items } = (await away.control('GET', '/v1/decisions?limit=1')).json as { items: Record<string, unknown>[] };
      assert.match(String(items[0]?.['principal']), new RegExp(`^spiffe://${domainOf(home)}/agent/caller/run/`));
    }
  });

  void test('[SPIFFE-Federation] [I5] the authority of one domain speaks for no other, in the handshake already', async () => {
    const home = await call(desk, await desk.svid('caller'));
    assert.equal(home.status, 200, home.text);
    const ca = '';
    const clerk = await call(desk, { ...(await rogue.svid('spiffe://rogue.example/ns/x/sa/clerk')), ca });
    assert.match(clerk.text, /hello/);
    const { run } = await desk.svid('caller');
    for (const uri of [
      `spiffe://test.example/agent/caller/run/${run}`,
      'spiffe://vendor.example/agent/caller',
      'spiffe://rogue.example.test.example/ns/x/sa/clerk',
      'spiffe://unknown.example/agent/caller',
    ]) {
      await assert.rejects(call(desk, { ...(await rogue.svid(uri)), ca }), uri);
    }
    await assert.rejects(call(desk, { ...(await rogue.svid('spiffe://rogue.example/ns/x/sa/nobody')), ca }));
    const { items } = (await desk.control('GET', '/v1/decisions?limit=5')).json as { items: Record<string, unknown>[] };
    assert.deepEqual([items[0]?.['code'], items.every(({ verdict }) => verdict === 'deny')], ['CORDON-1012', true]);
  });

  void test('[SPIFFE-Federation] [I7] an SVID of another domain reaches no route of the control plane', async () => {
    const foreign = { ...(await vendor.svid('caller')), ca: await rootsOf(desk) };
    for (const path of ['/v1/status', '/v1/federation']) {
      await assert.rejects(send({ port: desk.ports.control, path, method: 'GET', svid: foreign }));
    }
    await assert.rejects(send({ port: desk.ports.control, path: '/v1/identity/renew', body: '{}', svid: foreign }));
  });

  void test('[SPIFFE-Federation] [I6] level `off` and revocation reach a foreign agent on its open connection', async () => {
    const foreign = await vendor.svid('caller');
    const id = `spiffe://vendor.example/agent/caller/run/${foreign.run}`;
    const line = openLine(desk.ports.gateway, { ...foreign, ca: await rootsOf(desk) });
    assert.equal((await line.call('echo', { text: 'x' })).status, 200);
    await desk.control('POST', '/v1/agents/partner/level', { level: 'off', reason: 'test' });
    assert.match((await line.call('echo', { text: 'x' })).text, /CORDON-4002/); // over a new connection: the one before was closed
    await desk.control('POST', '/v1/agents/partner/level', { level: 'normal', reason: 'test' });
    assert.equal((await call(desk, foreign)).status, 200);
    const revoked = await desk.control('POST', '/v1/revocations', { kind: 'run', id, reason: 'test' });
    assert.equal(revoked.status, 200, revoked.text);
    assert.match((await call(desk, foreign)).text, /CORDON-4005/);
    assert.equal((await call(desk, await vendor.svid('caller'))).status, 200);
  });

  void test('[SPIFFE-Federation] [I6] a rotation of roots is followed; what stood on a root that is gone loses its connections', async () => {
    const old = await rogue.svid('spiffe://rogue.example/ns/x/sa/clerk');
    const ca = await rootsOf(desk);
    const line = openLine(desk.ports.gateway, { ...old, ca });
    assert.equal((await line.call('echo', { text: 'x' })).status, 200);
    const former = await rogue.rotate();
    rogue.publish(rogue.document(2, [former, rogue.root()]));
    assert.equal((await desk.control('POST', '/v1/federation/rogue.example/refresh', {})).json['roots'], 2);
    const renewed = { ...(await rogue.svid('spiffe://rogue.example/ns/x/sa/clerk')), ca };
    assert.equal((await line.call('echo', { text: 'x' })).status, 200);
    assert.equal((await call(desk, renewed)).status, 200);
    rogue.publish(rogue.document(3));
    await desk.control('POST', '/v1/federation/rogue.example/refresh', {});
    await until('the connection is closed', async () =>
      (await line.call('echo', { text: 'x' }).catch(() => undefined)) === undefined ? true : undefined,
    );
    await assert.rejects(call(desk, { ...old, ca }));
    assert.equal((await call(desk, renewed)).status, 200);
  });

  void test('[SPIFFE-Federation] a root rotation of a Cordon is followed by the other', async () => {
    for (const step of ['prepare', 'activate']) {
      const { status, text } = await vendor.control('POST', '/v1/ca/rotate', { step, use: 'root', whoeverIsCutOff: true });
      assert.equal(status, 200, text);
      const { json } = await desk.control('POST', '/v1/federation/vendor.example/refresh', {});
      assert.deepEqual([json['state'], json['roots']], ['trusted', 2], JSON.stringify(json));
    }
    assert.equal((await call(desk, await vendor.svid('caller'))).status, 200);
  });

  void test('[SPIFFE-Federation] a restart goes on with what was kept, while the other cannot be reached', async () => {
    const foreign = await vendor.svid('caller');
    await vendor.stop();
    await desk.stop();
    await desk.start();
    await desk.ready();
    assert.equal((await call(desk, foreign)).status, 200);
  });
});
