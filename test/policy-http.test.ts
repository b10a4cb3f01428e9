// Routes of HTTP APIs and hosts outside, as policy sees them: typed, guarded, mandated, analysed and linted like tools; and the target of a
// request, which has one reading.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { worldJson, worldOf } from '../src/control/world-view.ts';
import type { AccessRequest, Decision, ResourceType } from '../src/domain/access.ts';
import type { JsonObject } from '../src/domain/json.ts';
import { allows, parseMandate } from '../src/domain/mandate.ts';
import type { Refusal } from '../src/domain/refusal.ts';
import type { Tool, World } from '../src/domain/registry.ts';
import { readTarget, writePath, writeQuery } from '../src/gateway/http-target.ts';
import { closeAdmission } from '../src/policy/admission.ts';
import { blastOf } from '../src/policy/analysis/blast.ts';
import { Suggester } from '../src/policy/analysis/suggest.ts';
import { suggestionText } from '../src/policy/analysis/suggestion-text.ts';
import { targetsOf } from '../src/policy/analysis/targets.ts';
import { lint } from '../src/policy/lint/lint.ts';
import { desk, levels, policySet, request } from './support/policy-desk.ts';

after(closeAdmission);

const route = (name: string, method: string, path: string, properties: JsonObject, required: readonly string[] = []): Tool => {
  const inputSchema = { type: 'object', properties, required };
  return { name, inputSchema, definition: { name, inputSchema, route: { method, path } }, route: { method, path } };
};

const base = desk();
const WORLD: World = desk({
  resources: [
    ...base.resources,
    { name: 'billing', kind: 'http', segment: 'finance', reads: ['get'], tags: { owner: 'Acme' } },
    { name: 'far', kind: 'http', segment: 'outside', reads: [], tags: {} },
    { name: 'github', kind: 'egress', segment: 'inbox', reads: [], tags: { trusted: 'yes' } },
  ],
  tools: new Map([
    ...base.tools,
    [
      'billing',
      [
        route('get', 'GET', '/invoices/{id}', { id: { type: 'integer' } }, ['id']),
        route('pay', 'POST', '/invoices/{id}/payments', { id: { type: 'integer' }, amount: { type: 'integer' } }, ['id', 'amount']),
      ],
    ],
    ['far', [route('get', 'GET', '/', {})]],
  ]),
});

const POLICIES = `
@id("reads") permit (principal == Agent::"clerk", action in Action::"http/call", resource in Api::"billing") when { resource.method == "GET" && resource.path like "/invoices/*" };
@id("pays") permit (principal == Agent::"clerk", action == Action::"billing/pay", resource) when { context.input.amount <= 100 && resource.api.hasTag("owner") && resource.api.getTag("owner") == "Acme" };
@id("out") permit (principal == Agent::"clerk", action in Action::"egress", resource == Egress::"github") when { context.input.host like "*.github.com" && context.input.port == 443 };
@id("far") permit (principal == Agent::"clerk", action, resource in Api::"far");
`;

const asked = (type: ResourceType, action: string, id: string, input?: JsonObject): AccessRequest => ({
  ...request('clerk', action, id, input),
  resource: { type, id },
});
const set = await policySet(POLICIES, WORLD);
const decided = (of: AccessRequest, world = WORLD): string => {
  const { verdict, code, determining }: Decision = set.decide(of, world);
  return `${verdict} ${code ?? ''}${determining.join()}`.trim();
};
const OUT = { host: 'api.github.com', port: 443 };
const SENT = { ...OUT, scheme: 'https', method: 'GET', path: '/zen' };

