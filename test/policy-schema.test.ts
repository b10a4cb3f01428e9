// From the input schema of an MCP tool to the types of its arguments: what is typed, what is refused, what a hostile server would try.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Json, JsonObject } from '../src/domain/json.ts';
import { isJsonObject, parseJson } from '../src/domain/json.ts';
import { Refusal } from '../src/domain/refusal.ts';
import type { Tool, World } from '../src/domain/registry.ts';
import { catalogOf } from '../src/policy/schema/catalog.ts';
import { schemaText } from '../src/policy/schema/schema.ts';
import { call, desk, policySet, tool } from './support/policy-desk.ts';
import { inputType, type Short } from './support/short-types.ts';

const onWire = (text: string): Json => parseJson(new TextEncoder().encode(text), { maxBytes: 1_000_000, maxDepth: 64 });

const ALLOW_ALL = '@id("all") permit (principal, action, resource);';

const worldOf = (...tools: readonly Tool[]): World => desk({ tools: new Map([['ledger', tools]]) });
const object = (properties: JsonObject, over: JsonObject = {}): JsonObject => ({ type: 'object', properties, ...over });
const keyword = (name: string, schema: JsonObject): JsonObject => ({ [name]: schema });
const only = (property: Json, over: JsonObject = {}): World => worldOf(tool('t', object({ x: property }, over)));

/** The Cedar types of the arguments, or why the tool is refused. */
function typesOf(world: World): Short {
  const catalog = catalogOf(world);
  const input = catalog.get('ledger/t')?.input;
  return input instanceof Refusal ? input.message : inputType(catalog, 'ledger/t');
}

const STRING = 'String';
const UNTYPED = 'Untyped';

