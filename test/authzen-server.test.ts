// AuthZEN over HTTPS at a running Cordon: who may ask, what is answered to whom, and what hostile bytes get.
import { deepEqual, equal, match, notEqual, ok } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { AUTHZEN_APIS, pathOf } from '../src/pdp/authzen/metadata.ts';
import { type AuthzenBed, KEY, openAuthzenBed, STORES } from './support/authzen-bed.ts';
import type { Answer } from './support/bed.ts';
import { startRun } from './support/join.ts';

const POLICIES = `
@id("talks")
permit (principal, action in [Action::"a2a/message", Action::"a2a/GetAgentCard"], resource == Agent::"callee");
`;

const CERTIFICATION = '/stores/certification';
const EVALUATION = `${CERTIFICATION}${pathOf('evaluation')}`;
const SEARCH = `${CERTIFICATION}${pathOf('search/subject')}`;
const READ = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, resource: { type: 'record', id: 'record-1' } };
const TALK = { subject: { type: 'agent', id: 'caller' }, action: { name: 'a2a/SendMessage' }, resource: { type: 'agent', id: 'callee' } };

const OTHER_KEY = 'the-key-of-another-pep-0123456789abcdef';

let opened: AuthzenBed | undefined;
const bed = (): AuthzenBed => {
  if (opened === undefined) throw new Error('there is no bed');
  return opened;
};

before(async () => {
  opened = await openAuthzenBed({
    policies: POLICIES,
    peps: `    proxy: { workload: agent/callee, stores: [todo], agents: [caller, other] }
    second: { key: sha256:${createHash('sha256').update(OTHER_KEY).digest('hex')}, stores: [certification] }`,
  });
});
after(() => opened?.close());

const isError = ({ status, text }: Answer, expected: number): void => {
  equal(status, expected, text);
  match(String(JSON.parse(text)), /^CORDON-\d{4}: /); // a string, and nothing of what was sent
};

describe('who may ask', () => {
  const CREDENTIALS: readonly (readonly [what: string, authorization: string | readonly string[]])[] = [
    ['none', ''],
    ['another key', 'Bearer another-key-of-a-pep-0123456789'],
    ['the digest instead of the key', `Bearer ${createHash('sha256').update(KEY).digest('hex')}`],
    ['another scheme', `Basic ${KEY}`],
    ['the key alone', KEY],
    ['the key and more', `Bearer ${KEY}x`],
    ['the key twice in one', `Bearer ${KEY}, Bearer ${KEY}`],
    ['two headers', [`Bearer ${KEY}`, `Bearer ${KEY}`]],
  ];
  for (const [what, authorization] of CREDENTIALS) {
    test(`${what}: 401, with what is wanted`, async () => {
      for (const path of [
        EVALUATION,
        '/stores/unknown/access/v1/evaluation',
        '/access/v1/evaluations',
        '/.well-known/authzen-configuration',
      ]) {
        const answer = await bed().ask(path, path.startsWith('/.') ? undefined : READ, { authorization } as Record<string, string>);
        isError(answer, 401);
        equal(answer.headers['www-authenticate'], 'Bearer realm="authzen"');
        ok(!answer.text.includes(KEY));
      }
    });
  }

  test('what a PEP may not ask is what does not exist', async () => {
    const proxy = bed().askWith(await bed().svid('callee'));
    const [forbidden, unknown] = [await proxy(EVALUATION, READ), await proxy(EVALUATION.replace('certification', 'unknown'), READ)];
    isError(forbidden, 404);
    equal(forbidden.text, unknown.text);
    isError(await proxy('/.well-known/authzen-configuration/stores/certification', undefined), 404);
    equal((await proxy(`/stores/todo${pathOf('evaluation')}`, READ)).status, 200);
  });

  test('[I7] an agent is refused unless it is registered, on every route, and that is on record', async () => {
    const caller = bed().askWith(await bed().svid('caller'));
    for (const store of ['', ...STORES.map((name) => `/stores/${name}`)]) {
      for (const api of AUTHZEN_APIS) isError(await caller(`${store}${pathOf(api)}`, READ), 403);
      isError(await caller(`/.well-known/authzen-configuration${store}`, undefined), 403);
    }
    const { json } = await bed().control('GET', '/v1/decisions?verdict=deny&limit=200');
    const refused = (json['items'] as { action: string; principal?: string }[]).filter(({ action }) =>
      action.includes('/access/v1/evaluation'),
    );
    ok(refused.some(({ principal }) => principal?.startsWith('spiffe://test.example/agent/caller/run/') === true));
  });

  test('[I6] an agent that is a PEP asks no more when it is off, or its run has ended', async () => {
    const run = await bed().svid('callee');
    const ask = bed().askWith(run);
    equal((await ask('/access/v1/evaluation', TALK)).status, 200);
    await bed().control('DELETE', `/v1/runs/${run.run}`);
    isError(await ask('/access/v1/evaluation', TALK), 403);
    const next = bed().askWith(await bed().svid('callee'));
    equal((await next('/access/v1/evaluation', TALK)).status, 200);
    await bed().control('POST', '/v1/agents/callee/level', { level: 'off', reason: 'test' });
    isError(await next('/access/v1/evaluation', TALK), 403);
    await bed().control('POST', '/v1/agents/callee/level', { level: 'normal', reason: 'test' });
    equal((await next('/access/v1/evaluation', TALK)).status, 200);
  });

  test('the listener that takes keys takes nothing else: no route of operators is there', async () => {
    for (const path of ['/v1/status', '/v1/policies', '/v1/decisions']) equal((await bed().ask(path, undefined)).status, 404);
    equal((await bed().ask('/v1/runs', { kind: 'agent', name: 'caller' })).status, 404);
  });
});

