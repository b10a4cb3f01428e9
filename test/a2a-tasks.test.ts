// Tasks of another agent over the wire (A2A 1.0 §3): of use to the caller who began them, and to nobody else.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { askCallee, beginWork } from './support/a2a-callee.ts';
import { openBed, send, type Answer, type Bed, type Svid } from './support/bed.ts';

/** A2A 1.0 §5.4, of JSON-RPC. */
const NOT_FOUND = -32_001;
const BAD_PARAMS = -32_602;
/** The error that it says; undefined when it answers with a result. */
const errorOf = ({ json }: Answer): number | undefined =>
  'result' in json ? undefined : ((json['error'] as { code?: number } | undefined)?.code ?? 0);

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

  const about = (svid: Svid, method: string, params: object): Promise<Answer> => askCallee(bed, svid, method, params);
  const begin = (svid: Svid): Promise<string> => beginWork(bed, svid);
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
      assert.equal(errorOf(foreign), NOT_FOUND, method);
      assert.equal(foreign.text, guessed.text, method);
    }
    assert.equal(errorOf(await about(other, 'CancelTask', { id })), NOT_FOUND);
    assert.match((await about(other, 'CancelTask', { id: await begin(other) })).text, /CORDON-3001/, 'policy speaks of each method');
    assert.equal(errorOf(await about(caller, 'CancelTask', { id })), undefined);
  });

  void test('[I9] pages are made of the caller’s own tasks: those of others neither hide them nor are counted', async () => {
    const mine = await bed.svid('caller');
    const first = await begin(mine);
    for (let n = 0; n < 120; n++) await begin(other);
    const page = async (params: object): Promise<{ ids: string[]; nextPageToken: string; totalSize: number }> => {
      const { tasks, ...rest } = (await about(mine, 'ListTasks', params)).json['result'] as { tasks: { id: string }[] } & {
        nextPageToken: string;
        totalSize: number;
      };
      return { ids: tasks.map(({ id }) => id), nextPageToken: rest.nextPageToken, totalSize: rest.totalSize };
    };
    const all = await page({ pageSize: 100, contextId: '' });
    assert.ok(all.ids.includes(first), 'behind a page of others');
    assert.equal(all.totalSize, all.ids.length);
    const walked: string[] = [];
    let token = '';
    do {
      const { ids, nextPageToken, totalSize } = await page({ pageSize: 1, pageToken: token });
      assert.deepEqual([ids.length, totalSize], [1, all.totalSize]);
      walked.push(...ids);
      token = nextPageToken;
    } while (token !== '');
    assert.deepEqual(walked, all.ids);
    assert.deepEqual(await page({ pageToken: '9999' }), { ids: [], nextPageToken: '', totalSize: all.totalSize });
    for (const pageToken of [first, '01', '-1', '1e3', 'x'.repeat(100)])
      assert.equal(errorOf(await about(mine, 'ListTasks', { pageToken })), BAD_PARAMS, pageToken);
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
      assert.match((await about(caller, method, params)).text, /CORDON-(9011|3008|3023)/, `${method} ${JSON.stringify(params)}`);
  });

  void test('a context is its caller’s: the same name is another context for another', async () => {
    const contextOf = ({ text }: Answer): string => /"contextId":"([^"]+)"/.exec(text)?.[1] ?? '';
    const [first, named] = [await say(caller, {}), await say(caller, { contextId: 'trip' })];
    assert.equal(contextOf(named), 'trip');
    assert.match(contextOf(first), /^[0-9A-Z]{26}$/);
    assert.equal(contextOf(await say(caller, { contextId: contextOf(first) })), contextOf(first));
    const work = { role: 'ROLE_USER', messageId: 'm', contextId: 'trip', parts: [{ text: 'work' }] };
    const begun = await about(caller, 'SendMessage', { message: work, configuration: { returnImmediately: true } });
    const inTrip = async (svid: Svid): Promise<unknown> =>
      ((await about(svid, 'ListTasks', { contextId: 'trip' })).json['result'] as { tasks: { id: string }[] }).tasks.map(({ id }) => id);
    assert.deepEqual([((await inTrip(caller)) as string[]).length, await inTrip(other)], [1, []]);
    assert.equal(errorOf(await say(other, { contextId: 'trip' })), undefined);
    const { task } = begun.json['result'] as { task: { id: string; contextId: string } };
    assert.equal(task.contextId, 'trip');
    assert.equal(errorOf(await say(other, { contextId: 'trip', taskId: task.id })), NOT_FOUND);
    assert.equal(errorOf(await say(other, { taskId: 'guessed' })), NOT_FOUND);
    assert.equal(errorOf(await say(caller, { referenceTaskIds: [task.id] })), undefined);
    assert.equal(errorOf(await say(other, { referenceTaskIds: [task.id] })), NOT_FOUND);
    assert.equal(errorOf(await say(caller, { referenceTaskIds: 'x' })), BAD_PARAMS);
  });

  void test('[A2A-1.0 §9] an error object comes with 200, as clients read it (Python’s of no other status); a denial does not', async () => {
    for (const [svid, method, params, status] of [
      [caller, 'GetTask', { id: 'guessed' }, 200],
      [caller, 'SubscribeToTask', { id: 'guessed' }, 200],
      [caller, 'ListTasks', { pageSize: 'many' }, 200],
      [caller, 'CreateTaskPushNotificationConfig', { taskId: 'a' }, 200],
      [other, 'CancelTask', { id: await begin(other) }, 403],
    ] as const) {
      const answer = await about(svid, method, params);
      assert.deepEqual([answer.status, 'result' in answer.json, 'error' in answer.json], [status, false, status === 200], method);
    }
  });

  void test('[I3] what does not exist for the caller is refused before it is decided, and on record', async () => {
    await about(other, 'GetTask', { id: 'guessed-once' });
    const { json } = await bed.control('GET', '/v1/decisions?limit=1');
    const [last] = (json as { items: { code: string }[] }).items;
    assert.equal(last?.code, 'CORDON-3003');
  });

  void test('a task outlives a restart of Cordon, for its caller alone', async () => {
    const id = await begin(caller);
    await bed.stop();
    await bed.start();
    assert.equal(((await about(caller, 'GetTask', { id })).json['result'] as { id: string }).id, id);
    assert.equal(errorOf(await about(other, 'GetTask', { id })), NOT_FOUND);
  });
});

