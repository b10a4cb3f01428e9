// From the input schema of an MCP tool to typed arguments: what is typed, what is refused, what a hostile server or agent would try.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { inspect } from 'node:util';
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import fc from 'fast-check';
import type { Json, JsonObject } from '../src/domain/json.ts';
import { isJsonObject, parseJson } from '../src/domain/json.ts';
import { Refusal } from '../src/domain/refusal.ts';
import type { Tool, World } from '../src/domain/registry.ts';
import { argumentsOf } from '../src/policy/arguments.ts';
import { catalogOf } from '../src/policy/catalog.ts';
import { schemaOf } from '../src/policy/schema.ts';
import { recordToEngine, toText } from '../src/policy/value.ts';
import { call, desk, policySet, tool } from './support/policy-desk.ts';

const onWire = (text: string): Json => parseJson(new TextEncoder().encode(text), { maxBytes: 1_000_000, maxDepth: 64 });

const ALLOW_ALL = '@id("all") permit (principal, action, resource);';

const worldOf = (...tools: readonly Tool[]): World => desk({ tools: new Map([['ledger', tools]]) });
const object = (properties: JsonObject, over: JsonObject = {}): JsonObject => ({ type: 'object', properties, ...over });
const keyword = (name: string, schema: JsonObject): JsonObject => ({ [name]: schema });
const only = (property: Json, over: JsonObject = {}): World => worldOf(tool('t', object({ x: property }, over)));

/** The Cedar type of the argument `x`, in the engine's JSON, or why the tool is refused. */
function typeOf(world: World): unknown {
  const entry = catalogOf(world).get('ledger/t');
  if (entry?.input instanceof Refusal) return entry.input.message;
  const context = schemaOf(catalogOf(world))['']?.actions['ledger/t']?.appliesTo?.context;
  const text = JSON.stringify(context);
  const input = /^\{"type":"Record","attributes":\{"input":\{"type":"Record","attributes":(.*)\}\}\}$/.exec(text)?.[1] ?? '{}';
  return JSON.parse(input);
}

/** The value of the argument `x` as policy sees it, `absent`, or the refusal. */
function valueIn(world: World, input: JsonObject): string {
  const shape = catalogOf(world).get('ledger/t')?.input;
  try {
    if (shape === undefined || shape instanceof Refusal) return 'untyped';
    const value = argumentsOf(input, shape).get('x');
    return value === undefined ? 'absent' : toText(value);
  } catch (error) {
    return error instanceof Refusal ? error.code : String(error);
  }
}

const STRING = { type: 'String', required: false };
const UNTYPED = { type: 'Entity', name: 'Untyped', required: false };

