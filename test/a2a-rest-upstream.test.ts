// An agent of the official SDK that speaks nothing but HTTP+JSON (A2A 1.0 §11), called in both bindings.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { JsonObject } from '../src/domain/json.ts';
import { Refusal } from '../src/domain/refusal.ts';
import { answerTo, sendOperation } from '../src/gateway/a2a-upstream.ts';
import type { A2aUpstream } from '../src/gateway/upstreams.ts';
import { askCallee } from './support/a2a-callee.ts';
import { openBed, send, type Answer, type Bed, type Svid } from './support/bed.ts';

describe('[A2A-1.0] an agent that speaks HTTP+JSON alone', () => {
  let bed: Bed;
  let caller: Svid;
  let other: Svid;
  before(async () => {
    bed = await openBed({
      tools: false,
      policies: `@id("talks") permit (principal, action in [Action::"a2a/message", Action::"a2a/task", Action::"a2a/GetExtendedAgentCard"],
  resource == Agent::"callee");`,
      configure: (yaml) =>
        yaml
          .replace('other: { segment: vault,', 'other: { segment: desk,')
          .replace('purpose: is called,', 'purpose: is called, binding: HTTP+JSON,'),
    });
    await bed.spawnWorkload('agent', 'callee', 'test/support/callee.ts', [String(bed.ports.callee), 'HTTP+JSON']);
    [caller, other] = [await bed.svid('caller'), await bed.svid('other')];
  });
  after(() => (bed as Bed | undefined)?.close());

  const ask = (svid: Svid, method: string, params: object): Promise<Answer> => askCallee(bed, svid, method, params);
  const rest = (path: string, method = 'GET', body?: string): Promise<Answer> =>
    send({
      port: bed.ports.gateway,
      path: `/a2a/callee${path}`,
      method,
      headers: { 'a2a-version': '1.0' },
      svid: caller,
      ...(body === undefined ? {} : { body }),
    });
  const said = (text: string, more: object = {}): object => ({
    message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text }], ...more },
    configuration: { returnImmediately: true },
  });
  const begin = async (): Promise<string> =>
    ((await ask(caller, 'SendMessage', said('work', { contextId: 'trip' }))).json['result'] as { task: { id: string } }).task.id;

  void test('messages are answered, whole and streamed', async () => {
    assert.match((await ask(caller, 'SendMessage', said('hi'))).text, /"id":7.*heard: hi/);
    assert.match((await ask(caller, 'SendStreamingMessage', said('hi'))).text, /data: \{"jsonrpc":"2.0","id":7,"result":.*heard: hi/);
    assert.match((await rest('/message:send', 'POST', JSON.stringify(said('hi')))).text, /heard: hi/);
    assert.match((await rest('/message:stream', 'POST', JSON.stringify(said('hi')))).text, /data: \{"message":.*heard: hi/);
  });

  void test('[I4] tasks are read, listed, followed and cancelled by their caller alone', async () => {
    const id = await begin();
    assert.equal(((await ask(caller, 'GetTask', { id, historyLength: 1 })).json['result'] as { id: string }).id, id);
    assert.match((await ask(other, 'GetTask', { id })).text, /"code":-32001/);
    const { tasks } = (await ask(caller, 'ListTasks', { contextId: 'trip', status: 'TASK_STATE_WORKING' })).json['result'] as {
      tasks: { id: string }[];
    };
    assert.deepEqual(
      tasks.map((task) => task.id),
      [id],
    );
    assert.equal((await rest(`/tasks/${id}`)).json['id'], id);
    const followed = rest(`/tasks/${id}:subscribe`);
    assert.match((await ask(caller, 'CancelTask', { id })).text, /TASK_STATE_CANCELED/);
    assert.match((await followed).text, /TASK_STATE_CANCELED/);
  });

  void test('the extended card and errors come through as they would have in JSON-RPC', async () => {
    assert.match((await ask(caller, 'GetExtendedAgentCard', {})).text, /has more to say/);
    const id = await begin();
    await ask(caller, 'CancelTask', { id });
    assert.match((await ask(caller, 'SendMessage', said('more', { taskId: id }))).text, /"code":-32004.*UNSUPPORTED_OPERATION/);
    const { status, json } = await rest('/message:send', 'POST', JSON.stringify(said('more', { taskId: id })));
    assert.deepEqual([status, (json['error'] as { status: string }).status], [400, 'FAILED_PRECONDITION']);
  });
});

describe('[I2] [A2A-1.0] HTTP+JSON towards an agent', () => {
  const sent: { readonly path?: string; readonly method?: string }[] = [];
  const upstream = {
    binding: 'HTTP+JSON',
    path: '/a2a/',
    channel: { request: (options: object) => Promise.resolve(void sent.push(options)) },
  } as unknown as A2aUpstream;
  const to = (method: string, params: JsonObject): unknown => {
    void sendOperation(upstream, { id: 1, method, params, streams: false, headers: {}, signal: new AbortController().signal });
    const { method: verb, path } = sent.at(-1) ?? {};
    return [verb, path];
  };

  void test('an id that an agent gave is one segment of a path, and a filter one parameter', () => {
    assert.deepEqual(to('GetTask', { id: 'a/../b?c#d:cancel', historyLength: 2 }), [
      'GET',
      '/a2a/tasks/a%2F..%2Fb%3Fc%23d%3Acancel?historyLength=2',
    ]);
    assert.deepEqual(to('CancelTask', { id: 'ü ~' }), ['POST', '/a2a/tasks/%C3%BC%20~:cancel']);
    assert.deepEqual(to('ListTasks', { contextId: 'a&b=c', includeArtifacts: true }), [
      'GET',
      '/a2a/tasks?contextId=a%26b%3Dc&includeArtifacts=true',
    ]);
    for (const id of ['.', '..'])
      assert.throws(
        () => to('GetTask', { id }),
        (error) => error instanceof Refusal && error.code === 'CORDON-9010',
      );
  });

  void test('what it answers is a result or an error, never both', () => {
    const error = { code: 404, message: 'no', details: [{ '@type': 'x', reason: 'TASK_NOT_FOUND' }] };
    const read = (message: JsonObject, status: number): JsonObject => answerTo(upstream, 1, message, status);
    assert.deepEqual((read({ error }, 404)['error'] as JsonObject)['code'], -32_001);
    assert.deepEqual((read({ error }, 200)['error'] as JsonObject)['code'], -32_001, 'in a stream');
    assert.deepEqual((read({ task: { id: 'x' }, error }, 500)['error'] as JsonObject)['code'], -32_001);
    assert.deepEqual((read({}, 302)['error'] as JsonObject)['code'], -32_603);
    assert.deepEqual(read({ task: { id: 'x' } }, 200), { jsonrpc: '2.0', id: 1, result: { task: { id: 'x' } } });
  });
});
