// A2A 1.0 over both bindings, with the client of the official SDK: one agent, one decision path, one form of error for each binding.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Role, TaskState, type Message, type SendMessageRequest, type StreamResponse, type Task } from '@a2a-js/sdk';
import { ClientFactory, DefaultAgentCardResolver, JsonRpcTransportFactory, RestTransportFactory, type Client } from '@a2a-js/sdk/client';
import { Agent, fetch, type RequestInit } from 'undici';
import { readJwk } from '../src/crypto/jwk.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../src/domain/json.ts';
import { canonicalCard, verifyCard } from '../src/identity/agent-card.ts';
import { openBed, send, type Answer, type Bed, type Svid } from './support/bed.ts';

/** What A2A has of webhooks (§3.1.7 to §3.1.10). */
const WEBHOOKS = [
  ['CreateTaskPushNotificationConfig', 'POST', '/pushNotificationConfigs'],
  ['GetTaskPushNotificationConfig', 'GET', '/pushNotificationConfigs/hook'],
  ['ListTaskPushNotificationConfigs', 'GET', '/pushNotificationConfigs'],
  ['DeleteTaskPushNotificationConfig', 'DELETE', '/pushNotificationConfigs/hook'],
] as const;

const BINDINGS = ['JSONRPC', 'HTTP+JSON'] as const;
type Binding = (typeof BINDINGS)[number];

let bed: Bed;
let caller: Svid & { readonly run: string };
let other: Svid;
const agents: Agent[] = [];

before(async () => {
  bed = await openBed({
    tools: false,
    policies: `@id("talks") permit (principal, action in [Action::"a2a/message", Action::"a2a/task"], resource == Agent::"callee")
unless { action == Action::"a2a/CancelTask" && principal == Agent::"other" };
@id("cards") permit (principal, action == Action::"a2a/GetAgentCard", resource);
@id("more") permit (principal == Agent::"caller", action == Action::"a2a/GetExtendedAgentCard", resource);
@id("secrets") @reason("no secrets") forbid (principal, action in Action::"a2a/message", resource)
when { context.input has text && context.input.text like "*secret*" };`,
    configure: (yaml) =>
      yaml
        .replace('other: { segment: vault,', 'other: { segment: desk,')
        .replace('agents:\n', 'agents:\n  stranger: { segment: vault, owner: test, purpose: x }\n'),
  });
  await bed.spawnWorkload('agent', 'callee', 'test/support/callee.ts', [String(bed.ports.callee)]);
  caller = await bed.svid('caller');
  other = await bed.svid('other');
});
after(async () => {
  await Promise.all(agents.map((agent) => agent.destroy()));
  await (bed as Bed | undefined)?.close();
});

function clientOf(svid: Svid, binding: Binding): Promise<Client> {
  const dispatcher = new Agent({ connect: { ...svid, checkServerIdentity: () => undefined } });
  agents.push(dispatcher);
  const fetchImpl = ((input: string, init: RequestInit) => fetch(input, { ...init, dispatcher })) as unknown as typeof globalThis.fetch;
  const transport = { JSONRPC: new JsonRpcTransportFactory({ fetchImpl }), 'HTTP+JSON': new RestTransportFactory({ fetchImpl }) }[binding];
  const factory = new ClientFactory({ transports: [transport], cardResolver: new DefaultAgentCardResolver({ fetchImpl }) });
  return factory.createFromUrl(`https://127.0.0.1:${bed.ports.gateway}/a2a/callee/`);
}

const said = (text: string, more: Partial<Message> = {}): SendMessageRequest => ({
  tenant: '',
  message: {
    messageId: 'm1',
    contextId: '',
    taskId: '',
    role: Role.ROLE_USER,
    parts: [{ content: { $case: 'text', value: text }, metadata: undefined, filename: '', mediaType: '' }],
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
    ...more,
  },
  configuration: {
    acceptedOutputModes: [],
    taskPushNotificationConfig: undefined,
    historyLength: undefined,
    returnImmediately: true,
  },
  metadata: undefined,
});

/** As it was received: the SDK drops members of a card that it decodes. */
async function extendedCard(svid: Svid, binding: Binding): Promise<JsonObject> {
  const { json } =
    binding === 'HTTP+JSON'
      ? await rest(svid, '/extendedAgentCard')
      : await rest(svid, '', { method: 'POST', body: '{"jsonrpc":"2.0","id":1,"method":"GetExtendedAgentCard","params":{}}' });
  return (json['result'] ?? json) as JsonObject;
}

const isEmpty = (json: Json): boolean => json === '' || (typeof json === 'object' && json !== null && Object.keys(json).length === 0);
function withoutEmpties(json: Json): Json {
  if (isJsonArray(json)) return json.map(withoutEmpties).filter((each) => !isEmpty(each));
  if (!isJsonObject(json)) return json;
  const members = Object.entries(json).map(([name, value]) => [name, withoutEmpties(value)] as const);
  return Object.fromEntries(members.filter(([, value]) => !isEmpty(value)));
}