test('[Cedar] an input schema becomes a typed record', () => {
  const string = { type: 'string' };
  const table: readonly (readonly [string, Json, unknown])[] = [
    ['string', string, STRING],
    ['integer', { type: 'integer' }, { type: 'Long', required: false }],
    ['number', { type: 'number' }, { type: 'Extension', name: 'decimal', required: false }],
    ['whole number', { type: 'number', multipleOf: 1 }, { type: 'Long', required: false }],
    ['boolean', { type: 'boolean' }, { type: 'Boolean', required: false }],
    ['enumeration', { enum: ['a', 'b'] }, STRING],
    ['constant', { const: 'a' }, STRING],
    ['enumeration of integers', { enum: [1, 2] }, { type: 'Long', required: false }],
    ['enumeration of both', { enum: ['a', 1] }, UNTYPED],
    ['enumeration of literals', { anyOf: [{ const: 'a' }, { const: 'b' }] }, STRING],
    [
      'two forms of string',
      {
        oneOf: [
          { type: 'string', format: 'date' },
          { type: 'string', maxLength: 3 },
        ],
      },
      STRING,
    ],
    ['nullable by type', { type: ['string', 'null'] }, STRING],
    ['nullable by anyOf', { anyOf: [string, { type: 'null' }] }, STRING],
    ['nullable by OpenAPI', { type: 'string', nullable: true }, STRING],
    ['nullable enumeration', { enum: ['a', null] }, STRING],
    ['array', { type: 'array', items: string }, { type: 'Set', element: { type: 'String' }, required: false }],
    [
      'array of arrays',
      { type: 'array', items: { type: 'array', items: { type: 'integer' } } },
      { type: 'Set', element: { type: 'Set', element: { type: 'Long' } }, required: false },
    ],
    ['array of anything', { type: 'array' }, UNTYPED],
    ['array of nullable', { type: 'array', items: { type: ['string', 'null'] } }, UNTYPED],
    ['tuple', { type: 'array', prefixItems: [string], items: string }, UNTYPED],
    ['tuple of draft-07', { type: 'array', items: [string] }, UNTYPED],
    [
      'object',
      object({ y: string }, { required: ['y'] }),
      { type: 'Record', attributes: { y: { type: 'String', required: true } }, required: false },
    ],
    ['object without type', { properties: { y: string } }, { type: 'Record', attributes: { y: STRING }, required: false }],
    ['closed empty object', { type: 'object', additionalProperties: false }, { type: 'Record', attributes: {}, required: false }],
    ['map', { type: 'object', additionalProperties: string }, UNTYPED],
    ['union', { anyOf: [string, { type: 'integer' }] }, UNTYPED],
    ['union by type', { type: ['string', 'integer'] }, UNTYPED],
    ['union of objects', { oneOf: [object({ a: string }), object({ b: string })] }, UNTYPED],
    ['type beside a union', { type: 'string', anyOf: [{ pattern: 'a' }, { pattern: 'b' }] }, STRING],
    ['intersection', { allOf: [string, { maxLength: 3 }] }, UNTYPED],
    ['described intersection', { allOf: [string], description: 'd' }, STRING],
    ['anything', true, UNTYPED],
    ['nothing', false, UNTYPED],
    ['no word', {}, UNTYPED],
    ['unknown type', { type: 'file' }, UNTYPED],
    ['only null', { type: 'null' }, UNTYPED],
  ];
  for (const [name, property, expected] of table) assert.deepEqual(typeOf(only(property)), { x: expected }, name);
  assert.deepEqual(typeOf(only(string, { required: ['x'] })), { x: { type: 'String', required: true } });
  // required, but null reads as absent
  assert.deepEqual(typeOf(only({ type: ['string', 'null'] }, { required: ['x'] })), { x: STRING });
});

test('[I10] references stay in the document, and recursion ends', () => {
  const table: readonly (readonly [string, Json, JsonObject, unknown])[] = [
    ['a definition', { $ref: '#/$defs/a' }, { $defs: { a: { type: 'string' } } }, STRING],
    ['of draft-07', { $ref: '#/definitions/a' }, { definitions: { a: { type: 'string' } } }, STRING],
    ['escaped', { $ref: '#/$defs/a~1b%25~0' }, { $defs: { 'a/b%~': { type: 'string' } } }, STRING],
    ['through an array', { $ref: '#/$defs/a/1' }, { $defs: { a: [{}, { type: 'string' }] } }, STRING],
    ['a chain', { $ref: '#/$defs/a' }, { $defs: { a: { $ref: '#/$defs/b' }, b: { type: 'string' } } }, STRING],
    ['optional', { anyOf: [{ $ref: '#/$defs/a' }, { type: 'null' }] }, { $defs: { a: { type: 'string' } } }, STRING],
    ['remote', { $ref: 'https://evil.example/schema.json' }, {}, UNTYPED],
    ['a file', { $ref: 'file:///etc/passwd' }, {}, UNTYPED],
    ['an anchor', { $ref: '#a' }, { $defs: { a: { $anchor: 'a', type: 'string' } } }, UNTYPED],
    ['dangling', { $ref: '#/$defs/a' }, {}, UNTYPED],
    ['to itself', { $ref: '#/properties/x' }, {}, UNTYPED],
    ['in a circle', { $ref: '#/$defs/a' }, { $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } }, UNTYPED],
    ['to the prototype', { $ref: '#/__proto__' }, {}, UNTYPED],
    ['to a method', { $ref: '#/constructor' }, {}, UNTYPED],
    ['not a pointer', { $ref: '#/%zz' }, {}, UNTYPED],
    ['no string', { $ref: 7 }, {}, UNTYPED],
    ['with structure beside it', { $ref: '#/$defs/a', properties: { y: {} } }, { $defs: { a: object({ z: {} }) } }, UNTYPED],
    [
      'recursive',
      { $ref: '#/$defs/n' },
      { $defs: { n: object({ v: { type: 'string' }, next: { $ref: '#/$defs/n' } }) } },
      { type: 'Record', attributes: { v: STRING, next: UNTYPED }, required: false },
    ],
  ];
  for (const [name, property, over, expected] of table) assert.deepEqual(typeOf(only(property, over)), { x: expected }, name);

  const nested = (depth: number): JsonObject => {
    let schema: JsonObject = { type: 'string' };
    for (let at = 0; at < depth; at++) schema = object({ y: schema });
    return schema;
  };
  assert.match(JSON.stringify(typeOf(only(nested(100)))), /Untyped/);
  assert.equal(typeOf(only(nested(50_000))), 'the input schema cannot be read');
});