describe('Cordon’s own world', () => {
  const cordonOf = ({ json }: Answer): Record<string, unknown> => (json['context'] as { cordon: Record<string, unknown> }).cordon;

  test('[I3] a decision is on record before it is told, under the name of its PEP', async () => {
    const answer = await bed().ask('/access/v1/evaluation', TALK);
    equal(answer.json['decision'], true);
    const { decision_id: id, ...cordon } = cordonOf(answer);
    deepEqual(cordon, { verdict: 'allow', mode: 'enforce' });
    const { record } = (await bed().control('GET', `/v1/decisions/${String(id)}`)).json as { record: Record<string, unknown> };
    deepEqual(
      [record['pep'], record['principal'], record['action'], record['resource'], record['verdict']],
      [
        { id: 'pep/foreign', version: (record['pep'] as { version: string }).version },
        'spiffe://test.example/agent/caller',
        'a2a/SendMessage',
        'callee',
        'allow',
      ],
    );
  });

  test('a PEP speaks for the agents that are registered to it, and a denial says which gate', async () => {
    const answer = await bed().ask('/access/v1/evaluation', { ...TALK, subject: { type: 'agent', id: 'other' } });
    equal(answer.json['decision'], false);
    equal(cordonOf(answer)['code'], 'CORDON-1012');
    notEqual(cordonOf(answer)['decision_id'], undefined);
    const asOperator = await bed().askAsOperator('/access/v1/evaluation', { ...TALK, subject: { type: 'agent', id: 'other' } });
    equal(cordonOf(asOperator)['code'], 'CORDON-3007');
    const user = await bed().ask('/access/v1/evaluation', { ...TALK, subject: { type: 'user', id: 'caller' } });
    deepEqual([user.json['decision'], cordonOf(user)['code']], [false, 'CORDON-1014']);
  });

  test('a run that is none is no subject', async () => {
    const ask = async (run: unknown): Promise<Answer> =>
      bed().ask('/access/v1/evaluation', { ...TALK, subject: { ...TALK.subject, properties: { run } } });
    const { run } = await bed().svid('caller');
    equal((await ask(run)).json['decision'], true);
    equal(cordonOf(await ask('0'.repeat(26)))['code'], 'CORDON-4005');
    const started = await startRun(bed(), 'agent', 'other');
    equal(cordonOf(await ask(started.id))['code'], 'CORDON-4005');
    for (const none of ['../x', 1, '', 'a/b']) isError(await ask(none), 400);
  });

  test('search finds what the policies, levels and segments leave, for the agents of the PEP', async () => {
    const subjects = { subject: { type: 'agent' }, action: TALK.action, resource: TALK.resource };
    const found = async (ask: AuthzenBed['ask']): Promise<unknown> => (await ask('/access/v1/search/subject', subjects)).json['results'];
    deepEqual(await found(bed().ask), [{ type: 'agent', id: 'caller' }]);
    deepEqual(await found(bed().askAsOperator), [
      { type: 'agent', id: 'callee' },
      { type: 'agent', id: 'caller' },
    ]);
    const resources = await bed().ask('/access/v1/search/resource', { ...TALK, resource: { type: 'agent' } });
    deepEqual(resources.json['results'], [{ type: 'agent', id: 'callee' }]);
    const actions = await bed().ask('/access/v1/search/action', { subject: TALK.subject, resource: TALK.resource });
    const named = [
      'a2a/CancelTask',
      'a2a/DeleteTaskPushNotificationConfig',
      'a2a/GetAgentCard',
      'a2a/SendMessage',
      'a2a/SendStreamingMessage',
    ].map((name) => ({ name }));
    deepEqual(actions.json['results'], named);
    await bed().control('POST', '/v1/agents/caller/level', { level: 'restricted', reason: 'test' });
    const reads = await bed().ask('/access/v1/search/action', { subject: TALK.subject, resource: TALK.resource });
    deepEqual(reads.json['results'], [{ name: 'a2a/GetAgentCard' }]);
    await bed().control('POST', '/v1/agents/caller/level', { level: 'normal', reason: 'test' });
    for (const type of ['tool', 'mcp_server', 'spaceship']) {
      deepEqual((await bed().ask('/access/v1/search/resource', { ...TALK, resource: { type } })).json['results'], []);
    }
  });
});