const isTask = (answer: Message | Task): answer is Task => 'status' in answer;
const begin = async (client: Client, more: Partial<Message> = {}): Promise<Task> => {
  const answer = await client.sendMessage(said('work', more));
  assert.ok(isTask(answer));
  return answer;
};
const rest = (svid: Svid, path: string, more: Partial<Parameters<typeof send>[0]> = {}): Promise<Answer> =>
  send({ port: bed.ports.gateway, path: `/a2a/callee${path}`, method: 'GET', headers: { 'a2a-version': '1.0' }, svid, ...more });

for (const binding of BINDINGS) {
  void describe(`[A2A-1.0] ${binding}`, () => {
    let client: Client;
    before(async () => {
      client = await clientOf(caller, binding);
    });

    void test('a message is answered, whole and streamed', async () => {
      const answer = await client.sendMessage(said('hello'));
      assert.ok(!isTask(answer));
      assert.match(JSON.stringify(answer.parts), /heard: hello/);
      const events: StreamResponse[] = [];
      for await (const event of client.sendMessageStream(said('hello'))) events.push(event);
      assert.match(JSON.stringify(events), /heard: hello/);
    });

    void test('[I4] a task is begun, read, listed, followed and cancelled, under one id; for another it does not exist', async () => {
      const task = await begin(client, { contextId: 'trip' });
      assert.equal(task.contextId, 'trip');
      const read = await client.getTask({ tenant: '', id: task.id, historyLength: 1 });
      assert.deepEqual([read.id, read.contextId], [task.id, 'trip']);
      const listed = await client.listTasks({
        tenant: '',
        contextId: 'trip',
        status: TaskState.TASK_STATE_WORKING,
        pageSize: 10,
        pageToken: '',
        historyLength: undefined,
        statusTimestampAfter: undefined,
        includeArtifacts: false,
      });
      assert.ok(listed.tasks.some(({ id }) => id === task.id));
      const stranger = await clientOf(other, binding);
      await assert.rejects(stranger.getTask({ tenant: '', id: task.id, historyLength: 0 }), { name: /TaskNotFoundError$/ });
      const events: StreamResponse[] = [];
      const followed = (async () => {
        for await (const event of client.resubscribeTask({ tenant: '', id: task.id })) {
          events.push(event);
          if (events.length === 1) await client.cancelTask({ tenant: '', id: task.id, metadata: undefined });
        }
      })();
      await followed;
      assert.equal((await client.getTask({ tenant: '', id: task.id, historyLength: 0 })).status?.state, TaskState.TASK_STATE_CANCELED);
      assert.ok(events.length > 0);
    });

    void test('[I1] what policy forbids is forbidden, with one code on record', async () => {
      await assert.rejects(client.sendMessage(said('a secret')), /no secrets|403/);
      const { json } = await bed.control('GET', '/v1/decisions?limit=1');
      const [last] = (json as { items: { code: string; action: string }[] }).items;
      assert.deepEqual([last?.code, last?.action], ['CORDON-3002', 'a2a/SendMessage']);
      const stranger = await clientOf(other, binding);
      const task = await begin(stranger);
      await assert.rejects(stranger.cancelTask({ tenant: '', id: task.id, metadata: undefined }), /403|CORDON-3001|permit/);
    });

    void test('[A2A-1.0 §8.4] the extended card is for those whom policy lets have it, names the gateway and is signed by it', async () => {
      const more = await extendedCard(caller, binding);
      assert.equal(more['description'], 'has more to say to those it knows');
      assert.doesNotMatch(JSON.stringify(more), new RegExp(`:${bed.ports.callee}`));
      const published = (await send({ port: bed.ports.identity, path: '/oauth2/jwks', method: 'GET', svid: { ca: caller.ca } })).json;
      // Python's SDK signs and verifies a card without whatever is empty in it
      const { signatures: _ours, ...signed } = more;
      assert.equal(canonicalCard(signed), canonicalCard(withoutEmpties(signed) as JsonObject), 'the same to Python');
      assert.match(canonicalCard(signed), /"securityRequirements":\[\{"schemes":\{"mtls":\{"list":\["agent"\]/);
      verifyCard(more, new Map((published['keys'] as (JsonObject & { kid: string })[]).map((jwk) => [jwk.kid, readJwk(jwk)])));
      assert.match(JSON.stringify(await extendedCard(other, binding)), /CORDON-3001/);
    });

    void test('[I2] a webhook is refused with the error that A2A has for it', async () => {
      const { id: taskId } = await begin(client);
      const config = { taskId, id: 'hook', url: 'https://evil.example/hook' };
      for (const [verb, method, path] of WEBHOOKS) {
        const asked =
          binding === 'HTTP+JSON'
            ? { method, ...(method === 'POST' ? { body: JSON.stringify(config) } : {}) }
            : { method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: verb, params: config }) };
        const { status, text } = await rest(caller, binding === 'HTTP+JSON' ? `/tasks/${taskId}${path}` : '', asked);
        assert.equal(status, binding === 'HTTP+JSON' ? 400 : 200, verb);
        assert.match(text, /"reason":"PUSH_NOTIFICATION_NOT_SUPPORTED".*CORDON-3023/, verb);
      }
    });

    void test('what the agent refuses is the error that it says', async () => {
      const task = await begin(client);
      await client.cancelTask({ tenant: '', id: task.id, metadata: undefined });
      await assert.rejects(client.sendMessage(said('more', { taskId: task.id })), { name: /UnsupportedOperationError$/ });
    });
  });
}

void describe('[A2A-1.0] HTTP+JSON, byte by byte', () => {
  void test('the card names both bindings, and the gateway in each', async () => {
    const { json } = await rest(caller, '/.well-known/agent-card.json');
    const url = `https://127.0.0.1:${bed.ports.gateway}/a2a/callee`;
    assert.deepEqual(
      json['supportedInterfaces'],
      BINDINGS.map((protocolBinding) => ({ url, protocolBinding, protocolVersion: '1.0' })),
    );
  });

  void test('a denial is a `google.rpc.Status` with the code of Cordon', async () => {
    const body = JSON.stringify({ message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'a secret' }] } });
    const { status, headers, json } = await rest(caller, '/message:send', { method: 'POST', body });
    const { error } = json as { error: { code: number; status: string; message: string; details: { domain: string; metadata: object }[] } };
    assert.deepEqual([status, headers['content-type'], error.code, error.status], [403, 'application/a2a+json', 403, 'PERMISSION_DENIED']);
    assert.deepEqual([error.message, error.details[0]?.domain], ['no secrets', 'cordon']);
    assert.match(JSON.stringify(error.details[0]?.metadata), /"code":"CORDON-3002".*"decision_id"/);
  });

  void test('[I9] what is hidden, what is another’s and what was never there are the same bytes', async () => {
    const stranger = await bed.svid('stranger');
    const theirs = await begin(await clientOf(other, 'HTTP+JSON'));
    const answers = [
      await rest(caller, `/tasks/${theirs.id}`),
      await rest(caller, '/tasks/guessed'),
      await rest(stranger, '/tasks/guessed'),
      await rest(stranger, '/tasks'),
      await rest(caller, '/tasks/guessed', { path: '/a2a/nothere/tasks/guessed' }),
    ];
    assert.deepEqual(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1);
    assert.match(answers[0]?.text ?? '', /"reason":"TASK_NOT_FOUND"/);
  });

  void test('[I2] [I10] what two readers could read in two ways is refused', async () => {
    const { id } = await begin(await clientOf(caller, 'HTTP+JSON'));
    const body = JSON.stringify({ message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'hi' }] } });
    const CASES: readonly (readonly [why: string, path: string, more: Partial<Parameters<typeof send>[0]>, status: number])[] = [
      ['a body with a GET', `/tasks/${id}`, { body: '{}' }, 400],
      ['another task in the body', `/tasks/${id}:cancel`, { method: 'POST', body: '{"id":"other"}' }, 400],
      ['a parameter twice', `/tasks/${id}?historyLength=1&historyLength=2`, {}, 400],
      ['a count that is none', `/tasks/${id}?historyLength=01`, {}, 400],
      ['a flag that is none', '/tasks?includeArtifacts=yes', {}, 400],
      [
        'a type that is no JSON',
        '/message:send',
        { method: 'POST', body, headers: { 'a2a-version': '1.0', 'content-type': 'text/plain' } },
        400,
      ],
      ['a member twice', '/message:send', { method: 'POST', body: body.replace('"message"', '"message":{},"message"') }, 400],
      ['an encoded slash', '/tasks/a%2Fb', {}, 400],
      ['an encoded verb', `/tasks/${id}%3Acancel`, { method: 'POST' }, 403],
      ['another verb', `/tasks/${id}:purge`, {}, 404],
      ['another HTTP method', `/tasks/${id}`, { method: 'DELETE' }, 403],
      ['no version', `/tasks/${id}`, { headers: {} }, 400],
      [
        'a webhook in a message',
        '/message:send',
        { method: 'POST', body: body.replace('}}', '},"configuration":{"taskPushNotificationConfig":{"url":"https://evil.example"}}}') },
        400,
      ],
      ['a webhook of a task', `/tasks/${id}/pushNotificationConfigs`, { method: 'POST', body: '{"url":"https://evil.example"}' }, 400],
      ['the list of webhooks', `/tasks/${id}/pushNotificationConfigs`, {}, 400],
      ['the paths of 0.3', `/v1/tasks/${id}`, {}, 404],
      ['a tenant', `/acme/tasks/${id}`, {}, 404],
      ['a segment too many', `/tasks/${id}/x`, {}, 404],
      ['a slash too many', `/tasks/${id}/`, {}, 404],
      ['a batch', '/message:send', { method: 'POST', body: `[${body}]` }, 400],
      [
        'a part that is no text',
        '/message:send',
        { method: 'POST', body: body.replace('{"text":"hi"}', '{"url":"https://x.example"}') },
        400,
      ],
    ];
    for (const [why, path, more, status] of CASES) {
      const answer = await rest(caller, path, more);
      assert.equal(answer.status, status, `${why}: ${answer.text}`);
    }
    assert.equal((await rest(caller, `/tasks/${id}:cancel`, { method: 'POST', body: '{}' })).status, 200);
  });
});
