// Whose a task of another agent is (A2A 1.0 §3): its id is of use to the caller and user who were given it, and to nobody else.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { randomKey } from '../src/crypto/random.ts';
import type { JsonObject } from '../src/domain/json.ts';
import { Refusal } from '../src/domain/refusal.ts';
import { createA2aIds, type A2aIds } from '../src/gateway/a2a-ids.ts';
import { withOwnIds } from '../src/gateway/a2a-inward.ts';
import { ownTasks, responseShown, taskShown } from '../src/gateway/a2a-outward.ts';
import type { Call } from '../src/gateway/call.ts';
import type { Pep } from '../src/gateway/pep.ts';
import { forItself, forUser, toolsOnly } from './support/on-behalf.ts';
import { request } from './support/policy-desk.ts';

const KEY = randomKey();
const ask = (agent: string, callee = 'reader'): ReturnType<typeof request> => request(agent, 'a2a/SendMessage', callee, { text: 'hi' });
const no = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code;

/** Everybody who is not `clerk` for alice at `reader`. */
const OTHERS = [
  ask('clerk'),
  forItself(ask('clerk'), toolsOnly(['tool:ledger/*'])),
  forUser(ask('clerk'), { user: 'bob' }),
  forUser(ask('clerk'), { user: 'alice', issuer: 'https://other.example' }),
  forUser(ask('auditor'), { user: 'alice' }),
  forUser(ask('clerk', 'ledger'), { user: 'alice' }),
];

describe('[I4] [I5] [A2A-1.0] ids of tasks and contexts', () => {
  const of = createA2aIds(KEY);
  const alice = of(forUser(ask('clerk'), { user: 'alice' }));

  void test('open for the caller and user who were given them, in every worker and after a restart', () => {
    const elsewhere = createA2aIds(KEY)(forUser(ask('clerk'), { user: 'alice' }));
    for (const id of ['t1', '3f2a61c0-9d5e-4d7b-8a51-000000000000', 'a~b', 'ü/ ~', '~'.repeat(40)]) {
      const shown = alice.shown('task', id);
      assert.notEqual(shown, id);
      assert.equal(elsewhere.given('task', shown), id);
      assert.equal(elsewhere.shown('task', id), shown, 'one task has one id, however often it is answered');
    }
  });

  void test('do not exist for another caller, another user, nobody’s user or with another agent', () => {
    const [task, context] = [alice.shown('task', 't1'), alice.shown('context', 'c1')];
    for (const other of OTHERS) {
      assert.throws(() => of(other).given('task', task), no('CORDON-3003'));
      assert.throws(() => of(other).given('context', context), no('CORDON-3003'));
    }
  });

  void test('do not open as another kind, altered, bare, or under another key', () => {
    const [task, context] = [alice.shown('task', 'x'), alice.shown('context', 'x')];
    assert.throws(() => alice.given('context', task), no('CORDON-3003'));
    assert.throws(() => alice.given('task', context), no('CORDON-3003'));
    assert.throws(() => alice.given('task', alice.named('context', 'x')), no('CORDON-3003'), 'a name is no task');
    for (let at = 0; at < task.length; at++) {
      const altered = `${task.slice(0, at)}${task[at] === 'A' ? 'B' : 'A'}${task.slice(at + 1)}`;
      assert.throws(() => alice.given('task', altered), no('CORDON-3003'), altered);
    }
    for (const id of ['x', '', '~', task.slice(0, -1), `${task}A`, `y${task}`, task.slice(1)])
      assert.throws(() => alice.given('task', id), no('CORDON-3003'), id);
    assert.throws(() => createA2aIds(randomKey())(ask('clerk')).given('task', task), no('CORDON-3003'));
  });

  void test('nothing is kept, so that no flood of ids takes one away', () => {
    const task = alice.shown('task', 't1');
    const flood = of(ask('auditor'));
    for (let n = 0; n < 40_000; n++) flood.shown('task', `f${n}`);
    assert.equal(alice.given('task', task), 't1');
  });

  void test('a name of one caller is another name for each other, and its own again in an answer', () => {
    const bob = of(forUser(ask('clerk'), { user: 'bob' }));
    const [hers, his] = [alice.named('context', 'trip'), bob.named('context', 'trip')];
    assert.notEqual(hers, his);
    assert.deepEqual(
      [alice.nameIn('context', hers), bob.nameIn('context', hers), alice.nameIn('message', hers)],
      ['trip', undefined, undefined],
    );
    assert.throws(() => bob.shown('context', hers), no('CORDON-9010'), 'an agent that mixes two callers up gives nothing away');
    assert.throws(() => bob.shown('task', hers), no('CORDON-9010'));
    assert.throws(() => bob.shown('task', alice.named('message', 'm')), no('CORDON-9010'));
    const task = alice.shown('task', alice.named('message', 'm'));
    assert.equal(alice.given('task', task), alice.named('message', 'm'), 'an agent that calls tasks as messages are called');
    assert.throws(() => alice.shown('task', 'x'.repeat(600)), no('CORDON-9010'));
  });
});

