// Push notifications (A2A 1.0 §4.3) over the wire: an agent on the official SDK delivers to a webhook that it never learns of, and whoever holds
// the address that it was given can do nothing else with it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { askCallee, beginWork } from './support/a2a-callee.ts';
import { openBed, send, type Answer, type Bed, type Svid } from './support/bed.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { ownTask } from './support/own-task.ts';
import { until } from './support/until.ts';
import { openWebAuthority } from './support/web-certificate.ts';

const POLICIES = `
@id("talks")
permit (principal, action in [Action::"a2a/message", Action::"a2a/task", Action::"a2a/GetAgentCard"], resource == Agent::"callee");

@id("webhooks")
permit (principal, action == Action::"a2a/CreateTaskPushNotificationConfig", resource == Agent::"callee")
when { context.input has path && context.input.path != "/forbidden" };

@id("delivers")
permit (principal == Agent::"callee", action == Action::"egress/push", resource in Segment::"tools")
when { context.input.caller == "caller" && context.input.path != "/denied" };
`;

const SECRET = { token: 'told-to-nobody', credentials: 'nor-is-this' };
const NO_PUSH = -32_003;
const BAD_PARAMS = -32_602;

interface Heard {
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Record<string, Record<string, unknown>>;
}

for (const [binding, push] of [
  ['JSONRPC', 'direct'],
  ['HTTP+JSON', 'proxy'],
] as const) {
  describe(`[I4] [I8] [A2A-1.0] push notifications of an agent that speaks ${binding}, ${push}`, () => {
    let bed: Bed;
    let hooks: Server;
    let caller: Svid & { readonly run: string };
    let other: Svid;
    let callee: Svid;
    let port = 0;
    const heard: Heard[] = [];
    /** What the agent says of its deliveries: the SDK prints where to. */
    const said: string[] = [];

    before(async () => {
      const authority = await openWebAuthority();
      hooks = createServer(await authority.issue('hooks.example', 'inside.example', 'vault.example'), (req, res) => {
        void (async () => {
          const body = await buffer(req);
          heard.push({ url: req.url ?? '', headers: req.headers, body: JSON.parse(body.toString()) as Heard['body'] });
          if (req.url === '/moved') res.writeHead(307, { location: '/elsewhere' }).end();
          else if (req.url === '/busy') res.writeHead(500).end('a secret of the webhook');
          else res.end('thanks');
        })();
      });
      hooks.listen(0, '127.0.0.1');
      await once(hooks, 'listening');
      ({ port } = hooks.address() as { port: number });
      bed = await openBed({
        tools: false,
        up: 'test/support/egress-up.ts',
        policies: POLICIES,
        configure: (yaml) =>
          yaml
            .replace('other: { segment: vault,', 'other: { segment: desk,')
            .replace('callee: {', `callee: { push: ${push}, binding: ${binding},`)
            .replace(
              '\npolicies:',
              `
  hooks:
    segment: tools
    egress: { hosts: ["hooks.example:${port}"], addresses: [127.0.0.0/8], ca: web.pem, credential: { secret: { env: BENCH_KEY } } }
  inside:
    segment: tools
    egress: { hosts: ["inside.example:${port}"], ca: web.pem }
  vaulted:
    segment: vault
    egress: { hosts: ["vault.example:${port}"], addresses: [127.0.0.0/8], ca: web.pem }
\npolicies:`,
            ),
        async beforeStart(dir) {
          const local = [['127.0.0.1']];
          await writeFile(join(dir, 'web.pem'), authority.ca);
          await writeFile(
            join(dir, 'hosts.json'),
            JSON.stringify({ 'hooks.example': local, 'inside.example': local, 'vault.example': local }),
          );
        },
      });
      const agent = await bed.spawnWorkload('agent', 'callee', 'test/support/callee.ts', [String(bed.ports.callee), binding, push]);
      assert.ok(agent.stdout);
      createInterface({ input: agent.stdout }).on('line', (line) => said.push(line));
      [caller, other, callee] = [await bed.svid('caller'), await bed.svid('other'), await bed.svid('callee')];
    });
    after(async () => {
      await (bed as Bed | undefined)?.close();
      hooks.closeAllConnections();
      hooks.close();
    });

    const about = (svid: Svid, method: string, params: object): Promise<Answer> => askCallee(bed, svid, method, params);
    const resultOf = ({ json, text }: Answer): unknown => {
      assert.ok('result' in json, text);
      return json['result'];
    };
    const errorOf = ({ json }: Answer): number | undefined => (json['error'] as { code?: number } | undefined)?.code;
    const begin = (svid: Svid = caller): Promise<string> => beginWork(bed, svid);
    const hook = (path = '/hook', host = 'hooks.example'): string => `https://${host}:${port}${path}`;
    const create = (taskId: string, more: object = {}, svid: Svid = caller): Promise<Answer> =>
      about(svid, 'CreateTaskPushNotificationConfig', { taskId, id: 'h', url: hook(), ...more });

    /** The address that the agent was given for a new task, and the agent's own id of that task: what a thief of either would have. */
    async function stolen(url = hook(), svid: Svid = caller): Promise<{ address: string; task: string; shown: string }> {
      const shown = await begin(svid);
      resultOf(await create(shown, { url }, svid));
      const from = said.length;
      resultOf(await about(svid, 'CancelTask', { id: shown }));
      const line = await until('a delivery is said', () => said.slice(from).find((text) => text.includes('/push/')));
      const address = /\/a2a\/callee\/push\/[\w-]+/.exec(line)?.[0] ?? '';
      return { address, task: shown.split('~')[0] ?? '', shown };
    }
    const deliver = (address: string, body: object | string, svid: Svid = callee, headers: object = {}): Promise<Answer> =>
      send({
        port: bed.ports.gateway,
        path: address,
        headers: { 'content-type': 'application/a2a+json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
        svid,
      });
    const update = (taskId: string): object => ({ statusUpdate: { taskId, contextId: 'c', status: { state: 'TASK_STATE_WORKING' } } });

    void test('what the agent does reaches the webhook, in the ids of the caller, with the secrets of the caller and not with the gateway’s', async () => {
      const id = await begin();
      const made = resultOf(
        await create(id, { token: SECRET.token, authentication: { scheme: 'Bearer', credentials: SECRET.credentials } }),
      );
      assert.deepEqual(made, { id: 'h', taskId: id, url: hook() });
      resultOf(await about(caller, 'CancelTask', { id }));
      const got = await until('the webhook hears', () => heard.find(({ body }) => body['statusUpdate']?.['taskId'] === id));
      assert.equal(got.url, '/hook');
      assert.equal(got.headers['authorization'], `Bearer ${SECRET.credentials}`);
      assert.equal(got.headers['x-a2a-notification-token'], SECRET.token);
      const decision = await until('it is on record', async () =>
        (await readLog(bed)).decisions.find(({ action }) => action === 'egress/push'),
      );
      assert.match(JSON.stringify(decision), /agent.callee.*hooks/);
      assert.doesNotMatch(JSON.stringify(await readLog(bed).then(({ all }) => all)), /told-to-nobody|nor-is-this/);
      assert.doesNotMatch(said.join('\n'), /hooks\.example|told-to-nobody/, 'the agent never learns where to');
    });

    void test('a webhook is read, listed and deleted by its owner, in its own words, and by nobody else', async () => {
      const id = await begin();
      resultOf(await create(id));
      const own = { id: 'h', taskId: id, url: hook() };
      assert.deepEqual(resultOf(await about(caller, 'GetTaskPushNotificationConfig', { taskId: id, id: 'h' })), own);
      assert.deepEqual(resultOf(await about(caller, 'ListTaskPushNotificationConfigs', { taskId: id })), {
        configs: [own],
        nextPageToken: '',
      });
      for (const method of [
        'GetTaskPushNotificationConfig',
        'ListTaskPushNotificationConfigs',
        'DeleteTaskPushNotificationConfig',
        'CreateTaskPushNotificationConfig',
      ])
        assert.match((await about(other, method, { taskId: id, id: 'h', url: hook() })).text, /-32001|CORDON-3001/, method);
      assert.deepEqual(resultOf(await about(caller, 'DeleteTaskPushNotificationConfig', { taskId: id, id: 'h' })), {});
      assert.deepEqual(resultOf(await about(caller, 'ListTaskPushNotificationConfigs', { taskId: id })), {
        configs: [],
        nextPageToken: '',
      });
    });

    void test('the same over HTTP+JSON', async () => {
      const id = await begin();
      const rest = (method: string, path: string, body?: object): Promise<Answer> =>
        send({
          port: bed.ports.gateway,
          path: `/a2a/callee/tasks/${encodeURIComponent(id)}/pushNotificationConfigs${path}`,
          method,
          headers: { 'a2a-version': '1.0' },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          svid: caller,
        });
      const own = { id: 'r', taskId: id, url: hook('/rest') };
      assert.deepEqual((await rest('POST', '', { id: 'r', url: hook('/rest') })).json, own);
      assert.deepEqual((await rest('GET', '/r')).json, own);
      assert.deepEqual((await rest('GET', '')).json, { configs: [own], nextPageToken: '' });
      assert.equal((await rest('POST', '', { taskId: 'another', id: 'r', url: hook('/rest') })).status, 400);
      assert.equal((await rest('DELETE', '')).status, 403);
      assert.deepEqual((await rest('DELETE', '/r')).json, {});
    });

    void test('a webhook that is no address, leads nowhere registered or would have its secrets read is refused', async () => {
      const id = await begin();
      for (const [url, more] of [
        ['ftp://hooks.example/'],
        ['https://user@hooks.example/'],
        [`https://hooks.example\\@evil.example:${port}/`],
        ['https://0x7f.1/'],
        ['https://hooks.example/#a'],
        ['https://hooks.example/%2e%2e/a'],
        [`https://hooks.example/${'a'.repeat(1_100)}`],
        [hook(), { token: 'a\r\nx: y' }],
        [hook(), { authentication: { scheme: 'Bearer a', credentials: 'b' } }],
        [hook(), { authentication: { scheme: 'Bearer' } }],
        [`http://hooks.example:${port}/`, { token: 'open' }],
      ] as const)
        assert.equal(errorOf(await create(id, { url, ...more })), BAD_PARAMS, url);
      const answers = [hook('/', 'vault.example'), 'https://evil.example/', 'https://127.0.0.1/', 'https://169.254.169.254/latest'];
      const texts = await Promise.all(answers.map(async (url) => (await create(id, { url })).text.replace(/dec_\w+/g, '')));
      assert.equal(new Set(texts).size, 1, 'what the caller may not know and what there is not are one answer');
      assert.match(texts[0] ?? '', new RegExp(String(NO_PUSH)));
      assert.match((await create(id, { url: hook('/forbidden') })).text, /CORDON-300[15]/, 'policy sees where to');
    });

    const message = (more: object = {}): object => ({ messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'work' }], ...more });
    const inline = (taskPushNotificationConfig: object, more: object = {}, svid: Svid = caller): Promise<Answer> =>
      about(svid, 'SendMessage', { message: message(more), configuration: { returnImmediately: true, taskPushNotificationConfig } });
    const asked = async (verdict: string): Promise<number> => {
      await signedAll(bed);
      const { decisions } = await readLog(bed);
      return decisions.filter((one) => one.action === 'a2a/CreateTaskPushNotificationConfig' && one.verdict === verdict).length;
    };

    void test('a webhook in a message hears of the task that the message begins, and is listed as any other', async () => {
      const from = said.length;
      const asksBefore = await asked('allow');
      const { task } = resultOf(await inline({ id: 'm', url: hook('/inline'), token: SECRET.token })) as { task: { id: string } };
      resultOf(await about(caller, 'CancelTask', { id: task.id }));
      const got = await until('the webhook hears', () =>
        heard.find(({ body }) => body['statusUpdate']?.['taskId'] === task.id && JSON.stringify(body).includes('CANCELED')),
      );
      assert.deepEqual([got.url, got.headers['x-a2a-notification-token']], ['/inline', SECRET.token]);
      assert.ok(heard.every(({ url, body }) => url !== '/inline' || JSON.stringify(body).includes(task.id)));
      const { configs } = resultOf(await about(caller, 'ListTaskPushNotificationConfigs', { taskId: task.id })) as { configs: object[] };
      assert.deepEqual(configs, [{ id: 'm', taskId: task.id, url: hook('/inline') }]);
      assert.equal(await asked('allow'), asksBefore + 1, 'it is a call of its own');
      assert.doesNotMatch(said.slice(from).join('\n'), /hooks\.example|told-to-nobody/, 'the agent never learns where to');

      const line = await until('a delivery is said', () => said.slice(from).find((text) => text.includes('/push/')));
      const address = /\/a2a\/callee\/push\/[\w-]+/.exec(line)?.[0] ?? '';
      for (const contextId of ['c', '', undefined])
        assert.equal((await deliver(address, { statusUpdate: { taskId: task.id.split('~')[0], contextId } })).status, 400);
      assert.ok(
        heard.every(({ body }) => body['statusUpdate'] === undefined || 'status' in body['statusUpdate']),
        'of another context it hears nothing',
      );
    });

    void test('a webhook in a message that goes on with a task is of that task', async () => {
      const task = await begin();
      resultOf(await inline({ id: 'g', url: hook('/goes-on'), taskId: task }, { taskId: task }));
      resultOf(await about(caller, 'CancelTask', { id: task }));
      await until('the webhook hears', () =>
        heard.find(({ url, body }) => url === '/goes-on' && body['statusUpdate']?.['taskId'] === task),
      );
      assert.equal(errorOf(await inline({ url: hook(), taskId: 'another' }, { taskId: await begin() })), BAD_PARAMS);
      assert.equal(errorOf(await inline({ url: hook(), taskId: task })), BAD_PARAMS, 'the message names no task');
    });

    void test('[I1] a message whose webhook is refused does not go', async () => {
      const tasks = async (): Promise<number> =>
        (resultOf(await about(caller, 'ListTasks', { pageSize: 100 })) as { tasks: object[] }).tasks.length;
      const [tasksBefore, denied] = [await tasks(), await asked('deny')];
      for (const url of [hook('/', 'vault.example'), 'https://evil.example/', 'https://127.0.0.1/'])
        assert.equal(errorOf(await inline({ url })), NO_PUSH, url);
      for (const config of [{}, { url: 'ftp://hooks.example/' }, { url: `http://hooks.example:${port}/`, token: 'open' }, 'text'])
        assert.equal(errorOf(await inline(config as object)), BAD_PARAMS, JSON.stringify(config));
      assert.match((await inline({ url: hook('/forbidden') })).text, /CORDON-300[15]/, 'policy sees where to');
      const streamed = { message: message(), configuration: { taskPushNotificationConfig: { url: hook('/forbidden') } } };
      assert.match((await about(caller, 'SendStreamingMessage', streamed)).text, /CORDON-300[15]/);
      assert.equal(await asked('deny'), denied + 2);
      const older = { message: message(), configuration: { pushNotificationConfig: { url: hook() } } };
      assert.equal(errorOf(await about(caller, 'SendMessage', older)), NO_PUSH, 'by its name before 1.0');
      assert.equal(await tasks(), tasksBefore);
    });

    void test('[I4] a webhook in a message counts as itself in the budget of a mandate', async () => {
      const entry = (action: string, more: object = {}): object => ({
        type: 'cordon_task',
        actions: [`a2a/${action}`],
        locations: ['agent:callee'],
        ...more,
      });
      const details = [entry('SendMessage'), entry('CreateTaskPushNotificationConfig', { budget: { calls: 1 } })];
      const authorization = `Bearer ${await ownTask(bed, caller, details)}`;
      const say = async (configuration: object = {}): Promise<string> => {
        const params = { message: message(), configuration: { returnImmediately: true, ...configuration } };
        const { text } = await askCallee(bed, caller, 'SendMessage', params, { authorization });
        return /CORDON-\d{4}/.exec(text)?.[0] ?? (text.includes('TASK_STATE_WORKING') ? 'begun' : text);
      };
      const hooked = { taskPushNotificationConfig: { url: hook() } };
      assert.equal(await say(), 'begun');
      assert.equal(await say(), 'begun');
      assert.equal(await say(hooked), 'begun', 'messages are not webhooks');
      assert.equal(await say(hooked), 'CORDON-3019');
      assert.equal(await say(), 'begun', 'nor webhooks messages');
    });

    void test('[I5] the address is of use to the agent it was given, about that task, and for nothing else', async () => {
      const { address, task, shown } = await stolen();
      // the agent may say twice how its task ended
      const others = (): number => heard.filter(({ body }) => !JSON.stringify(body).includes('CANCELED')).length;
      const [mine, heardBefore] = [update(task), others()];
      assert.equal((await deliver(address, mine)).status, 204);
      assert.equal(heard.at(-1)?.body['statusUpdate']?.['taskId'], shown);
      for (const [svid, at] of [
        [other, address],
        [caller, address],
        [callee, address.replace('/a2a/callee', '/a2a/caller')],
        [callee, `${address}A`],
        [callee, address.slice(0, -1)],
        [callee, address.replace(/.(?=.{10}$)/, (c) => (c === 'A' ? 'B' : 'A'))],
      ] as const)
        assert.equal((await deliver(at, mine, svid)).status, 404, at);
      for (const body of [
        update('another'),
        { ...update(task), task: { id: task } },
        { message: { messageId: 'm', parts: [] } },
        { task: { id: 'another' } },
        {},
        [],
        '{"task":{"id":1},"task":{}}',
        'text',
      ])
        assert.equal((await deliver(address, body)).status, 400, JSON.stringify(body));
      assert.equal((await deliver(address, mine, callee, { 'content-type': 'text/plain' })).status, 400);
      assert.equal((await deliver(address, { statusUpdate: { taskId: task, metadata: { a: 'a'.repeat(2_000_000) } } })).status, 400);
      assert.equal((await send({ port: bed.ports.gateway, path: address, method: 'GET', svid: callee })).status, 403);
      assert.equal(others(), heardBefore + 1, 'none of it reached the webhook');
    });

    void test('a redirect is not followed, what a webhook answers is not handed on, and what policy denies is not delivered', async () => {
      for (const [path, status] of [
        ['/moved', 502],
        ['/busy', 502],
        ['/denied', 403],
      ] as const) {
        const shown = await begin();
        resultOf(await create(shown, { url: hook(path) }));
        const heardBefore = heard.length;
        resultOf(await about(caller, 'CancelTask', { id: shown }));
        if (status === 502) await until('the webhook hears', () => heard.length > heardBefore || undefined);
      }
      assert.ok(!heard.some(({ url }) => url === '/elsewhere' || url === '/denied'));
      await until('a denial is on record', async () =>
        (await readLog(bed)).decisions.find(({ action, code }) => action === 'egress/push' && /CORDON-300[15]/.test(code ?? '')),
      );
    });

    void test('[I7] a name that leads inside is not connected to', async () => {
      const id = await begin();
      resultOf(await create(id, { url: hook('/', 'inside.example') }));
      resultOf(await about(caller, 'CancelTask', { id }));
      await until('it is on record', async () =>
        (await readLog(bed)).decisions.find(
          ({ action, resource }) => action === 'egress/push' && JSON.stringify(resource).includes('inside'),
        ),
      );
      assert.ok(!heard.some(({ body }) => JSON.stringify(body).includes(id)));
    });

    void test('[I6] while the caller is off, and when its run was revoked, nothing is delivered for it', async () => {
      const lost = await bed.svid('caller');
      const [{ address, task }, of] = [await stolen(), await stolen(hook(), lost)];
      assert.equal((await deliver(address, update(task))).status, 204);
      assert.equal((await deliver(of.address, update(of.task))).status, 204);
      await bed.control('POST', '/v1/revocations', { kind: 'run', id: lost.run, reason: 'test' });
      const dead = await until('the run is revoked', async () => {
        const answer = await deliver(of.address, update(of.task));
        return answer.status === 204 ? undefined : answer;
      });
      assert.match(dead.text, /CORDON-2007/);
      assert.equal((await deliver(address, update(task))).status, 204, 'another run of the same agent goes on');
      await bed.control('POST', '/v1/agents/caller/level', { level: 'off', reason: 'test' });
      const denied = await until('the caller is off', async () => {
        const answer = await deliver(address, update(task));
        return answer.status === 403 ? answer : undefined;
      });
      assert.match(denied.text, /CORDON-4004/);
    });
  });
}