test('names that only a branch declares are not invisible', () => {
  const world = worldOf(
    tool('t', {
      ...object({ x: { type: 'string' } }),
      $defs: { more: object({ d: {} }) },
      oneOf: [{ required: ['x'] }, object({ a: {} }, { anyOf: [object({ deep: {} })] })],
      if: object({ x: {} }),
      ...keyword('then', object({ b: {} })),
      dependentSchemas: { x: object({ c: {} }) },
      allOf: [{ $ref: '#/$defs/more' }],
      required: ['e'],
    }),
  );
  const names = Object.keys(typeOf(world) ?? {}).toSorted();
  assert.deepEqual(names, ['a', 'b', 'c', 'd', 'deep', 'e', 'x']);
  assert.equal(
    policySet(
      '@id("f") forbid (principal, action == Action::"ledger/t", resource) when { context.input has deep };' + ALLOW_ALL,
      world,
    ).decide(call('clerk', 'ledger/t', { e: 1, deep: null }), world).code,
    'CORDON-3002',
  );
});

test('a value is exact or refused', () => {
  const number = { type: 'number' };
  const table: readonly (readonly [Json, Json, string])[] = [
    [{ type: 'string' }, 'a', '"a"'],
    [{ type: 'string' }, '__proto__', '"__proto__"'],
    [{ type: 'string' }, '\ud800', 'CORDON-3006'],
    [{ type: 'string' }, 1, 'CORDON-3006'],
    [{ type: 'string' }, null, 'CORDON-3006'],
    [{ type: 'string' }, { __entity: { type: 'Agent', id: 'clerk' } }, 'CORDON-3006'],
    [{ enum: ['a'] }, 'b', 'CORDON-3006'],
    [{ enum: [1, 2] }, 2, '2'],
    [{ enum: [1, 2] }, 3, 'CORDON-3006'],
    [{ type: 'integer' }, 5, '5'],
    [{ type: 'integer' }, -0, '0'],
    [{ type: 'integer' }, 2 ** 53, 'CORDON-3006'],
    [{ type: 'integer' }, 2n ** 63n - 1n, '9223372036854775807'],
    [{ type: 'integer' }, 2n ** 63n, 'CORDON-3006'],
    [{ type: 'integer' }, 0.5, 'CORDON-3006'],
    [{ type: 'integer' }, NaN, 'CORDON-3006'],
    [number, 3, 'decimal("3.0")'],
    [number, -0.1, 'decimal("-0.1")'],
    [number, 0.0001, 'decimal("0.0001")'],
    [number, 0.00001, 'CORDON-3006'],
    [number, 0.1 + 0.2, 'CORDON-3006'],
    [number, 1e-7, 'CORDON-3006'],
    [number, 1e21, 'CORDON-3006'],
    [number, Infinity, 'CORDON-3006'],
    [number, 922337203685477.5, 'decimal("922337203685477.5")'],
    [number, 922337203685478, 'CORDON-3006'],
    [number, 922337203685477n, 'decimal("922337203685477.0")'],
    [number, '1', 'CORDON-3006'],
    [{ type: 'boolean' }, true, 'true'],
    [{ type: 'boolean' }, 'true', 'CORDON-3006'],
    [{ type: ['string', 'null'] }, null, 'absent'],
    [{ type: 'array', items: { type: 'integer' } }, [2, 1, 2], '[2, 1, 2]'],
    [{ type: 'array', items: { type: 'integer' } }, [1, 'x'], 'CORDON-3006'],
    [{ type: 'array', items: { type: 'integer' } }, { length: 1 }, 'CORDON-3006'],
    [object({ y: { type: 'string' } }, { required: ['y'] }), { y: 'a' }, '{"y": "a"}'],
    [object({ y: { type: 'string' } }, { required: ['y'] }), {}, 'CORDON-3006'],
    [object({ y: { type: 'string' } }, { required: ['y'] }), [], 'CORDON-3006'],
    [object({ y: { type: 'string' } }, { additionalProperties: false }), { z: 1 }, 'CORDON-3006'],
    [object({ y: { type: 'string' } }), { z: 1 }, '{}'],
    [object({ toString: { type: 'string' } }, { required: ['toString'] }), {}, 'CORDON-3006'],
    [{}, { b: [1, 2n ** 70n], a: null }, 'Untyped::"{\\"a\\":null,\\"b\\":[1,1180591620717411303424]}"'],
    [{}, null, 'Untyped::"null"'],
  ];
  for (const [property, value, expected] of table)
    assert.equal(valueIn(only(property), { x: value }), expected, `${inspect(property)} ${inspect(value)}`);
  assert.equal(valueIn(only({ type: 'string' }), {}), 'absent');
  assert.equal(valueIn(only({}, { required: ['x'] }), {}), 'CORDON-3006');
});

