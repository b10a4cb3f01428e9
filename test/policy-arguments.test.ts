// The arguments of a call as policy sees them: exact or refused, nothing left out, and what that means for the policies one can write.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import fc from 'fast-check';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../src/domain/json.ts';
import { Refusal } from '../src/domain/refusal.ts';
import type { Tool, World } from '../src/domain/registry.ts';
import { type Arguments, argumentsOf } from '../src/policy/schema/arguments.ts';
import { catalogOf } from '../src/policy/schema/catalog.ts';
import type { EntityRecord } from '../src/policy/cedar/entity.ts';
import { recordToJson, valueToJson } from '../src/policy/cedar/json-write.ts';
import { Official, type OfficialEntity } from '../src/policy/cedar/official.ts';
import { toText } from '../src/policy/cedar/text.ts';
import { isRecord, uid } from '../src/policy/cedar/value.ts';
import { schemaText } from '../src/policy/schema/schema.ts';
import type { RecordShape } from '../src/policy/schema/shape.ts';
import { choices, chooser, sample, tools as toolDefinitions } from './support/input-schemas.ts';
import { call, desk, policySet, tool } from './support/policy-desk.ts';
import { readBack, sent } from './support/read-back.ts';
import { filesystemTools } from './support/tool-lists.ts';

const onWire = (text: string): Json => parseJson(new TextEncoder().encode(text), { maxBytes: 1_000_000, maxDepth: 64 });

const ALLOW_ALL = '@id("all") permit (principal, action, resource);';

const worldOf = (...tools: readonly Tool[]): World => desk({ tools: new Map([['ledger', tools]]) });
const object = (properties: JsonObject, over: JsonObject = {}): JsonObject => ({ type: 'object', properties, ...over });
const only = (property: Json, over: JsonObject = {}): World => worldOf(tool('t', object({ x: property }, over)));

/** The value of the argument `x` as policy sees it, `absent`, or the refusal. Tags stand behind the entity that has them. */
function valueIn(world: World, input: JsonObject): string {
  const shape = catalogOf(world).get('ledger/t')?.input;
  try {
    if (shape === undefined || shape instanceof Refusal) return 'untyped';
    const { value, entities } = argumentsOf(input, shape);
    assert.ok(isRecord(value));
    const x = value.get('x');
    return [x === undefined ? 'absent' : toText(x), ...entities.map(({ attrs, tags }) => `${toText(attrs)} ${toText(tags)}`)].join(' ');
  } catch (error) {
    return error instanceof Refusal ? error.code : String(error);
  }
}

