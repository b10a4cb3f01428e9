// What is open when something ends: the control plane, the process, the time of a certificate. Through a whole Cordon, with an API on
// loopback that streams, answers late, or at once.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { createRequest, generateKeyPem } from '../src/crypto/x509.ts';
import { connect } from '../src/sdk/index.ts';
import { steadyClock } from '../src/server/clock.ts';
import { readConfig } from '../src/server/config.ts';
import { up, type Running } from '../src/server/up.ts';
import { Agent, request } from 'undici';
import { freePorts, type Svid } from './support/bed.ts';
import { readLog } from './support/log-reader.ts';
import { until } from './support/until.ts';

interface Desk {
  readonly running: Running;
  readonly config: Running['control']['config'];
  /** Answers of `late` that were not given yet. */
  readonly late: ServerResponse[];
  readonly get: (path: string) => ReturnType<typeof request>;
}

async function openDesk(t: TestContext, more: string, changed: object = {}): Promise<Desk> {
  const late: ServerResponse[] = [];
  const ANSWERS: Readonly<Record<string, (res: ServerResponse) => void>> = {
    '/now': (res) => void res.end('{"n":1}'),
    '/late': (res) => void late.push(res),
    '/events': (res) => void res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n'),
  };
  const api = createServer((req: IncomingMessage, res) => ANSWERS[req.url ?? '']?.(res.setHeader('content-type', 'application/json')));
  api.listen(0, '127.0.0.1');
  await once(api, 'listening');
  const dir = await mkdtemp(join(tmpdir(), 'cordon-continuity-'));
  const [gateway, control, identity] = await freePorts(3);
  await mkdir(join(dir, 'policies'));
  await writeFile(join(dir, 'policies', 'all.cedar'), '@id("all")\npermit (principal, action, resource);\n');
  await writeFile(
    join(dir, 'cordon.yaml'),
    `trustDomain: desk.example
listen: { gateway: '127.0.0.1:${gateway}', control: '127.0.0.1:${control}', identity: '127.0.0.1:${identity}' }
segments: { desk: {} }
agents: { clerk: { segment: desk, owner: ada, purpose: test } }
resources:
  api:
    segment: desk
    http:
      url: "http://127.0.0.1:${(api.address() as AddressInfo).port}"
      allowPlaintextLoopback: true
      routes: { now: GET /now, late: GET /late, events: GET /events }
policies: policies
${more}`,
  );
  const config = { ...(await readConfig(join(dir, 'cordon.yaml'))), ...changed };
  const running = await up({ config, dataDir: join(dir, '.cordon'), onNotice: () => undefined });
  const { cert, key, ca } = await svidOf(running);
  const agent = new Agent({ connect: { cert, key, ca, servername: '', maxCachedSessions: 0, checkServerIdentity: () => undefined } });
  t.after(async () => {
    await agent.destroy();
    await running.close();
    api.closeAllConnections();
    api.close();
    await rm(dir, { recursive: true, force: true });
  });
  return { running, config, late, get: (path) => request(`${running.control.gatewayUrl}/api/api${path}`, { dispatcher: agent }) };
}

async function svidOf({ control: { issuer } }: Running): Promise<Svid> {
  const key = await generateKeyPem();
  const { token } = await issuer.startRun('agent', 'clerk', 'test');
  const { chain } = await issuer.join(token, await createRequest(key));
  return { cert: chain, key: key.privateKey, ca: issuer.bundle };
}

describe('a control plane that is away', () => {
  void test('[I1] [I6] for longer than the staleness budget: new calls are denied, open streams cut, and all goes on when it is back', async (t) => {
    const { running, get } = await openDesk(t, 'maxStaleness: 1s\n');
    const { publisher } = running.control;
    const heartbeat = publisher.heartbeat.bind(publisher);
    const { body } = await get('/events');
    const open = body[Symbol.asyncIterator]();
    assert.equal((await open.next()).done, false);
    publisher.heartbeat = () => undefined; // it vouches for nothing any more
    await assert.rejects(async () => open.next(), 'the stream ended as if it were complete');
    const denied = await get('/now');
    assert.deepEqual([denied.statusCode, ((await denied.body.json()) as { code: string }).code], [503, 'CORDON-9012']);
    publisher.heartbeat = heartbeat;
    publisher.heartbeat();
    const again = await get('/now');
    assert.deepEqual([again.statusCode, await again.body.json()], [200, { n: 1 }]);
  });
});