describe('the binding', () => {
  const ID = 'bfe9eb29-ab87-4ca3-be83-a1d5d8305716';

  test('X-Request-ID comes back from every API, also with an error', async () => {
    for (const api of AUTHZEN_APIS) {
      const body = api === 'search/action' ? { subject: READ.subject, resource: READ.resource } : READ;
      equal((await bed().ask(`${CERTIFICATION}${pathOf(api)}`, body, { 'X-Request-ID': ID })).headers['x-request-id'], ID);
      equal(
        (await bed().ask(`${CERTIFICATION}${pathOf(api)}`, '{', { 'X-Request-ID': `a b"<>,${ID}` })).headers['x-request-id'],
        `a b"<>,${ID}`,
      );
    }
    equal((await bed().ask(EVALUATION, READ, { 'x-request-id': ID, authorization: 'Bearer x' })).headers['x-request-id'], ID);
    equal((await bed().ask(EVALUATION, READ)).headers['x-request-id'], undefined);
  });

  test('[I10] an X-Request-ID that is too long, comes twice or is no text is not echoed', async () => {
    for (const id of ['x'.repeat(257), ['a', 'b'], 'é', 'a\tb'] as const) {
      const answer = await bed().ask(EVALUATION, READ, { 'x-request-id': id } as Record<string, string>);
      isError(answer, 400);
      equal(answer.headers['x-request-id'], undefined);
    }
  });

  const BODIES: readonly (readonly [what: string, body: string])[] = [
    ['nothing', ''],
    ['a list', '[]'],
    [
      'a key twice',
      `{"subject":{"type":"user","id":"bob","id":"alice"},"action":{"name":"read"},"resource":{"type":"record","id":"record-1"}}`,
    ],
    ['half a surrogate pair', '{"subject":{"type":"user","id":"\\ud800"},"action":{"name":"read"},"resource":{"type":"record","id":"x"}}'],
    ['deep nesting', `{"context":${'['.repeat(5000)}${']'.repeat(5000)}}`],
    ['more than a mebibyte', JSON.stringify({ ...READ, x: 'x'.repeat(1_048_576) })],
    ['text behind it', `${JSON.stringify(READ)}{}`],
    ['a comment', `${JSON.stringify(READ)} // yes`],
    ['NaN', '{"context":{"a":NaN}}'],
  ];
  for (const [what, body] of BODIES) {
    test(`[I10] ${what}: 400, a message`, async () => {
      for (const api of AUTHZEN_APIS) isError(await bed().ask(`${CERTIFICATION}${pathOf(api)}`, body), 400);
    });
  }

  test('no other media type, no other method', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/json-patch+json',
      'application/jsonx',
      'text/json',
      '',
    ]) {
      isError(await bed().ask(EVALUATION, READ, { 'content-type': type }), 400);
    }
    for (const type of ['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset="utf-8"']) {
      equal((await bed().ask(EVALUATION, READ, { 'content-type': type })).status, 200);
    }
    equal((await bed().ask(EVALUATION, undefined)).status, 404);
  });

  test('a page token is good for its PEP and its PDP alone', async () => {
    const body = { ...READ, page: { limit: 1 } };
    const { page } = (await bed().ask(SEARCH, body)).json as { page: { next_token: string } };
    const next = { ...READ, page: { limit: 1, token: page.next_token } };
    deepEqual((await bed().ask(SEARCH, next)).json['page'], { next_token: '', count: 1 });
    isError(await bed().askAsOperator(SEARCH, next), 400);
    isError(await bed().ask(SEARCH, next, { authorization: `Bearer ${OTHER_KEY}` }), 400);
    equal((await bed().ask(SEARCH, READ, { authorization: `Bearer ${OTHER_KEY}` })).status, 200);
    isError(await bed().ask(SEARCH.replace('certification', 'search'), next), 400);
  });

  test('metadata name the base that was used, with the well-known segment before its path', async () => {
    for (const [ask, url] of [[bed().ask, bed().url] as const, [bed().askAsOperator, bed().controlUrl] as const]) {
      for (const base of ['', CERTIFICATION]) {
        const { status, json } = await ask(`/.well-known/authzen-configuration${base}`, undefined);
        equal(status, 200);
        equal(json['policy_decision_point'], `${url}${base}`);
        equal(json['search_action_endpoint'], `${url}${base}/access/v1/search/action`);
        deepEqual(json['supported_obligations'], []);
      }
    }
    equal((await bed().ask(`${CERTIFICATION}/.well-known/authzen-configuration`, undefined)).status, 404);
  });
});