test('a value is exact or refused', () => {
  const number = { type: 'number' };
  const string = { type: 'string' };
  const integers = { type: 'array', items: { type: 'integer' } };
  const pair = { type: 'array', prefixItems: [string, { type: 'integer' }], items: false };
  const headed = { type: 'array', prefixItems: [string], items: { type: 'integer' } };
  const either = { type: ['string', 'integer', 'null'] };
  const instant = { type: 'string', format: 'date-time' };
  const ipv4 = { type: 'string', format: 'ipv4' };
  const ipv6 = { type: 'string', format: 'ipv6' };
  const map = { type: 'object', additionalProperties: string };
  const table: readonly (readonly [Json, Json, string])[] = [
    [string, 'a', '"a"'],
    [string, '__proto__', '"__proto__"'],
    [string, '\ud800', 'CORDON-3006'],
    [string, 1, 'CORDON-3006'],
    [string, null, 'CORDON-3006'],
    [string, { __entity: { type: 'Agent', id: 'clerk' } }, 'CORDON-3006'],
    [{ enum: ['a'] }, 'b', 'CORDON-3006'],
    [{ enum: [1, 2] }, 2, '2'],
    [{ enum: [1, 2] }, 3, 'CORDON-3006'],
    [{ anyOf: [{ const: 'a' }, { const: 'b' }] }, 'b', '"b"'],
    [{ anyOf: [{ const: 'a' }, { const: 'b' }] }, 'c', 'CORDON-3006'],
    [{ enum: ['a', 1] }, 1, '{"integer": 1}'],
    [{ enum: ['a', 1] }, 'b', 'CORDON-3006'],
    [{ type: 'integer' }, 5, '5'],
    [{ type: 'integer' }, -0, '0'],
    [{ type: 'integer' }, 2 ** 53, 'CORDON-3006'],
    [{ type: 'integer' }, 2n ** 53n, '9007199254740992'],
    [{ type: 'integer' }, 2n ** 63n - 1n, '9223372036854775807'],
    [{ type: 'integer' }, 2n ** 63n, 'CORDON-3006'],
    [{ type: 'integer' }, 0.5, 'CORDON-3006'],
    [{ type: 'integer' }, NaN, 'CORDON-3006'],
    [number, 3, 'decimal("3.0000")'],
    [number, -0.1, 'decimal("-0.1000")'],
    [number, 0.0001, 'decimal("0.0001")'],
    [number, 0.00001, 'CORDON-3006'],
    [number, 0.123456, 'CORDON-3006'],
    [number, 0.1 + 0.2, 'CORDON-3006'],
    [number, 1e-7, 'CORDON-3006'],
    [number, 1e21, 'CORDON-3006'],
    [number, Infinity, 'CORDON-3006'],
    [number, 922337203685477.5, 'decimal("922337203685477.5000")'],
    [number, 922337203685478, 'CORDON-3006'],
    [number, 922337203685477n, 'decimal("922337203685477.0000")'],
    [number, '1', 'CORDON-3006'],
    [{ type: 'boolean' }, true, 'true'],
    [{ type: 'boolean' }, 'true', 'CORDON-3006'],
    [{ type: 'null' }, null, 'true'],
    [{ type: 'null' }, 0, 'CORDON-3006'],
    [{ type: 'string', format: 'date' }, '2024-02-29', 'datetime("2024-02-29T00:00:00.000Z")'],
    [{ type: 'string', format: 'date' }, '2023-02-29', 'CORDON-3006'],
    [{ type: 'string', format: 'date' }, '2024-02-29T00:00:00Z', 'CORDON-3006'],
    [instant, '2024-02-29T23:59:59Z', 'datetime("2024-02-29T23:59:59.000Z")'],
    [instant, '2024-02-29t23:59:59.1z', 'datetime("2024-02-29T23:59:59.100Z")'],
    [instant, '2024-02-29T23:59:59.123000+01:30', 'datetime("2024-02-29T22:29:59.123Z")'],
    [instant, '2024-02-29T23:59:59.1234Z', 'CORDON-3006'],
    [instant, '2024-02-29T23:59:59', 'CORDON-3006'],
    [instant, '2024-02-29T23:59:60Z', 'CORDON-3006'],
    [instant, '2024-02-29', 'CORDON-3006'],
    [ipv4, '10.0.0.1', 'ip("10.0.0.1")'],
    [ipv4, '010.0.0.1', 'CORDON-3006'],
    [ipv4, '10.0.0.0/8', 'CORDON-3006'],
    [ipv4, '::1', 'CORDON-3006'],
    [ipv4, '2130706433', 'CORDON-3006'],
    [ipv6, '2001:db8::1', 'ip("2001:db8::1")'],
    [ipv6, '::1', 'ip("::1")'],
    [ipv6, '::ffff:a00:1', 'CORDON-3006'],
    [ipv6, '::ffff:10.0.0.1', 'CORDON-3006'],
    [ipv6, '::a00:1', 'CORDON-3006'],
    [ipv6, '10.0.0.1', 'CORDON-3006'],
    [{ type: 'string', format: 'decimal' }, '100', 'decimal("100.0000")'],
    [{ type: 'string', format: 'decimal' }, '0.12345', 'CORDON-3006'],
    [{ type: 'string', format: 'decimal' }, '1e2', 'CORDON-3006'],
    [either, 'a', '{"string": "a"}'],
    [either, 5, '{"integer": 5}'],
    [either, null, '{"null": true}'],
    [either, true, 'CORDON-3006'],
    [either, 0.5, 'CORDON-3006'],
    [{ type: ['string', 'null'], default: null }, null, 'absent'],
    [{ type: ['string', 'null'], default: null }, 'a', '"a"'],
    [integers, [2, 1, 2], '[2, 1]'],
    [integers, [1, 'x'], 'CORDON-3006'],
    [integers, { length: 1 }, 'CORDON-3006'],
    [pair, ['a', 1], '{"item0": "a", "item1": 1}'],
    [pair, ['a'], 'CORDON-3006'],
    [pair, ['a', 1, 2], 'CORDON-3006'],
    [pair, [1, 'a'], 'CORDON-3006'],
    [pair, { 0: 'a', 1: 1 }, 'CORDON-3006'],
    [headed, ['a', 1, 2], '{"item0": "a", "rest": [1, 2]}'],
    [headed, [], '{"rest": []}'],
    [headed, ['a', 'b'], 'CORDON-3006'],
    [object({ y: string }, { required: ['y'] }), { y: 'a' }, '{"y": "a"}'],
    [object({ y: string }, { required: ['y'] }), {}, 'CORDON-3006'],
    [object({ y: string }, { required: ['y'] }), [], 'CORDON-3006'],
    [object({ y: string }), { z: 1 }, 'CORDON-3006'],
    [object({ toString: string }, { required: ['toString'] }), {}, 'CORDON-3006'],
    [map, { b: '1', a: '2' }, 'Input_ledger_x2f_t_1::"{\\"a\\":\\"2\\",\\"b\\":\\"1\\"}" {} {"b": "1", "a": "2"}'],
    [map, { ['__proto__']: '1' }, 'Input_ledger_x2f_t_1::"{\\"__proto__\\":\\"1\\"}" {} {"__proto__": "1"}'],
    [
      { type: 'array', items: map },
      [
        { b: '1', a: '2' },
        { a: '2', b: '1' },
      ],
      '[Input_ledger_x2f_t_1::"{\\"a\\":\\"2\\",\\"b\\":\\"1\\"}"] {} {"a": "2", "b": "1"}',
    ],
    [map, { a: 1 }, 'CORDON-3006'],
    [map, { '\ud800': 'a' }, 'CORDON-3006'],
    [map, [], 'CORDON-3006'],
    [
      object({ y: { type: 'integer' } }, { additionalProperties: string }),
      { y: 1, z: 'a' },
      'Input_ledger_x2f_t_1::"{\\"y\\":1,\\"z\\":\\"a\\"}" {"y": 1} {"y": {"integer": 1}, "z": {"string": "a"}}',
    ],
    [object({ y: { type: 'integer' } }, { additionalProperties: string }), { z: 1 }, 'CORDON-3006'],
    [{}, { b: [1, 2n ** 70n], a: null }, 'Untyped::"{\\"a\\":null,\\"b\\":[1,1180591620717411303424]}"'],
    [{}, null, 'Untyped::"null"'],
  ];
  for (const [property, value, expected] of table)
    assert.equal(valueIn(only(property), { x: value }), expected, `${inspect(property)} ${inspect(value)}`);
  assert.equal(valueIn(only(string), {}), 'absent');
  assert.equal(valueIn(only({}, { required: ['x'] }), {}), 'CORDON-3006');
  assert.equal(valueIn(only({ type: ['string', 'null'], default: null }, { required: ['x'] }), { x: null }), '{"null": true}');
});