describe('policies about routes and hosts outside', () => {
  for (const [what, of, expected] of [
    ['a route by method and path', asked('route', 'http/call', 'billing/get', { id: 7 }), 'allow reads'],
    ['a route by its arguments and a tag of its API', asked('route', 'http/call', 'billing/pay', { id: 7, amount: 100 }), 'allow pays'],
    ['other arguments', asked('route', 'http/call', 'billing/pay', { id: 7, amount: 101 }), 'deny CORDON-3005'],
    ['an argument of another type', asked('route', 'http/call', 'billing/pay', { id: 7, amount: '1' }), 'deny CORDON-3006'],
    ['a route that is none', asked('route', 'http/call', 'billing/nothing', {}), 'deny CORDON-3003'],
    ['a route called as a tool', asked('tool', 'tools/call', 'billing/get', { id: 7 }), 'deny CORDON-3003'],
    ['a tool called as a route', asked('route', 'http/call', 'mail/read', { id: 7 }), 'deny CORDON-3003'],
    ['a method of MCP on an API', asked('mcp_server', 'tools/list', 'billing'), 'deny CORDON-3003'],
    ['a method of MCP on hosts outside', asked('mcp_server', 'tools/list', 'github'), 'deny CORDON-3003'],
    ['a tunnel', asked('egress', 'egress/connect', 'github', OUT), 'allow out'],
    ['a tunnel to another port', asked('egress', 'egress/connect', 'github', { ...OUT, port: 22 }), 'deny CORDON-3005'],
    ['a tunnel to an MCP server', asked('egress', 'egress/connect', 'mail', OUT), 'deny CORDON-3003'],
    ['a request outside', asked('egress', 'egress/request', 'github', { ...SENT, query: 'a=1' }), 'allow out'],
    ['a request with what nobody declared', asked('egress', 'egress/request', 'github', { ...SENT, extra: 1 }), 'deny CORDON-3006'],
    ['no link, whatever a policy says', asked('route', 'http/call', 'far/get', {}), 'deny CORDON-3007cordon.segment'],
  ] as const) {
    test(`${what}: ${expected}`, () => assert.equal(decided(of), expected));
  }

  test('at level `restricted` reads of routes are left, and nothing leads outside', () => {
    const restricted = { ...WORLD, levels: levels({ clerk: 'restricted' }) };
    assert.equal(decided(asked('route', 'http/call', 'billing/get', { id: 7 }), restricted), 'allow reads');
    for (const of of [
      asked('route', 'http/call', 'billing/pay', { id: 7, amount: 1 }),
      asked('egress', 'egress/connect', 'github', OUT),
      asked('egress', 'egress/request', 'github', SENT),
    ])
      assert.match(decided(of, restricted), /^deny CORDON-4004/);
  });

  test('a policy that is wrong about a route is refused before it is enforced', async () => {
    for (const wrong of [
      'action == Action::"billing/pay", resource) when { context.input.amount == "1" }',
      'action == Action::"billing/get", resource) when { context.input.amount == 1 }',
      'action == Action::"billing/get", resource) when { resource.server == Server::"billing" }',
      'action == Action::"billing/nothing", resource)',
      'action == Action::"egress/connect", resource) when { context.input.path like "/a" }',
      'action == Action::"egress/request", resource) when { context.input.query like "a" }',
    ]) {
      const text = `@id("a") permit (principal, ${wrong};`;
      await assert.rejects(policySet(text, WORLD), ({ code }: Refusal) => code === 'CORDON-9006', wrong);
    }
  });

  test('a name that nothing has is found, by its kind', async () => {
    for (const [entity, meant] of [
      ['Api::"biling"', 'Api::"billing"'],
      ['Egress::"githup"', 'Egress::"github"'],
      ['Route::"billing/gett"', 'Route::"billing/get"'],
      ['Server::"billing"', undefined],
    ] as const) {
      const operator = entity.startsWith('Route') || entity.startsWith('Egress') ? '==' : 'in';
      const findings = await lint(
        [{ path: 'p', text: `@id("a")\npermit (principal == Agent::"clerk", action, resource ${operator} ${entity});` }],
        WORLD,
      );
      const found = findings.find(({ rule }) => rule === 'unknown-entity');
      assert.ok(found, entity);
      if (meant !== undefined) assert.ok(JSON.stringify(found).includes(JSON.stringify(meant).slice(1, -1)), JSON.stringify(found));
    }
    const broad = await lint([{ path: 'p', text: '@id("a")\npermit (principal, action in Action::"http/call", resource);' }], WORLD);
    assert.ok(broad.some(({ rule }) => rule === 'too-broad'));
  });

  test('a mandate names routes and hosts outside', () => {
    const mandate = parseMandate([
      { type: 'cordon_task', actions: ['http/call'], locations: ['route:billing/*'], arguments: { amount: { max: 5 } } },
      { type: 'cordon_task', actions: ['egress/connect'], locations: ['egress:github'] },
    ]);
    const may = (action: string, type: string, id: string, input: JsonObject): boolean =>
      allows(mandate, { action, resource: { type, id }, input }, 0);
    assert.deepEqual(
      [
        may('http/call', 'route', 'billing/pay', { amount: 5 }),
        may('http/call', 'route', 'billing/pay', { amount: 6 }),
        may('http/call', 'route', 'far/get', { amount: 1 }),
        may('tools/call', 'tool', 'billing/pay', { amount: 1 }),
        may('egress/connect', 'egress', 'github', OUT),
        may('egress/request', 'egress', 'github', SENT),
      ],
      [true, false, false, false, true, false],
    );
  });

  test('analyses know them: what can be asked, what an agent reaches, what it needs', async () => {
    const found = targetsOf(WORLD).filter(({ type }) => type === 'route' || type === 'egress');
    assert.deepEqual(
      found.map(({ action, id, reads }) => `${action} ${id} ${reads}`),
      [
        'http/call billing/get true',
        'http/call billing/pay false',
        'http/call far/get false',
        'egress/connect github false',
        'egress/request github false',
        'egress/push github false',
      ],
    );
    const { reaches } = await blastOf(set, WORLD, { kind: 'agent', name: 'clerk' }, 100);
    const reached = reaches.flatMap(({ reaches: things }) => things.map(({ resource }) => resource));
    assert.ok(
      ['billing/get', 'billing/pay', 'github'].every((name) => reached.includes(name)),
      reached.join(),
    );
    assert.ok(!reached.includes('far/get'));
    const suggester = new Suggester(set, WORLD, 'clerk');
    suggester.add({ request: asked('route', 'http/call', 'billing/pay', { id: 7, amount: 5 }), verdict: 'allow', at: 0 });
    suggester.add({ request: asked('egress', 'egress/connect', 'github', OUT), verdict: 'allow', at: 0 });
    const text = suggestionText(suggester.suggestion(), set, 0);
    assert.match(text, /action == Action::"billing\/pay",\n {2}resource == Route::"billing\/pay"/);
    assert.match(text, /action == Action::"egress\/connect",\n {2}resource == Egress::"github"/);
    await policySet(`${POLICIES}${text}`, WORLD);
  });

  test('a world that was written to a file is the same world', () => {
    const again = worldOf(worldJson(WORLD));
    assert.deepEqual(
      again.resources.map(({ name, kind }) => [name, kind]),
      WORLD.resources.map(({ name, kind }) => [name, kind]),
    );
    assert.deepEqual(
      again.tools.get('billing')?.map((tool) => tool.route),
      WORLD.tools.get('billing')?.map((tool) => tool.route),
    );
  });
});