describe(
  '[I4] [A2A-1.0] two workers',
  { skip: process.platform === 'linux' ? false : 'one port for several processes needs SO_REUSEPORT' },
  () => {
    void test('know the ids of each other, and what is of another in neither', async () => {
      await using bed = Object.assign(
        await openBed({
          workers: 2,
          tools: false,
          policies: '@id("talks") permit (principal, action in [Action::"a2a/message", Action::"a2a/task"], resource == Agent::"callee");',
          configure: (yaml) => yaml.replace('other: { segment: vault,', 'other: { segment: desk,'),
        }),
        { [Symbol.asyncDispose]: () => bed.close() },
      );
      await bed.spawnWorkload('agent', 'callee', 'test/support/callee.ts', [String(bed.ports.callee)]);
      const [caller, other] = [await bed.svid('caller'), await bed.svid('other')];
      const about = (svid: Svid, method: string, params: object): Promise<Answer> => askCallee(bed, svid, method, params);
      const id = await beginWork(bed, caller);
      // each a connection of its own: all twelve in one worker is one chance in two thousand
      const errors = async (svid: Svid): Promise<ReadonlySet<number | undefined>> =>
        new Set((await Promise.all(Array.from({ length: 12 }, () => about(svid, 'GetTask', { id })))).map(errorOf));
      assert.deepEqual([await errors(caller), await errors(other)], [new Set([undefined]), new Set([NOT_FOUND])]);
    });
  },
);
