// Callees in trouble beside one that is well, through a whole Cordon: the drowned, the silent and the dead cost their own callers alone.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { openBed, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';
import { effectsOf } from './support/effects.ts';
import { assertVerified, readLog, signedAll } from './support/log-reader.ts';
import { until } from './support/until.ts';

const PLACES = 4;
const HOLD = { name: 'hold', inputSchema: { type: 'object', properties: { line: { type: 'string' } }, required: ['line'] } };
const WRITE = {
  name: 'write',
  inputSchema: { type: 'object', properties: { line: { type: 'string' }, amount: { type: 'integer' } }, required: ['line', 'amount'] },
};

interface Upstream {
  readonly name: string;
  readonly circuit: string;
  readonly inFlight: number;
}

describe('callees in trouble', () => {
  let bed: Bed;
  let caller: Svid;
  let raw: ChildProcess;
  /** An API on loopback that accepts connections and says nothing, until it is told to answer. */
  let api: Server;
  let answers = false;
  const sockets = new Set<Socket>();

  before(async () => {
    api = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('data', () => answers && socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}'));
    });
    api.listen(0, '127.0.0.1');
    await once(api, 'listening');
    const apiPort = (api.address() as AddressInfo).port;
    bed = await openBed({
      policies: '@id("all") permit (principal == Agent::"caller", action, resource);',
      configure: (yaml) => {
        const [, port = ''] = /a2a: "https:[^:]+:(\d+)/.exec(yaml) ?? [];
        const resources = `
  raw: { segment: tools, mcp: { url: "https://127.0.0.1:${port}/mcp" }, resilience: { inFlight: ${PLACES} } }
  api:
    segment: tools
    http: { url: "http://127.0.0.1:${apiPort}", allowPlaintextLoopback: true, routes: { look: GET /look } }
    resilience: { answer: 1s, failures: 2, tryAgain: 1s }
policies:`;
        return yaml.replace('\npolicies:', resources);
      },
    });
    raw = await bed.spawnWorkload('resource', 'raw', 'test/support/raw-server.ts', [
      String(bed.ports.callee),
      bed.effects,
      JSON.stringify([HOLD, WRITE]),
    ]);
    await bed.ready();
    caller = await bed.svid('caller');
  });
  after(async () => {
    await (bed as Bed | undefined)?.close();
    for (const socket of sockets) socket.destroy();
    api.close();
  });

  const call = (tool: string, args: object, server = 'bench'): Promise<Answer> =>
    send({ port: bed.ports.gateway, ...toolCall(tool, args, server), svid: caller });
  const look = (): Promise<Answer> => send({ port: bed.ports.gateway, method: 'GET', path: '/api/api/look', svid: caller });
  const isEchoed = async (): Promise<boolean> => JSON.stringify((await call('echo', { text: 'well' })).json).includes('well');
  const upstream = async (name: string): Promise<Upstream | undefined> => {
    const { upstreams } = (await bed.control('GET', '/v1/status')).json as { upstreams: readonly Upstream[] };
    return upstreams.find((one) => one.name === name);
  };

  void test('[I10] a drowned tool refuses at once what is above its places, and its neighbour answers every call', async () => {
    const held = Array.from({ length: PLACES }, (_, n) => call('hold', { line: `h${n}` }, 'raw'));
    await until('the server holds them', async () => ((await effectsOf(bed)).length === PLACES ? true : undefined));
    const above = await Promise.all(Array.from({ length: 20 }, () => call('write', { line: 'above', amount: 1 }, 'raw')));
    for (const answer of above) {
      assert.deepEqual([answer.status, answer.json['code'], answer.headers['retry-after']], [503, 'CORDON-9013', '1'], answer.text);
    }
    const beside = await Promise.all(Array.from({ length: 20 }, isEchoed));
    assert.deepEqual(new Set(beside), new Set([true]));
    assert.equal((await upstream('raw'))?.inFlight, PLACES);
    assert.equal((await effectsOf(bed)).includes('above 1'), false);
    const doctor = (await bed.control('GET', '/v1/doctor')).json as { checks: readonly { name: string; ok: boolean; detail: string }[] };
    assert.match(doctor.checks.find(({ name }) => name === 'upstreams answer')?.detail ?? '', /raw/);
    const gone = once(raw, 'exit');
    raw.kill('SIGKILL');
    await gone;
    for (const answer of await Promise.all(held)) assert.match(answer.text, /CORDON-9010/);
    await until('its places are free', async () => ((await upstream('raw'))?.inFlight === 0 ? true : undefined));
  });

  void test('a silent callee costs its time twice, then nothing, and is let through again by one call that is answered', async () => {
    for (let n = 0; n < 2; n++) assert.deepEqual(codeAt(await look()), [502, 'CORDON-9010']);
    const reached = sockets.size;
    for (let n = 0; n < 10; n++) assert.deepEqual(codeAt(await look()), [503, 'CORDON-9014']);
    assert.equal(sockets.size, reached, 'a call went through an open circuit');
    assert.equal((await upstream('api'))?.circuit, 'open');
    assert.ok(await isEchoed());
    answers = true;
    await until('it is tried again', async () => ((await look()).status === 200 ? true : undefined));
    assert.equal((await upstream('api'))?.circuit, 'closed');
  });

  void test('[I3] each refusal and each turn of a circuit is on record, and nothing that was refused was spent', async () => {
    await signedAll(bed);
    await assertVerified(bed);
    const { all, decisions } = await readLog(bed);
    const acts = all.flatMap((record) => (record.schema === 'cordon.act/v1' && record.target === 'api' ? [record.act] : []));
    assert.deepEqual(acts.slice(0, 2), ['upstream.open', 'upstream.half-open']);
    assert.equal(acts.at(-1), 'upstream.closed');
    const full = decisions.filter(({ code }) => code === 'CORDON-9013');
    assert.deepEqual([full.length, new Set(full.map(({ verdict }) => verdict))], [20, new Set(['error'])]);
  });

  void test('a server that dies and comes back with a new identity is used at once', async () => {
    await bed.spawnWorkload('resource', 'raw', 'test/support/raw-server.ts', [
      String(bed.ports.callee),
      bed.effects,
      JSON.stringify([HOLD, WRITE]),
    ]);
    await until('a call goes through', async () =>
      (await call('write', { line: 'back', amount: 1 }, 'raw')).text.includes('written') ? true : undefined,
    );
  });
});

const codeAt = ({ status, json }: Answer): readonly unknown[] => [status, json['code']];