test('[Cedar] an input schema becomes a typed record', () => {
  const string = { type: 'string' };
  const integer = { type: 'integer' };
  const anything = { type: 'object' };
  const table: readonly (readonly [string, Json, Short])[] = [
    ['string', string, STRING],
    ['integer', integer, 'Long'],
    ['number', { type: 'number' }, 'decimal'],
    ['whole number', { type: 'number', multipleOf: 1 }, 'Long'],
    ['boolean', { type: 'boolean' }, 'Boolean'],
    ['enumeration', { enum: ['a', 'b'] }, STRING],
    ['constant', { const: 'a' }, STRING],
    ['enumeration of integers', { enum: [1, 2] }, 'Long'],
    ['enumeration of numbers', { enum: [1, 2.5] }, 'decimal'],
    ['enumeration of booleans', { enum: [true] }, 'Boolean'],
    ['enumeration of both', { enum: ['a', 1, null] }, { 'string?': STRING, 'integer?': 'Long', 'null?': 'Boolean' }],
    ['enumeration of objects', { enum: [{ a: 1 }] }, UNTYPED],
    ['empty enumeration', { enum: [], type: 'string' }, STRING],
    ['enumeration of literals', { anyOf: [{ const: 'a' }, { const: 'b' }] }, STRING],
    ['date', { type: 'string', format: 'date' }, 'datetime'],
    ['instant', { type: 'string', format: 'date-time' }, 'datetime'],
    ['IPv4 address', { type: 'string', format: 'ipv4' }, 'ipaddr'],
    ['IPv6 address', { type: 'string', format: 'ipv6' }, 'ipaddr'],
    ['decimal in a string', { type: 'string', format: 'decimal' }, 'decimal'],
    ['duration', { type: 'string', format: 'duration' }, STRING],
    ['format named like a method', { type: 'string', format: 'toString' }, STRING],
    ['two forms of string', { oneOf: [{ type: 'string', format: 'date' }, string] }, STRING],
    [
      'one form of string twice',
      {
        oneOf: [
          { type: 'string', format: 'date' },
          { type: 'string', format: 'date', description: 'd' },
        ],
      },
      'datetime',
    ],
    ['nullable by type', { type: ['string', 'null'] }, { 'string?': STRING, 'null?': 'Boolean' }],
    ['nullable by anyOf', { anyOf: [string, { type: 'null' }] }, { 'string?': STRING, 'null?': 'Boolean' }],
    ['nullable by OpenAPI', { type: 'string', nullable: true }, { 'string?': STRING, 'null?': 'Boolean' }],
    ['null by default', { anyOf: [string, { type: 'null' }], default: null }, STRING],
    ['null by default alone', { type: 'string', default: null }, STRING],
    ['array', { type: 'array', items: string }, [STRING]],
    ['array of arrays', { type: 'array', items: { type: 'array', items: integer } }, [['Long']]],
    ['array of anything', { type: 'array' }, [UNTYPED]],
    ['array of nullable', { type: 'array', items: { type: ['string', 'null'] } }, [{ 'string?': STRING, 'null?': 'Boolean' }]],
    ['tuple', { type: 'array', prefixItems: [string, integer], items: false }, { item0: STRING, item1: 'Long' }],
    ['tuple by count', { type: 'array', prefixItems: [string, integer], minItems: 1, maxItems: 2 }, { item0: STRING, 'item1?': 'Long' }],
    ['tuple and more', { type: 'array', prefixItems: [string], items: integer }, { 'item0?': STRING, rest: ['Long'] }],
    ['tuple and anything', { type: 'array', prefixItems: [string], minItems: 1 }, { item0: STRING, rest: [UNTYPED] }],
    ['tuple of draft-07', { type: 'array', items: [string], additionalItems: false }, { item0: STRING }],
    ['object', object({ y: string }, { required: ['y'] }), { y: STRING }],
    ['object without type', { properties: { y: string } }, { 'y?': STRING }],
    ['empty object', object({}), {}],
    ['closed empty object', { type: 'object', additionalProperties: false }, {}],
    ['map', { type: 'object', additionalProperties: string }, { '...': STRING }],
    ['map by pattern', { type: 'object', patternProperties: { '^x-': string } }, { '...': STRING }],
    [
      'map of maps',
      { type: 'object', additionalProperties: { type: 'object', additionalProperties: string } },
      { '...': { '...': STRING } },
    ],
    ['map of anything', { type: 'object', additionalProperties: true }, { '...': UNTYPED }],
    ['any object', anything, { '...': UNTYPED }],
    ['open object', object({ y: string }, { additionalProperties: string }), { 'y?': STRING, '...': STRING }],
    [
      'open object of several types',
      object({ y: integer }, { additionalProperties: string }),
      { 'y?': 'Long', '...': { 'string?': STRING, 'integer?': 'Long' } },
    ],
    ['union', { anyOf: [string, integer] }, { 'string?': STRING, 'integer?': 'Long' }],
    ['union by type', { type: ['string', 'integer', 'boolean'] }, { 'string?': STRING, 'integer?': 'Long', 'boolean?': 'Boolean' }],
    ['union of numbers', { type: ['integer', 'number'] }, 'decimal'],
    ['union of arrays', { anyOf: [string, { type: 'array', items: string }] }, { 'string?': STRING, 'array?': [STRING] }],
    [
      'union of objects',
      {
        oneOf: [
          object({ kind: { const: 'a' }, a: string }, { required: ['kind', 'a'] }),
          object({ kind: { const: 'b' }, b: integer }, { required: ['kind'] }),
        ],
      },
      { kind: STRING, 'a?': STRING, 'b?': 'Long' },
    ],
    ['union that requires', { oneOf: [object({ a: string }, { required: ['a'] }), object({ a: string })] }, { 'a?': STRING }],
    [
      'union that knows null',
      { oneOf: [object({ a: { type: ['string', 'null'], default: null } }), object({ a: string })] },
      { 'a?': { 'string?': STRING, 'null?': 'Boolean' } },
    ],
    [
      'union that disagrees',
      { oneOf: [object({ a: string }), object({ a: integer })] },
      { 'a?': { 'string?': STRING, 'integer?': 'Long' } },
    ],
    [
      'union with a map',
      { oneOf: [object({ a: integer }), { type: 'object', additionalProperties: string }] },
      { 'a?': { 'integer?': 'Long', 'string?': STRING }, '...': { 'string?': STRING, 'integer?': 'Long' } },
    ],
    [
      'union of a tuple and an array',
      {
        oneOf: [
          { type: 'array', prefixItems: [string], items: false },
          { type: 'array', items: integer },
        ],
      },
      [{ 'string?': STRING, 'integer?': 'Long' }],
    ],
    ['union with anything', { anyOf: [string, {}] }, UNTYPED],
    ['type beside a union', { type: 'string', anyOf: [{ pattern: 'a' }, { pattern: 'b' }] }, STRING],
    ['intersection', { allOf: [{ maxLength: 3 }, string] }, STRING],
    ['described intersection', { allOf: [string], description: 'd' }, STRING],
    [
      'intersection of objects',
      { allOf: [object({ a: string }, { required: ['a'] }), object({ a: {}, b: integer })] },
      { a: STRING, 'b?': 'Long' },
    ],
    [
      'object and intersection',
      object({ a: {} }, { allOf: [object({ a: string, b: integer })], required: ['b'] }),
      { 'a?': STRING, b: 'Long' },
    ],
    ['anything', true, UNTYPED],
    ['nothing', false, UNTYPED],
    ['no word', {}, UNTYPED],
    ['unknown type', { type: 'file' }, UNTYPED],
    ['only null', { type: 'null' }, 'Boolean'],
  ];
  for (const [name, property, expected] of table) assert.deepEqual(typesOf(only(property)), { 'x?': expected }, name);
  assert.deepEqual(typesOf(only(string, { required: ['x'] })), { x: STRING });
  // what is required and null is not absent, whatever the default
  assert.deepEqual(typesOf(only({ type: ['string', 'null'], default: null }, { required: ['x'] })), {
    x: { 'string?': STRING, 'null?': 'Boolean' },
  });
});