test('a refusal names the argument, never its value, and nothing that a terminal obeys', async () => {
  const world = only(object({ 'y\u001b[31m': { type: 'integer' } }), { additionalProperties: false });
  const set = await policySet(ALLOW_ALL, world);
  const reason = (input: JsonObject): string => set.decide(call('clerk', 'ledger/t', input), world).reason ?? '';
  assert.equal(
    reason({ x: { 'y\u001b[31m': 'sesame' } }),
    'argument `x.y\ufffd[31m` does not fit the input schema, observed string, expected a whole number of 64 bits',
  );
  assert.equal(reason({ 'z\u202e': 1 }), 'argument `z\ufffd` is not declared, expected x');
  assert.ok(reason({ ['z'.repeat(9999)]: 1 }).length < 200);
});

test('what is not typed cannot fool a policy by being there, or equal', async () => {
  const world = worldOf(tool('t', object({ options: { not: { type: 'file' } }, other: {} })));
  const set = await policySet(
    `@id("none") permit (principal == Agent::"clerk", action == Action::"ledger/t", resource) unless { context.input has options };
     @id("same") permit (principal == Agent::"auditor", action == Action::"ledger/t", resource)
     when { context.input has options && context.input has other && context.input.options == context.input.other };`,
    world,
  );
  const verdict = (agent: string, input: JsonObject): string => set.decide(call(agent, 'ledger/t', input), world).verdict;
  assert.equal(verdict('clerk', {}), 'allow');
  for (const options of ['', {}, [], null, false, 0, '{}']) assert.equal(verdict('clerk', { options }), 'deny', JSON.stringify(options));
  assert.equal(verdict('auditor', { options: { a: 1, b: 2 }, other: { b: 2, a: 1 } }), 'allow');
  assert.equal(verdict('auditor', { options: '1', other: 1 }), 'deny');
  assert.equal(verdict('auditor', { options: 2n ** 60n, other: 2n ** 60n + 1n }), 'deny');
  // looking inside is refused when the policy is written
  for (const expression of [
    'context.input.options.a == 1',
    'context.input.options == "x"',
    'context.input.options in Segment::"finance"',
  ]) {
    await assert.rejects(
      policySet(
        `@id("a") forbid (principal, action == Action::"ledger/t", resource) when { context.input has options && ${expression} };`,
        world,
      ),
      { code: 'CORDON-9006' },
      expression,
    );
  }
  let deep: Json = 0;
  for (let depth = 0; depth < 50_000; depth++) deep = [deep];
  assert.equal(set.decide(call('clerk', 'ledger/t', { options: deep }), world).verdict, 'deny');
});