describe('[I2] [I4] [A2A-1.0] what goes on, and what comes back', () => {
  const pepOf = (makesContexts: boolean): Pep =>
    ({ a2aIds: createA2aIds(KEY), upstreams: { a2a: () => ({ makesContexts }) } }) as unknown as Pep;
  const pep = pepOf(false);
  const caller = forUser(ask('clerk'), { user: 'alice' });
  const ids = pep.a2aIds(caller);
  const onward = (message: JsonObject, by = pep): JsonObject => {
    const call: Call = {
      request: caller,
      plan: { kind: 'a2a/send', agent: 'reader', binding: 'JSONRPC', id: 1, method: 'SendMessage', params: { message } },
    };
    const { plan } = withOwnIds(by, call);
    return plan.kind === 'a2a/send' ? (plan.onward?.['message'] as JsonObject) : {};
  };
  const about = (params: JsonObject): JsonObject | undefined => {
    const call: Call = {
      request: caller,
      plan: { kind: 'a2a/task', agent: 'reader', binding: 'JSONRPC', id: 1, method: 'ListTasks', params },
    };
    const { plan } = withOwnIds(pep, call);
    return plan.kind === 'a2a/task' ? plan.onward : undefined;
  };

  void test('a caller’s ids are opened, its names are its own, and each new context is', () => {
    const [task, context] = [ids.shown('task', 't1'), ids.shown('context', 'c1')];
    const goesOn = onward({ messageId: 'm', taskId: task, contextId: context, referenceTaskIds: [task], role: 'ROLE_USER' });
    assert.deepEqual(goesOn, {
      messageId: ids.named('message', 'm'),
      taskId: 't1',
      contextId: 'c1',
      referenceTaskIds: ['t1'],
      role: 'ROLE_USER',
    });
    assert.equal(onward({ contextId: 'trip' })['contextId'], ids.named('context', 'trip'));
    const [one, two] = [onward({})['contextId'], onward({ taskId: '', contextId: '' })['contextId']];
    assert.notEqual(one, two);
    assert.ok(typeof one === 'string' && ids.nameIn('context', one) !== undefined);
    assert.equal(onward({ taskId: task })['contextId'], undefined, 'a task has its context');
    assert.equal(onward({}, pepOf(true))['contextId'], undefined, 'an agent that makes its contexts itself is asked for one');
    assert.equal(onward({ contextId: 'trip' }, pepOf(true))['contextId'], ids.named('context', 'trip'));
    assert.deepEqual(about({ contextId: 'trip', pageSize: 5 }), { contextId: ids.named('context', 'trip'), pageSize: 5 });
  });

  void test('what was not given to it stops it, wherever it stands', () => {
    const foreign = pep.a2aIds(ask('auditor'));
    for (const message of [
      { taskId: 't1' },
      { taskId: foreign.shown('task', 't1') },
      { taskId: ids.shown('context', 't1') },
      { contextId: foreign.shown('context', 'c1') },
      { contextId: ids.shown('task', 'c1') },
      { contextId: ids.named('context', 'c1') },
      { contextId: foreign.named('context', 'c1') },
      { referenceTaskIds: [ids.shown('task', 't1'), 't2'] },
    ])
      assert.throws(() => onward(message), no('CORDON-3003'), JSON.stringify(message));
    for (const params of [{ id: 't1' }, { id: foreign.shown('task', 't1') }, { contextId: foreign.shown('context', 'c1') }])
      assert.throws(() => about(params), no('CORDON-3003'), JSON.stringify(params));
    assert.throws(() => about({ contextId: 'n'.repeat(300) }), no('CORDON-9011'));
  });

  const message = {
    messageId: 'reply',
    taskId: 'RAW',
    contextId: 'RAW',
    referenceTaskIds: ['RAW', 'RAW'],
    parts: [{ data: { taskId: 'in a part' } }],
  };
  const status = { state: 'TASK_STATE_WORKING', message };
  const task = {
    id: 'RAW',
    contextId: 'RAW',
    status,
    history: [message],
    artifacts: [{ artifactId: 'a', parts: [{ text: 'in a part' }] }],
  };

  void test('an answer has the ids of its caller wherever A2A has one, and its parts as they are', () => {
    for (const shown of [
      taskShown(ids, task),
      responseShown(ids, { task }),
      responseShown(ids, { message }),
      responseShown(ids, { statusUpdate: { taskId: 'RAW', contextId: 'RAW', status } }),
      responseShown(ids, {
        artifactUpdate: { taskId: 'RAW', contextId: 'RAW', artifact: { artifactId: 'a', parts: [{ text: 'in a part' }] } },
      }),
    ]) {
      assert.doesNotMatch(JSON.stringify(shown), /"RAW"/);
      assert.match(JSON.stringify(shown), /"in a part"/);
      for (const [, id = ''] of JSON.stringify(shown).matchAll(/"(?:id|taskId)":"(RAW~[^"]+)"/g))
        assert.equal(ids.given('task', id), 'RAW');
    }
    const named = { ...task, contextId: ids.named('context', 'trip'), history: [{ messageId: ids.named('message', 'm1') }] };
    const { contextId, history } = taskShown(ids, named);
    assert.deepEqual([contextId, history], ['trip', [{ messageId: 'm1' }]], 'what the caller named it sees as it named it');
    assert.deepEqual(taskShown(ids, { id: '', contextId: null, status: null }), { id: '', contextId: null, status: null });
  });

  void test('an answer with what is another’s, or with ids that are none, is not handed on', () => {
    const theirs = pep.a2aIds(forUser(ask('clerk'), { user: 'bob' })).named('context', 'trip');
    for (const bad of [
      { ...task, contextId: theirs },
      { ...task, id: theirs },
      { ...task, id: 7 },
      { ...task, history: [{ contextId: theirs }] },
    ])
      assert.throws(() => taskShown(ids, bad), no('CORDON-9010'));
  });

  void test('of a list of everybody’s tasks the caller sees what is provably its own', () => {
    const bob: A2aIds = pep.a2aIds(forUser(ask('clerk'), { user: 'bob' }));
    const tasks = [
      { id: 'mine', contextId: ids.named('context', 'trip') },
      { id: 'his', contextId: bob.named('context', 'trip') },
      { id: 'whose', contextId: 'c1' },
      { id: 'no context' },
      'no task',
    ];
    const listed = (asked?: string): unknown => ownTasks(ids, { tasks }, asked).map(({ id }) => id);
    assert.deepEqual(listed(), ['mine']);
    assert.deepEqual(listed(ids.named('context', 'trip')), ['mine']);
    assert.deepEqual(listed('c1'), ['whose'], 'asked for by a context that it was given');
    assert.deepEqual([ownTasks(ids, { tasks }, 'none'), ownTasks(ids, { tasks: 'no list' }, undefined)], [[], []]);
  });
});