test('[Cedar] the arguments as a whole are an object', () => {
  const string = { type: 'string' };
  const table: readonly (readonly [string, JsonObject, Short])[] = [
    ['no word', {}, {}],
    ['any object', { type: 'object' }, {}],
    ['no argument', object({}), {}],
    ['no argument at all', { type: 'object', additionalProperties: false }, {}],
    ['a map', { type: 'object', additionalProperties: string }, {}],
    ['open', object({ x: string }, { additionalProperties: true }), { 'x?': STRING }],
    ['without a type', { properties: { x: string } }, { 'x?': STRING }],
    ['by reference', { $ref: '#/$defs/a', $defs: { a: object({ x: string }) } }, { 'x?': STRING }],
    ['two forms', { oneOf: [object({ x: string }, { required: ['x'] }), object({ y: string })] }, { 'x?': STRING, 'y?': STRING }],
    ['an alternative that is no object', { type: 'object', anyOf: [object({ x: string }), string] }, { 'x?': UNTYPED }],
    ['an array', { type: 'array' }, 'the input schema does not describe an object'],
    ['an alternative to an object', { anyOf: [object({}), string] }, 'the input schema does not describe an object'],
    ['remote', { $ref: 'https://evil.example/' }, 'the input schema does not describe an object'],
  ];
  for (const [name, inputSchema, expected] of table) assert.deepEqual(typesOf(worldOf(tool('t', inputSchema))), expected, name);
});

test('[I10] references stay in the document, and recursion ends', () => {
  const table: readonly (readonly [string, Json, JsonObject, Short])[] = [
    ['a definition', { $ref: '#/$defs/a' }, { $defs: { a: { type: 'string' } } }, STRING],
    ['of draft-07', { $ref: '#/definitions/a' }, { definitions: { a: { type: 'string' } } }, STRING],
    ['escaped', { $ref: '#/$defs/a~1b%25~0' }, { $defs: { 'a/b%~': { type: 'string' } } }, STRING],
    ['through an array', { $ref: '#/$defs/a/1' }, { $defs: { a: [{}, { type: 'string' }] } }, STRING],
    ['a chain', { $ref: '#/$defs/a' }, { $defs: { a: { $ref: '#/$defs/b' }, b: { type: 'string' } } }, STRING],
    ['optional', { anyOf: [{ $ref: '#/$defs/a' }, { type: 'null' }], default: null }, { $defs: { a: { type: 'string' } } }, STRING],
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
      { 'v?': STRING, 'next?': UNTYPED },
    ],
  ];
  for (const [name, property, over, expected] of table) assert.deepEqual(typesOf(only(property, over)), { 'x?': expected }, name);

  const nested = (depth: number): JsonObject => {
    let schema: JsonObject = { type: 'string' };
    for (let at = 0; at < depth; at++) schema = object({ y: schema });
    return schema;
  };
  assert.match(JSON.stringify(typesOf(only(nested(20)))), /Untyped/);
});