test('a refusal names the argument, never its value, and nothing that a terminal obeys', () => {
  const world = only(object({ 'y\u001b[31m': { type: 'integer' } }), { additionalProperties: false });
  const set = policySet(ALLOW_ALL, world);
  const reason = (input: JsonObject): string => set.decide(call('clerk', 'ledger/t', input), world).reason ?? '';
  assert.equal(
    reason({ x: { 'y\u001b[31m': 'sesame' } }),
    'argument `x.y\ufffd[31m` does not fit the input schema, observed string, expected a whole number of 64 bits',
  );
  assert.equal(reason({ 'z\u202e': 1 }), 'argument `z\ufffd` is not declared, expected x');
  assert.ok(reason({ ['z'.repeat(9999)]: 1 }).length < 200);
});

test('a tool that cannot be typed fails alone', () => {
  const wide = Object.fromEntries(Array.from({ length: 600 }, (_, at) => [`p${at}`, {}]));
  const bomb = Object.fromEntries(
    Array.from({ length: 9 }, (_, at) => [
      `d${at}`,
      object({ a: { $ref: `#/$defs/d${at + 1}` }, b: { $ref: `#/$defs/d${at + 1}` }, c: { $ref: `#/$defs/d${at + 1}` } }),
    ]),
  );
  const tools = [
    tool('wide', object(wide)),
    tool('required', { type: 'object', required: Array.from({ length: 600 }, (_, at) => `p${at}`) }),
    tool('bomb', { ...object({ x: { $ref: '#/$defs/d0' } }), $defs: { ...bomb, d9: { type: 'string' } } }),
    tool('escape', object({ __entity: { type: 'string' } })),
    tool('nested-escape', object({ x: object({ __extn: {} }) })),
    tool('surrogate', object({ '\ud800': {} })),
    tool('\udfff', object({})),
    tool('remote', { $ref: 'https://evil.example/' }),
    tool('array', { type: 'array' }),
    tool('union', { type: 'object', anyOf: [{ type: 'object' }, { type: 'string' }] }),
    tool('twin', object({ a: {} })),
    tool('twin', object({ b: {} })),
    tool('good', object({ path: { type: 'string' } })),
  ];
  const world = worldOf(...tools);
  const set = policySet(ALLOW_ALL, world);
  assert.deepEqual(set.visibleTools('clerk', 'ledger', world), ['good']);
  assert.equal(set.decide(call('clerk', 'ledger/good', { path: '/' }), world).verdict, 'allow');
  for (const { name } of tools.slice(0, -1)) {
    const { code, reason } = set.decide(call('clerk', `ledger/${name}`), world);
    assert.deepEqual([code, reason === undefined], ['CORDON-3006', false], name);
  }
  // a policy cannot name what does not exist
  assert.throws(() => policySet('@id("a") permit (principal, action == Action::"ledger/wide", resource);', world), { code: 'CORDON-9006' });
  // guardrails hold for it all the same
  assert.equal(set.decide(call('stranger', 'ledger/wide'), world).code, 'CORDON-3007');
});

