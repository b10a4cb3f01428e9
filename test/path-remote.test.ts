// A gateway with a remote PDP: both must allow. What Cordon itself denies is not asked elsewhere, what the remote PDP denies or does not
// answer is denied and on record, and the level that changes while it thinks is seen.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { openBed, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';
import { effectsOf, isWritten } from './support/effects.ts';
import { ownTask } from './support/own-task.ts';
import { until } from './support/until.ts';

let bed: Bed;
let caller: Svid;
const asked: string[] = [];
let answer: (request: string, response: ServerResponse) => void = () => undefined;

const remote = createServer((request: IncomingMessage, response) => {
  let text = '';
  request.on('data', (chunk: Buffer) => (text += chunk.toString()));
  request.on('end', () => {
    asked.push(text);
    response.setHeader('content-type', 'application/json');
    answer(text, response);
  });
});

before(async () => {
  remote.listen(0, '127.0.0.1');
  await once(remote, 'listening');
  const { port } = remote.address() as AddressInfo;
  const pdp = `pdp: { url: 'http://127.0.0.1:${port}', allowPlaintextLoopback: true, timeout: 1s }\n`;
  answer = (_, response) => response.end('{"decision":true}');
  bed = await openBed({ configure: (yaml) => yaml + pdp });
  caller = await bed.svid('caller');
});
after(async () => {
  await bed.close();
  remote.closeAllConnections();
  remote.close();
});

const write = (line: string, amount = 1): Promise<Answer> =>
  send({ port: bed.ports.gateway, ...toolCall('write', { line, amount }), svid: caller });

const lastDecision = async (): Promise<Record<string, unknown>> =>
  ((await bed.control('GET', '/v1/decisions?limit=1')).json as { items: Record<string, unknown>[] }).items[0] ?? {};

const isDenied = ({ text }: Answer, code: string): boolean => text.includes(code);

test('[AuthZEN-1.0] both allow: the call is forwarded, and the remote PDP saw who asked for what', async () => {
  asked.length = 0;
  assert.ok(isWritten(await write('both')));
  assert.deepEqual(await effectsOf(bed), ['both 1']);
  const [first = '{}'] = asked;
  const { subject, action, resource, context } = JSON.parse(first) as Record<string, Record<string, unknown>>;
  assert.deepEqual(
    [subject?.['type'], subject?.['id'], action?.['name'], resource?.['id']],
    ['agent', 'caller', 'tools/call', 'bench/write'],
  );
  assert.deepEqual(context?.['input'], { line: 'both', amount: 1 });
});

test('[AuthZEN-1.0] [I1] the remote PDP denies, errs or is silent: denied, on record, no effect', async () => {
  const earlier = await effectsOf(bed);
  const ways: readonly (readonly [string, typeof answer])[] = [
    ['CORDON-3001', (_, response) => response.end('{"decision":false}')],
    ['CORDON-9001', (_, response) => response.writeHead(500).end('{"decision":true}')],
    ['CORDON-9001', (_, response) => response.end('{"decision":"true"}')],
    ['CORDON-9001', () => undefined],
    ['CORDON-9001', (_, response) => void response.socket?.destroy()],
  ];
  for (const [code, way] of ways) {
    answer = way;
    assert.ok(isDenied(await write('no'), code), code);
    const record = await until('it is on record', async () => {
      const last = await lastDecision();
      return last['gate'] === 'remote' ? last : undefined;
    });
    assert.deepEqual([record['code'], record['resource']], [code, 'bench/write']);
  }
  answer = (_, response) => response.end('{"decision":true}');
  assert.deepEqual(await effectsOf(bed), earlier);
});

test('[AuthZEN-1.0] what Cordon denies stays denied, and is not asked elsewhere', async () => {
  asked.length = 0;
  assert.ok(isDenied(await write('too much', 1000), 'CORDON-3005'));
  assert.deepEqual(asked, []);
});

test('[I1] [I4] it is asked of a call that comes after another in a mandate, too', async () => {
  const entry = { type: 'cordon_task', actions: ['tools/call'] };
  const token = await ownTask(bed, caller, [
    { ...entry, locations: ['tool:bench/echo'] },
    { ...entry, locations: ['tool:bench/write'], after: ['tool:bench/echo'] },
  ]);
  const call = async (tool: string, args: object): Promise<Answer> => {
    const { headers, ...rest } = toolCall(tool, args);
    return send({ port: bed.ports.gateway, ...rest, headers: { ...headers, authorization: `Bearer ${token}` }, svid: caller });
  };
  assert.match((await call('echo', { text: 'first' })).text, /first/);
  const earlier = await effectsOf(bed);
  answer = (_, response) => response.end('{"decision":false}');
  asked.length = 0;
  assert.ok(isDenied(await call('write', { line: 'second', amount: 1 }), 'CORDON-3001'));
  assert.equal(asked.length, 1);
  assert.deepEqual(await effectsOf(bed), earlier);
  answer = (_, response) => response.end('{"decision":true}');
  assert.ok(isWritten(await call('write', { line: 'second', amount: 1 })));
});

test('[I6] a level that changes while the remote PDP thinks is seen', async () => {
  const earlier = await effectsOf(bed);
  let release: () => void = () => undefined;
  const thinking = new Promise<void>((resolve) => {
    answer = (_, response) => {
      release = () => response.end('{"decision":true}');
      resolve();
    };
  });
  const call = write('late').catch((error: unknown) => error); // its connection is cut
  await thinking;
  await bed.control('POST', '/v1/agents/caller/level', { level: 'off', reason: 'test' });
  release();
  await call;
  assert.deepEqual(await effectsOf(bed), earlier);
});