test('a union, a map and a tuple are policy that an author can write, and that sees what is there', async () => {
  const string = { type: 'string' };
  const world = worldOf(
    tool(
      't',
      object({
        to: { anyOf: [string, { type: 'array', items: string }] },
        cc: { type: ['string', 'null'] },
        memo: { type: ['string', 'null'], default: null },
        headers: { type: 'object', additionalProperties: string },
        target: {
          oneOf: [
            object({ kind: { const: 'mail' }, address: string }, { required: ['kind'] }),
            object({ kind: { const: 'file' }, path: string }, { required: ['kind'] }),
          ],
        },
        range: { type: 'array', prefixItems: [{ type: 'integer' }, { type: 'integer' }], items: false },
        at: { type: 'string', format: 'date-time' },
        host: { type: 'string', format: 'ipv4' },
      }),
    ),
    tool('open', object({ o: object({ path: string }, { additionalProperties: true }) }, { required: ['o'] })),
  );
  const holds = async (condition: string, input: JsonObject, name = 't'): Promise<boolean> => {
    const set = await policySet(`@id("a") permit (principal, action == Action::"ledger/${name}", resource) when { ${condition} };`, world);
    const { verdict, errors } = set.decide(call('clerk', `ledger/${name}`, input), world);
    assert.deepEqual(errors, []);
    return verdict === 'allow';
  };
  const table: readonly (readonly [string, JsonObject, JsonObject])[] = [
    ['context.input has to.string && context.input.to.string like "*@example.com"', { to: 'a@example.com' }, { to: ['a@example.com'] }],
    ['context.input has to.array && context.input.to.array.contains("a")', { to: ['b', 'a'] }, { to: 'a' }],
    ['context.input has cc', { cc: null }, {}],
    ['context.input has cc && !(context.input.cc has null)', { cc: 'x' }, { cc: null }],
    ['context.input has memo', { memo: '' }, { memo: null }],
    ['context.input has headers && context.input.headers.hasTag("x")', { headers: { x: '' } }, { headers: { X: '' } }],
    [
      'context.input has headers && context.input.headers.hasTag("x") && context.input.headers.getTag("x") like "y*"',
      { headers: { x: 'yes', z: 'no' } },
      { headers: { x: 'no', z: 'yes' } },
    ],
    ['context.input has headers && context.input.headers.hasTag("__proto__")', { headers: { ['__proto__']: '1' } }, { headers: {} }],
    [
      'context.input has target && context.input.target.kind == "mail" && context.input.target has address',
      { target: { kind: 'mail', address: 'a' } },
      { target: { kind: 'file', path: 'a' } },
    ],
    ['context.input has range && context.input.range.item1 - context.input.range.item0 < 10', { range: [1, 5] }, { range: [1, 50] }],
    [
      'context.input has at && context.input.at < datetime("2026-01-01")',
      { at: '2025-12-31T23:59:59Z' },
      { at: '2025-12-31T23:59:59-01:00' },
    ],
    ['context.input has host && context.input.host.isInRange(ip("10.0.0.0/8"))', { host: '10.1.2.3' }, { host: '11.1.2.3' }],
  ];
  for (const [condition, yes, no] of table) {
    assert.equal(await holds(condition, yes), true, condition);
    assert.equal(await holds(condition, no), false, condition);
  }
  // of an open record every property is a tag, also one that the schema lists: a policy need not know which
  for (const name of ['path', 'mode', '__proto__', '']) {
    assert.equal(await holds(`context.input.o.hasTag("${name}")`, { o: { [name]: 'a' } }, 'open'), true, name);
    assert.equal(await holds(`context.input.o.hasTag("${name}")`, { o: { other: 'a' } }, 'open'), false, name);
  }
  assert.equal(await holds('context.input.o has path && context.input.o.path == "/"', { o: { path: '/', mode: 7 } }, 'open'), true);
});