test('[I10] one server cannot take the room of another, nor the name of an action', () => {
  const many = Array.from({ length: 600 }, (_, at) =>
    tool(`t${at}`, object(Object.fromEntries(Array.from({ length: 20 }, (__, p) => [`p${p}`, {}])))),
  );
  const world = desk({
    resources: ['greedy', 'tools', 'a2a'].map((name) => ({ name, segment: 'finance', reads: [], tags: {} })),
    tools: new Map([
      ['greedy', many],
      ['tools', [tool('list', object({})), tool('call', object({})), tool('other', object({}))]],
      ['a2a', [tool('SendMessage', object({}))]],
    ]),
  });
  const set = policySet(ALLOW_ALL, world);
  const visible = set.visibleTools('clerk', 'greedy', world).length;
  assert.ok(visible > 100 && visible < 512, String(visible));
  assert.deepEqual(set.visibleTools('clerk', 'tools', world), ['other']);
  assert.match(set.decide(call('clerk', 'a2a/SendMessage'), world).reason ?? '', /action of Cordon itself/);
});

const cedarString = (text: string): string => `"${Array.from(text, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`).join('')}"`;

test('any legal name can be written in a policy', () => {
  for (const name of [
    'x-y',
    'a.b',
    'a/b',
    '1st',
    'if',
    'in',
    'true',
    '',
    ' ',
    'ü',
    '🦊',
    'a"b',
    'a\nb',
    '\u0000',
    '__proto__',
    'constructor',
    'toString',
    '\u202e',
    '?principal',
    '__cedar',
    "'; drop",
  ]) {
    const properties = onWire(`{${JSON.stringify(name)}:{"type":"string"}}`);
    const input = onWire(`{${JSON.stringify(name)}:"yes"}`);
    assert.ok(isJsonObject(properties) && isJsonObject(input));
    const world = worldOf(tool(name, object(properties, { required: [name] })));
    const set = policySet(
      `@id("a") permit (principal, action == Action::${cedarString(`ledger/${name}`)}, resource) when { context.input[${cedarString(name)}] == "yes" };`,
      world,
    );
    assert.equal(set.decide(call('clerk', `ledger/${name}`, input), world).verdict, 'allow', name);
    assert.equal(set.decide(call('clerk', `ledger/${name}`, { ...input, [name]: 'no' }), world).code, 'CORDON-3005', name);
    assert.equal(set.decide(call('clerk', `ledger/${name}`, {}), world).code, 'CORDON-3006', name);
    assert.deepEqual(set.visibleTools('clerk', 'ledger', world), [name]);
  }
});