describe('a clock that is set', () => {
  const clock = (): { now: () => number; set: (wall: number) => void; pass: (ms: number) => void; told: number[] } => {
    let [wall, monotonic] = [1_000_000, 0];
    const told: number[] = [];
    const now = steadyClock({ wall: () => wall, monotonic: () => monotonic, onSetBack: (by) => told.push(by) });
    return {
      now,
      told,
      set: (to) => void (wall = to),
      pass: (ms) => {
        wall += ms;
        monotonic += ms;
      },
    };
  };

  void test('[I5] back: time goes on, so that nothing that has expired lives again, and it is told once', () => {
    const { now, set, pass, told } = clock();
    pass(10_000);
    assert.equal(now(), 1_010_000);
    set(10_000);
    pass(5_000);
    assert.equal(now(), 1_015_000);
    pass(5_000);
    assert.equal(now(), 1_020_000);
    assert.deepEqual(told, [1_000_000]);
    set(1_020_500);
    assert.equal(now(), 1_020_500);
  });

  void test('forward: it is followed; a little back: it stands still', () => {
    const { now, set, told } = clock();
    set(9_000_000);
    assert.equal(now(), 9_000_000);
    set(8_999_500);
    assert.equal(now(), 9_000_000);
    assert.deepEqual(told, []);
  });
});

describe('a Cordon that is stopped', () => {
  void test('[I3] lets open calls end, takes no new connection, and cuts what is left when the time is over; each outcome is on record', async (t) => {
    const { running, late, get } = await openDesk(t, 'drain: 1s\n');
    const slow = get('/late');
    await until('the API holds it', () => late.length === 1 || undefined);
    const stream = (await get('/events')).body[Symbol.asyncIterator]();
    assert.equal((await stream.next()).done, false);
    const { exchanges } = running.gateway.pep;
    assert.equal(exchanges.count(), 2);
    const closed = running.close();
    await assert.rejects(request(`${running.control.gatewayUrl}/api/api/now`), 'it still accepts connections');
    late[0]?.end('{"n":2}');
    const answer = await slow;
    assert.deepEqual([answer.statusCode, await answer.body.json()], [200, { n: 2 }]);
    await assert.rejects(async () => stream.next(), 'the stream ended as if it were complete');
    await closed;
    assert.equal(exchanges.count(), 0);
    const { outcomes } = await readLog({ data: running.data.root });
    assert.deepEqual(
      outcomes.map(({ status, code }) => [status, code]),
      [
        ['completed', undefined],
        ['cut', 'CORDON-4008'],
      ],
    );
  });
});

describe('certificates that rotate', () => {
  void test('[I5] calls go on over SVIDs of the gateway, of the caller, and a new root beside the old one: none fails', async (t) => {
    const { running } = await openDesk(t, 'limits: { rate: 100000, burst: 100000 }\n', { svidTtl: 6_000 }); // a busy machine still renews in half of it
    const { issuer, identityUrl, authority } = running.control;
    const { token } = await issuer.startRun('agent', 'clerk', 'test');
    const cordon = await connect({ CORDON_JOIN_TOKEN: token, CORDON_IDENTITY_URL: identityUrl, CORDON_BUNDLE: issuer.bundle });
    t.after(() => cordon.close());
    let rotations = 0;
    const { gateway } = running;
    const rotate = gateway.rotate.bind(gateway);
    gateway.rotate = (next) => {
      rotations++;
      rotate(next);
    };
    let calls = 0;
    const enough = new AbortController();
    const calling = Array.from({ length: 4 }, async () => {
      while (!enough.signal.aborted) {
        const answer = await cordon.fetch(new URL('/api/api/now', running.control.gatewayUrl));
        assert.deepEqual([answer.status, await answer.json()], [200, { n: 1 }]);
        calls++;
      }
    });
    const failed = Promise.all(calling).then(() => new Promise<never>(() => undefined));
    const rotated = (times: number): Promise<unknown> =>
      Promise.race([failed, until(`${times} rotations`, () => rotations >= times || undefined)]);
    await rotated(1);
    assert.equal((await authority.rotate('prepare', 'root', 'test')).status, 'done');
    await rotated(3);
    enough.abort();
    await Promise.all(calling);
    assert.ok(calls > 50, `${calls} calls`);
  });
});