describe('the target of a request', () => {
  const pieces = fc.constantFrom(
    '/',
    '//',
    '.',
    '..',
    '%2e',
    '%2f',
    '%5c',
    '%00',
    '%25',
    '%c0%af',
    ';',
    '?',
    '&',
    '=',
    '+',
    '%20',
    'a',
    'b',
    'é',
    '%c3%a9',
    '#',
    '\\',
    '%',
    '~',
    '@',
    ':',
  );
  const targets = fc.oneof(
    fc.array(pieces, { maxLength: 12 }).map((parts) => `/${parts.join('')}`),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.webPath(),
  );

  test('[I2] is refused, or read so that what is written of it is read as the same, and written as the same', () => {
    fc.assert(
      fc.property(targets, (text) => {
        let first;
        try {
          first = readTarget(text);
        } catch (error) {
          assert.equal((error as Refusal).code, 'CORDON-9011');
          return;
        }
        const query = writeQuery(first.query);
        const written = `${writePath(first.segments)}${query === '' ? '' : `?${query}`}`;
        assert.deepEqual(readTarget(written), first);
        assert.match(written, /^[\x21-\x7e]+$/);
        // what another reader of URLs sees is what was decided: no dot is resolved, no segment lost
        const other = new URL(written, 'http://api.example');
        assert.deepEqual(other.pathname.split('/').slice(1).map(decodeURIComponent), first.segments);
        assert.deepEqual(
          [...other.searchParams],
          first.query.map((pair) => [...pair]),
        );
      }),
      { numRuns: 20_000, seed: 20_261_123 },
    );
  });
});