test('[Cedar] a policy that asks for what it could not see is refused, whatever it hides behind', async () => {
  const open = object({ path: { type: 'string' }, deep: {} }, { additionalProperties: { type: 'object' } });
  const either = { anyOf: [open, { type: 'string' }] };
  const all = {
    o: open,
    m: { type: 'object', additionalProperties: open },
    u: either,
    a: {},
    b: { type: 'boolean' },
    t: { type: 'array', prefixItems: [open], items: false },
  };
  const world = worldOf(
    tool('t', object(all, { required: Object.keys(all) })),
    tool('shut', object({ o: object({}), b: { type: 'boolean' } }, { required: ['o', 'b'] })),
  );
  const refused: readonly (readonly [string, RegExp])[] = [
    ['context.input.o has mode', /`has` does not see `mode`.*`ledger\/t`.*ask `hasTag\("mode"\)`/],
    ['context.input has o.mode', /does not see `mode`/],
    ['!(context has input.o.mode)', /does not see `mode`/],
    ['context.input.u has object.mode', /does not see `mode`/],
    ['context.input.t.item0 has mode', /does not see `mode`/],
    ['context.input.m.hasTag("x") && context.input.m.getTag("x") has mode', /does not see `mode`/],
    ['(if context.input.b then context.input.o else context.input.o) has mode', /does not see `mode`/],
    ['{ x: context.input.o }.x has mode', /does not see `mode`/],
    ['resource.server.hasTag(if context.input.o has mode then "a" else "b")', /does not see `mode`/],
    ['context.input.a has mode', /shows nothing of what is in it/],
    ['context.input.a.hasTag("mode")', /shows nothing/],
    ['context.input has a.mode', /shows nothing/],
    ['context.input.o has deep.mode', /shows nothing/],
    ['context.input.o.hasTag("x") && context.input.o.getTag("x") has mode', /shows nothing/],
  ];
  const policy = (effect: string, action: string, condition: string): string =>
    `@id("a") ${effect} (principal, ${action}, resource) when { context.input.b || ${condition} };`;
  for (const [condition, reason] of refused) {
    for (const effect of ['permit', 'forbid'])
      await assert.rejects(
        policySet(policy(effect, 'action == Action::"ledger/t"', condition), world),
        { code: 'CORDON-9006', message: reason },
        condition,
      );
  }
  for (const action of ['action', 'action in Action::"tools/call"', 'action in [Action::"ledger/shut", Action::"ledger/t"]']) {
    const guarded = policy('forbid', action, 'context has input.o && context.input.o has mode').replace('context.input.b ||', '');
    await assert.rejects(policySet(guarded, world), { code: 'CORDON-9006', message: /does not see `mode`/ }, action);
  }
  for (const condition of [
    'context.input has a',
    'context.input.o has path',
    'context.input.o.hasTag("mode")',
    'context.input has nothing',
    'context.input.u has string',
    'context.input.a == context.input.o.deep',
  ]) {
    await policySet(
      policy('permit', 'action == Action::"ledger/t"', condition.endsWith('deep') ? `context.input.o has deep && ${condition}` : condition),
      world,
    );
  }
  // of a record nothing is hidden: what its schema does not list is refused
  await policySet(policy('permit', 'action == Action::"ledger/shut"', 'context.input.o has mode'), world);
});