test('what is not typed cannot fool a policy by being there, or equal', () => {
  const world = worldOf(tool('t', object({ options: { anyOf: [{ type: 'string' }, { type: 'object' }] }, other: {} })));
  const set = policySet(
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
    assert.throws(
      () =>
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

test('[Cedar] whatever names and types a server sends, the engine takes the schema and what the arguments become', () => {
  const name = fc.oneof(fc.string({ unit: 'binary', maxLength: 6 }), fc.constantFrom('__proto__', 'if', 'a-b', ''));
  const { sub } = fc.letrec<{ sub: JsonObject }>((tie) => ({
    sub: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom<JsonObject>(
        { type: 'string' },
        { type: 'integer' },
        { type: 'number' },
        { type: 'boolean' },
        {},
        { type: ['string', 'null'] },
        { enum: ['a', 'b'] },
      ),
      tie('sub').map((items) => ({ type: 'array', items })),
      fc
        .record({ properties: fc.dictionary(name, tie('sub'), { maxKeys: 4 }), closed: fc.boolean(), all: fc.boolean() })
        .map(({ properties, closed, all }) => ({
          type: 'object',
          properties,
          ...(closed ? { additionalProperties: false } : {}),
          ...(all ? { required: Object.keys(properties) } : {}),
        })),
    ),
  }));
  const schema = fc.dictionary(name, sub, { maxKeys: 5 }).map((properties) => object(properties));
  let accepted = 0;
  fc.assert(
    fc.property(name, schema, fc.array(fc.nat(4), { minLength: 50, maxLength: 50 }), (toolName, inputSchema, choices) => {
      const world = worldOf(tool(toolName, inputSchema));
      const id = `ledger/${toolName}`;
      const shape = catalogOf(world).get(id)?.input;
      const whole = schemaOf(catalogOf(world));
      assert.deepEqual(cedar.checkParseSchema(whole), { type: 'success' });
      if (shape === undefined || shape instanceof Refusal) return;
      let at = 0;
      const input = sample(inputSchema, () => choices[at++ % choices.length] ?? 0);
      if (!isJsonObject(input)) return;
      let context: cedar.Context;
      try {
        context = { input: forEngine(recordToEngine(argumentsOf(input, shape))) };
      } catch (error) {
        assert.ok(error instanceof Refusal);
        return;
      }
      accepted++;
      const parsed = cedar.checkParseContext({
        context,
        schema: whole,
        action: { type: 'Action', id },
      });
      assert.deepEqual(parsed, { type: 'success' });
    }),
    { numRuns: 150 },
  );
  assert.ok(accepted > 50, String(accepted));
});

/** The engine's types have no word for raw JSON. */
function forEngine(value: object): cedar.CedarValueJson {
  assert.ok(isValueJson(value));
  return value;
}
const isValueJson = (value: object): value is Record<string, cedar.CedarValueJson> => !Array.isArray(value);

/** Some value of a schema; now and then one that is not. */
function sample(schema: JsonObject, choose: () => number): Json {
  if (choose() === 0 && choose() === 0) return null;
  if (Array.isArray(schema['enum'])) return 'a';
  switch (schema['type']) {
    case 'string':
      return 'x'.repeat(choose());
    case 'integer':
      return choose() - 2;
    case 'number':
      return choose() / 8;
    case 'boolean':
      return choose() > 2;
    case 'array':
      return Array.from({ length: choose() % 3 }, () => sample(isJsonObject(schema['items']) ? schema['items'] : {}, choose));
    case 'object': {
      const properties = isJsonObject(schema['properties']) ? Object.entries(schema['properties']) : [];
      return Object.fromEntries(
        properties
          .filter(() => choose() > 0 || Array.isArray(schema['required']))
          .map(([key, sub]) => [key, sample(isJsonObject(sub) ? sub : {}, choose)]),
      );
    }
    default:
      return [{ any: choose() }];
  }
}

test('[MCP-2025-11-25] every tool of the real filesystem server is typed', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'cordon-policy-'));
  const main = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-filesystem/dist/index.js');
  const server = spawn(process.execPath, [main, directory], { stdio: ['pipe', 'pipe', 'ignore'] });
  try {
    const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
    const send = (message: JsonObject): void => void server.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
    const ask = async (id: number, method: string, params: JsonObject): Promise<JsonObject> => {
      send({ id, method, params });
      for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
        const reply = onWire(line.value);
        if (isJsonObject(reply) && reply['id'] === id && isJsonObject(reply['result'])) return reply['result'];
      }
      return assert.fail('the server ended');
    };
    await ask(1, 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '0' } });
    send({ method: 'notifications/initialized' });
    const { tools } = await ask(2, 'tools/list', {});
    assert.ok(Array.isArray(tools));
    checkFilesystem(tools.filter(isJsonObject));
  } finally {
    server.kill();
    await once(server, 'exit');
    rmSync(directory, { recursive: true });
  }
});

function checkFilesystem(definitions: readonly JsonObject[]): void {
  const tools = definitions.map((definition): Tool => {
    const { name, inputSchema } = definition;
    assert.ok(typeof name === 'string' && isJsonObject(inputSchema));
    return { name, inputSchema, definition };
  });
  assert.ok(tools.length >= 14, String(tools.length));
  const reads = ['read_text_file', 'list_directory'];
  const world = desk({ resources: [{ name: 'files', segment: 'finance', reads, tags: {} }], tools: new Map([['files', tools]]) });
  const set = policySet(
    `@id("reads") permit (principal == Agent::"clerk", action in Action::"read", resource in Server::"files");
     @id("notes") permit (principal == Agent::"clerk", action == Action::"files/write_file", resource) when { context.input.path like "/notes/*" };
     @id("head") forbid (principal, action == Action::"files/read_text_file", resource)
     when { context.input has head && context.input.head.greaterThan(decimal("1000.0")) };
     @id("edits") permit (principal == Agent::"clerk", action == Action::"files/edit_file", resource)
     when { context.input has dryRun && context.input.dryRun && context.input.edits.contains({ oldText: "a", newText: "b" }) };`,
    world,
  );
  const all = policySet(ALLOW_ALL, world);
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
}
