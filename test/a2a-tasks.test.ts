// Whose a task of another agent is (A2A 1.0 §3): its id is no credential.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createA2aTasks } from '../src/gateway/a2a-tasks.ts';
import { openBed, send, type Answer, type Bed, type Svid } from './support/bed.ts';
import { forUser } from './support/on-behalf.ts';
import { request } from './support/policy-desk.ts';

describe('[I4] [A2A-1.0] tasks and contexts', () => {
  const ask = (agent: string, callee = 'reader'): ReturnType<typeof request> => request(agent, 'a2a/SendMessage', callee, { text: 'hi' });

  void test('are of the caller and the user in whose calls they came to be, with that agent', () => {
    const tasks = createA2aTasks();
    const alice = forUser(ask('clerk'), { user: 'alice' });
    tasks.learn(alice, { task: { id: 't1', contextId: 'c1', status: { state: 'TASK_STATE_WORKING' } } });
    tasks.learn(alice, { statusUpdate: { taskId: 't2', contextId: 'c1' } });
    for (const message of [{ taskId: 't1' }, { taskId: 't2', contextId: 'c1' }, { contextId: 'c1' }]) {
      assert.ok(tasks.isOf(alice, message));
      for (const other of [ask('clerk'), forUser(ask('clerk'), { user: 'bob' }), forUser(ask('auditor'), { user: 'alice' })])
        assert.ok(!tasks.isOf(other, message), JSON.stringify(message));
    }
    assert.ok(!tasks.isOf(forUser(ask('clerk', 'ledger'), { user: 'alice' }), { taskId: 't1' }), 'with another agent');
  });

  void test('that nobody was given are nobody’s, and an answer takes none away', () => {
    const tasks = createA2aTasks();
    assert.ok(!tasks.isOf(ask('clerk'), { taskId: 'guessed' }));
    assert.ok(tasks.isOf(ask('clerk'), { contextId: 'new' }), 'a caller may name a context');
    assert.ok(tasks.isOf(ask('clerk'), {}));
    assert.ok(tasks.isOf(ask('clerk'), { taskId: '', contextId: '' }));
    tasks.learn(ask('clerk'), { task: { id: 't1', status: {} } });
    tasks.learn(ask('auditor'), { task: { id: 't1', status: {} } });
    assert.deepEqual([tasks.isOf(ask('clerk'), { taskId: 't1' }), tasks.isOf(ask('auditor'), { taskId: 't1' })], [true, false]);
    tasks.learn(ask('auditor'), { message: { messageId: 'm', parts: [] }, id: 't9' });
    assert.ok(!tasks.isOf(ask('auditor'), { taskId: 't9' }), 'an id of something else');
  });
});

describe('[I4] [A2A-1.0] over the wire', () => {
  let bed: Bed;
  let caller: Svid;
  let other: Svid;
  before(async () => {
    bed = await openBed({
      tools: false,
      policies: `@id("talks") permit (principal, action in [Action::"a2a/message", Action::"a2a/task"], resource == Agent::"callee")
unless { action == Action::"a2a/CancelTask" && principal == Agent::"other" };`,
      configure: (yaml) => yaml.replace('other: { segment: vault,', 'other: { segment: desk,'),
    });
    await bed.spawnWorkload('agent', 'callee', 'test/support/callee.ts', [String(bed.ports.callee)]);
    caller = await bed.svid('caller');
    other = await bed.svid('other');
  });
  after(() => (bed as Bed | undefined)?.close());

  const say = (svid: Svid, more: object): Promise<Answer> =>
    send({
      port: bed.ports.gateway,
      path: '/a2a/callee',
      headers: { 'a2a-version': '1.0' },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'SendMessage',
        params: { message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'hi' }], ...more } },
      }),
      svid,
    });

  const about = (svid: Svid, method: string, params: object): Promise<Answer> =>
    send({
      port: bed.ports.gateway,
      path: '/a2a/callee',
      headers: { 'a2a-version': '1.0' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 7, method, params }),
      svid,
    });
  const begin = async (svid: Svid): Promise<string> => {
    const message = { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'work' }] };
    const begun = await about(svid, 'SendMessage', { message, configuration: { returnImmediately: true } });
    const { task } = begun.json['result'] as { task: { id: string } };
    return task.id;
  };
  const listed = async (svid: Svid): Promise<unknown> => (await about(svid, 'ListTasks', { tenant: '' })).json['result'];

  void test('a task is read, followed, listed and cancelled by who began it', async () => {
    const id = await begin(caller);
    assert.equal(((await about(caller, 'GetTask', { id })).json['result'] as { id: string }).id, id);
    const { tasks, totalSize } = (await listed(caller)) as { tasks: { id: string }[]; totalSize: number };
    assert.deepEqual([tasks.map((task) => task.id), totalSize], [[id], 1]);
    const followed = about(caller, 'SubscribeToTask', { id }); // a stream, which ends with the task
    const cancelled = (await about(caller, 'CancelTask', { id })).json['result'] as { status: { state: string } };
    assert.equal(cancelled.status.state, 'TASK_STATE_CANCELED');
    assert.match((await followed).text, /TASK_STATE_CANCELED|CORDON-|"code":-3200/);
  });

  void test('for another it does not exist in any method, and a list says nothing of it', async () => {
    const id = await begin(caller);
    assert.deepEqual(await listed(other), { tasks: [], nextPageToken: '', pageSize: 50, totalSize: 0 });
    for (const method of ['GetTask', 'SubscribeToTask']) {
      const [foreign, guessed] = [await about(other, method, { id }), await about(other, method, { id: 'guessed' })];
      assert.equal(foreign.status, 404, method);
      assert.equal(foreign.text, guessed.text, method);
    }
    assert.match((await about(other, 'CancelTask', { id })).text, /CORDON-3001/, 'policy speaks of each method');
    assert.equal((await about(caller, 'CancelTask', { id })).status, 200);
  });

  void test('what is no question about a task is refused before it goes anywhere', async () => {
    for (const [method, params] of [
      ['GetTask', {}],
      ['GetTask', { id: '' }],
      ['GetTask', { id: 7 }],
      ['GetTask', { id: 'a', historyLength: -1 }],
      ['ListTasks', { pageSize: 'many' }],
      ['CancelTask', { id: 'a'.repeat(2_000) }],
      ['CreateTaskPushNotificationConfig', { taskId: 'a' }],
      ['__proto__', { id: 'a' }],
    ] as const)
      assert.match((await about(caller, method, params)).text, /CORDON-(9011|3008)/, `${method} ${JSON.stringify(params)}`);
  });

  void test('a context that one caller has does not exist for another; a task that was guessed does not exist', async () => {
    const first = await say(caller, {});
    const contextId = /"contextId":"([^"]+)"/.exec(first.text)?.[1] ?? '';
    assert.notEqual(contextId, '', first.text);
    assert.equal((await say(caller, { contextId })).status, 200);
    assert.equal((await say(other, {})).status, 200);
    assert.deepEqual([(await say(other, { contextId })).status, (await say(other, { taskId: 'guessed' })).status], [404, 404]);
  });
});