test('the examples for policy authors are admitted, and do what they say', async () => {
  const page = readFileSync(join(import.meta.dirname, '../docs/policy-schema.md'), 'utf8');
  const blocks = (language: string): string[] =>
    [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);
  const tools = blocks('json').map((text) => {
    const json = onWire(text);
    return isJsonObject(json) && typeof json['name'] === 'string' && isJsonObject(json['inputSchema'])
      ? tool(json['name'], json['inputSchema'])
      : assert.fail(text);
  });
  const server = { name: 'desk', segment: 'finance', reads: [], tags: {} };
  const world = desk({ resources: [server], tools: new Map([['desk', tools]]) });
  const set = await policySet(blocks('cedar').join('\n'), world);
  const determining = (input: JsonObject): readonly string[] => set.decide(call('clerk', 'desk/send', input), world).determining;
  const fine = { to: 'a@ours.example', relay: '10.0.0.1', window: [0, 60] };
  const table: readonly (readonly [JsonObject, string])[] = [
    [fine, 'to-one-of-ours'],
    [{ ...fine, to: ['a@ours.example'] }, 'to-all-of-ours'],
    [{ ...fine, amount: 100.0001 }, 'small-amounts'],
    [{ ...fine, 'not-before': '2025-12-31T00:00:00Z' }, 'not-too-early'],
    [{ ...fine, relay: '11.0.0.1' }, 'inside-only'],
    [{ ...fine, via: { kind: 'mail', address: 'x@evil.example' } }, 'mail-to-ours'],
    [{ ...fine, via: { kind: 'fax', number: '1' } }, 'to-one-of-ours'],
    [{ ...fine, cc: 'x@evil.example' }, 'no-copies'],
    [{ ...fine, cc: null }, 'to-one-of-ours'],
    [{ ...fine, memo: 'urgent' }, 'no-memo'],
    [{ ...fine, memo: null }, 'to-one-of-ours'],
    [{ ...fine, headers: { Precedence: 'bulk' } }, 'no-bulk'],
    [{ ...fine, window: [0, 4000] }, 'short-window'],
    [{ ...fine, extra: { any: 1 } }, 'nothing-else'],
  ];
  for (const [input, policy] of table) assert.deepEqual(determining(input), [policy], inspect(input));
});