test('names that only a branch declares are not invisible', async () => {
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
  const names = Object.keys(typesOf(world)).toSorted();
  assert.deepEqual(names, ['a?', 'b?', 'c?', 'd?', 'deep?', 'e', 'x?']);
  assert.equal(
    (
      await policySet(
        '@id("f") forbid (principal, action == Action::"ledger/t", resource) when { context.input has deep };' + ALLOW_ALL,
        world,
      )
    ).decide(call('clerk', 'ledger/t', { e: 1, deep: null }), world).code,
    'CORDON-3002',
  );
});

test('a tool that cannot be typed fails alone', async () => {
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
    tool('union', { anyOf: [{ type: 'object' }, { type: 'string' }] }),
    tool('twin', object({ a: {} })),
    tool('twin', object({ b: {} })),
    tool('good', object({ path: { type: 'string' } })),
  ];
  const world = worldOf(...tools);
  const set = await policySet(ALLOW_ALL, world);
  assert.deepEqual(set.visibleTools('clerk', 'ledger', world), ['good']);
  assert.equal(set.decide(call('clerk', 'ledger/good', { path: '/' }), world).verdict, 'allow');
  for (const { name } of tools.slice(0, -1)) {
    const { code, reason } = set.decide(call('clerk', `ledger/${name}`), world);
    assert.deepEqual([code, reason === undefined], ['CORDON-3006', false], name);
  }
  // a policy cannot name what does not exist
  await assert.rejects(policySet('@id("a") permit (principal, action == Action::"ledger/wide", resource);', world), {
    code: 'CORDON-9006',
  });
  // guardrails hold for it all the same
  assert.equal(set.decide(call('stranger', 'ledger/wide'), world).code, 'CORDON-3007');
});

test('[I10] one server cannot take the room of another, nor the name of an action', async () => {
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
  const set = await policySet(ALLOW_ALL, world);
  const visible = set.visibleTools('clerk', 'greedy', world).length;
  assert.ok(visible > 100 && visible < 512, String(visible));
  assert.deepEqual(set.visibleTools('clerk', 'tools', world), ['other']);
  assert.match(set.decide(call('clerk', 'a2a/SendMessage'), world).reason ?? '', /action of Cordon itself/);
});

const cedarString = (text: string): string => `"${Array.from(text, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`).join('')}"`;

test('any legal name can be written in a policy', async () => {
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
    const set = await policySet(
      `@id("a") permit (principal, action == Action::${cedarString(`ledger/${name}`)}, resource) when { context.input[${cedarString(name)}] == "yes" };`,
      world,
    );
    assert.equal(set.decide(call('clerk', `ledger/${name}`, input), world).verdict, 'allow', name);
    assert.equal(set.decide(call('clerk', `ledger/${name}`, { ...input, [name]: 'no' }), world).code, 'CORDON-3005', name);
    assert.equal(set.decide(call('clerk', `ledger/${name}`, {}), world).code, 'CORDON-3006', name);
    assert.deepEqual(set.visibleTools('clerk', 'ledger', world), [name]);
  }
});

