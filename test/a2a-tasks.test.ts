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
      policies: `@id("talks") permit (principal, action in Action::"a2a/message", resource == Agent::"callee");`,
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

  void test('a context that one caller has does not exist for another; a task that was guessed does not exist', async () => {
    const first = await say(caller, {});
    const contextId = /"contextId":"([^"]+)"/.exec(first.text)?.[1] ?? '';
    assert.notEqual(contextId, '', first.text);
    assert.equal((await say(caller, { contextId })).status, 200);
    assert.equal((await say(other, {})).status, 200);
    assert.deepEqual([(await say(other, { contextId })).status, (await say(other, { taskId: 'guessed' })).status], [404, 404]);
  });
});