test('[MCP-2025-11-25] every tool of the real filesystem server is typed', async () => {
  const tools = await filesystemTools();
  assert.ok(tools.length >= 14, String(tools.length));
  const reads = ['read_text_file', 'list_directory'];
  const world = desk({ resources: [{ name: 'files', segment: 'finance', reads, tags: {} }], tools: new Map([['files', tools]]) });
  const set = await policySet(
    `@id("reads") permit (principal == Agent::"clerk", action in Action::"read", resource in Server::"files");
     @id("notes") permit (principal == Agent::"clerk", action == Action::"files/write_file", resource) when { context.input.path like "/notes/*" };
     @id("head") forbid (principal, action == Action::"files/read_text_file", resource)
     when { context.input has head && context.input.head.greaterThan(decimal("1000.0")) };
     @id("edits") permit (principal == Agent::"clerk", action == Action::"files/edit_file", resource)
     when { context.input has dryRun && context.input.dryRun && context.input.edits.contains({ oldText: "a", newText: "b" }) };`,
    world,
  );
  const all = await policySet(ALLOW_ALL, world);
  assert.deepEqual(
    all.visibleTools('clerk', 'files', world),
    tools.map(({ name }) => name),
  );
  assert.deepEqual(set.visibleTools('clerk', 'files', world), ['read_text_file', 'write_file', 'edit_file', 'list_directory']);
  const code = (name: string, input: JsonObject): string => {
    const decision = set.decide(call('clerk', `files/${name}`, input), world);
    return decision.code ?? decision.verdict;
  };
  assert.equal(code('write_file', { path: '/notes/a', content: 'x' }), 'allow');
  assert.equal(code('write_file', { path: '/etc/a', content: 'x' }), 'CORDON-3005');
  assert.equal(code('write_file', { path: '/notes/a' }), 'CORDON-3006');
  assert.equal(code('move_file', { source: 'a', destination: 'b' }), 'CORDON-3001');
  assert.equal(code('read_text_file', { path: 'a', head: 1000 }), 'allow');
  assert.equal(code('read_text_file', { path: 'a', head: 1000.5 }), 'CORDON-3002');
  assert.equal(code('read_text_file', { path: 'a', head: 0.123456 }), 'CORDON-3006');
  assert.equal(code('edit_file', { path: 'a', dryRun: true, edits: [{ oldText: 'a', newText: 'b' }] }), 'allow');
});

test('[Cedar] whatever a server declares and an agent sends: nothing is left out, and the official engine takes it', () => {
  const engine = new Official();
  let accepted = 0;
  fc.assert(
    fc.property(toolDefinitions('any'), choices, ({ name, inputSchema }, numbers) => {
      const world = worldOf(tool(name, inputSchema));
      const id = `ledger/${name}`;
      const shape = catalogOf(world).get(id)?.input ?? assert.fail();
      engine.prepare('all', { static: new Map([['all', ALLOW_ALL]]) }, JSON.parse(schemaText(catalogOf(world))) as SchemaJson<string>);
      const input = sample(inputSchema, inputSchema, chooser(numbers));
      if (shape instanceof Refusal || !isJsonObject(input)) return;
      const read = argumentsOrRefusal(input, shape);
      if (read instanceof Refusal) return;
      accepted++;
      assert.deepEqual(readBack(read, shape), sent(input, shape));
      // with the schema, the engine holds the request and every entity to their types
      const request = { principal: uid('Agent', 'clerk'), action: uid('Action', id), resource: uid('Tool', id) };
      const answer = engine.authorize(
        'all',
        { ...request, context: { input: valueToJson(read.value), labels: [], risk: 0, causes: [] } },
        read.entities.map(entityToOfficial),
      );
      assert.deepEqual(answer, { allowed: true, reasons: ['all'], errors: [] });
    }),
    { numRuns: 400, seed: 20_261_122 },
  );
  assert.ok(accepted > 100, String(accepted));
});

const entityToOfficial = ({ uid: one, attrs, tags }: EntityRecord): OfficialEntity => ({
  uid: one,
  attrs: recordToJson(attrs),
  tags: recordToJson(tags),
  parents: [],
});

function argumentsOrRefusal(input: JsonObject, shape: RecordShape): Arguments | Refusal {
  try {
    return argumentsOf(input, shape);
  } catch (error) {
    if (error instanceof Refusal && error.code === 'CORDON-3006') return error;
    throw error;
  }
}