test('the entity types of open records are identifiers, of no two tools the same', async () => {
  const open = object({ o: { type: 'object', additionalProperties: { type: 'object' } } });
  const names = [
    'a',
    'a_1',
    'a/b',
    'a_x2f_b',
    'a_b',
    'a-b',
    'a__b',
    'x',
    '_x',
    '__x',
    '_',
    '',
    'ü',
    '🦊',
    'if',
    '1',
    'x2f_',
    '\u0000',
    '__cedar',
  ];
  const world = worldOf(...names.map((name) => tool(name, open)));
  const types = Object.keys((JSON.parse(schemaText(catalogOf(world))) as SchemaJson<string>)['']?.entityTypes ?? {}).filter((type) =>
    type.startsWith('Input_'),
  );
  assert.equal(types.length, 2 * names.length);
  for (const type of types) assert.match(type, /^[A-Za-z_]\w*$/);
  const set = await policySet(ALLOW_ALL, world);
  for (const name of names) assert.equal(set.decide(call('clerk', `ledger/${name}`, { o: { p: { q: 1 } } }), world).verdict, 'allow', name);
});

test('[I10] a schema made to be expensive is refused at once', () => {
  const nested = (depth: number, wrap: (inner: JsonObject) => JsonObject): JsonObject => {
    let schema: JsonObject = { type: 'string' };
    for (let at = 0; at < depth; at++) schema = wrap(schema);
    return schema;
  };
  const many = (count: number, of: (at: number) => Json): JsonObject =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`p${at}`, of(at)]));
  const list = (count: number, of: (at: number) => Json): Json => Array.from({ length: count }, (_, at) => of(at));
  const open = (inner: JsonObject): JsonObject => object({ a: inner, b: inner }, { additionalProperties: inner });
  const either = (inner: JsonObject): JsonObject => ({
    anyOf: [object({ a: inner }), object({ a: inner, b: inner }), { type: 'array', items: inner }],
  });
  const table: readonly (readonly [string, JsonObject, RegExp])[] = [
    ['deep', nested(50_000, (inner) => object({ y: inner })), /nested too deep, expected at most 64 levels/],
    ['deep in a keyword that is ignored', nested(50_000, (not) => ({ not })), /nested too deep/],
    ['a long text', { type: 'object', description: 'x'.repeat(1_000_000) }, /too long, expected at most 262144/],
    ['a long name', object({ ['x'.repeat(1_000_000)]: {} }), /too long/],
    ['many values', { type: 'object', examples: list(1_000_000, () => 0) }, /too large, expected at most 20000/],
    ['many properties', object(many(5000, () => ({ type: 'string' }))), /too many parts, expected at most 512 sub-schemas/],
    ['many properties of a megabyte', object(many(60_000, () => ({ type: 'string' }))), /too large/],
    ['many names required', { type: 'object', required: list(5000, (at) => `p${at}`) }, /too many parts/],
    ['a long enumeration', object({ x: { enum: list(3000, (at) => `v${at}`) } }), /an `enum` is too long, expected at most 2048/],
    ['many alternatives', object({ x: { anyOf: list(100, (at) => ({ const: `v${at}` })) } }), /too many alternatives, expected at most 64/],
    ['many types', object({ x: { type: list(100, () => 'string') } }), /too many alternatives/],
    ['a long tuple', object({ x: { type: 'array', prefixItems: list(600, () => ({})) } }), /too many parts/],
    ['many patterns', { type: 'object', patternProperties: many(600, () => ({})) }, /too many parts/],
    ['many branches', { type: 'object', allOf: list(5000, () => ({ if: {} })) }, /too many parts/],
    ['a long reference', { $ref: `#${'/a'.repeat(100_000)}` }, /does not describe an object/],
    [
      'references to one another',
      { $ref: '#/$defs/p0', $defs: many(3000, (at) => ({ $ref: `#/$defs/p${(at + 1) % 3000}` })) },
      /does not describe an object/,
    ],
    ['open in open', nested(7, open), /too many parts/],
    ['alternatives in alternatives', object({ x: nested(5, either) }), /too many parts/],
  ];
  for (const [name, inputSchema, reason] of table) {
    const world = worldOf(tool('t', inputSchema));
    const before = process.cpuUsage();
    const input = catalogOf(world).get('ledger/t')?.input;
    const { user, system } = process.cpuUsage(before);
    assert.ok(input instanceof Refusal, name);
    assert.equal(input.code, 'CORDON-3006');
    assert.match([input.message, input.expected].join(', expected '), reason, name);
    assert.ok(user + system < 100_000, `${name}: ${user + system} µs`);
  }
});
