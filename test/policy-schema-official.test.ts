// Our schema generator against the official one (`@cedar-policy/mcp-schema-generator-wasm`): on real tool lists, on one written to vary
// and on random ones, whatever it types we type, alike up to the correspondence below, and whatever call it takes we take, with the same
// values. Where we mean something else, DIFFERENCES says what and why.
//
//   official                                              ours
//   enum entity                                           String, and no other value
//   { typeChoice0?: String, typeChoice1?: Null }          { string?: String, null?: Bool }
//   { proj0: String, proj1: Long }                        { item0: String, item1: Long }
//   entity with tags, one for each further property       entity with tags, one for each property
//   entity of an object without further properties        record (as the official one with `objectsAsRecords`)
//   Unknown                                               Untyped
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isJsonObject, type Json, type JsonObject } from '../src/domain/json.ts';
import { Refusal } from '../src/domain/refusal.ts';
import { argumentsOf } from '../src/policy/schema/arguments.ts';
import { type Catalog, catalogOf } from '../src/policy/schema/catalog.ts';
import { choices, chooser, sample, tools as toolDefinitions } from './support/input-schemas.ts';
import { type Listed, officialCall, officialTypes, Refused } from './support/official-generator.ts';
import { desk, tool } from './support/policy-desk.ts';
import { exactly, type Plain, readBack, setOf } from './support/read-back.ts';
import { inputType, type Short } from './support/short-types.ts';
import { deskTools, filesystemTools } from './support/tool-lists.ts';

const catalog = (listed: readonly Listed[]): Catalog =>
  catalogOf(desk({ tools: new Map([['ledger', listed.map(({ name, inputSchema }) => tool(name, inputSchema))]]) }));

/** A type of the official generator as ours, by the correspondence. */
function asOurs(short: Short): Short {
  if (short === 'Null') return 'Boolean';
  if (short === 'Unknown') return 'Untyped';
  if (typeof short === 'string') return short;
  if (isShortList(short)) return short.map(asOurs);
  return Object.fromEntries(
    Object.entries(short).map(([name, type]) => {
      if (name.startsWith('typeChoice')) return [`${jsonTypeOf(type)}?`, asOurs(type)];
      return [name.replace(/^proj(?=\d)/, 'item'), asOurs(type)];
    }),
  );
}

const isShortList = (short: Short): short is readonly Short[] => Array.isArray(short);

const JSON_TYPES: Readonly<Record<string, string>> = { Long: 'integer', decimal: 'number', Boolean: 'boolean', Null: 'null' };
function jsonTypeOf(short: Short): string {
  if (typeof short === 'string') return JSON_TYPES[short] ?? 'string';
  return isShortList(short) || Object.hasOwn(short, 'proj0') ? 'array' : 'object';
}

/** The same of ours. */
function ourCall(listed: readonly Listed[], name: string, args: JsonObject): Plain | Refusal {
  const shape = catalog(listed).get(`ledger/${name}`)?.input;
  if (shape === undefined || shape instanceof Refusal) return assert.fail(shape?.message);
  try {
    const all = flat(readBack(argumentsOf(args, shape), shape));
    return isPlainObject(all) ? (all['w'] ?? assert.fail()) : assert.fail();
  } catch (error) {
    return error instanceof Refusal ? error : assert.fail(String(error));
  }
}

const isPlainObject = (value: Plain): value is { readonly [name: string]: Plain } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isPlainList = (value: Plain): value is readonly Plain[] => Array.isArray(value);

function flat(value: Plain): Plain {
  if (typeof value === 'string' && value.startsWith('untyped ')) return 'untyped';
  if (isPlainList(value)) return setOf(value.map(flat));
  if (!isPlainObject(value)) return value;
  const { attrs, tags } = value;
  const all = attrs !== undefined && tags !== undefined && isPlainObject(attrs) && isPlainObject(tags) ? { ...tags, ...attrs } : value;
  return Object.fromEntries(Object.entries(all).map(([name, member]) => [name, flat(member)]));
}

/** Whatever the official generator types is typed, alike. */
function mustAgree(listed: readonly Listed[]): boolean {
  const official = officialTypes(listed);
  if (typeof official === 'string') return false;
  for (const [name, type] of official) assert.deepEqual(inputType(catalog(listed), `ledger/${name}`), asOurs(type), name);
  return true;
}

const object = (properties: JsonObject, over: JsonObject = {}): JsonObject => ({ type: 'object', properties, ...over });
const STRING = { type: 'string' };
const INTEGER = { type: 'integer' };

test('[MCP-2025-11-25] on the tools of real servers both generators agree', async () => {
  const lists = new Map([['files', await filesystemTools()], ...(await deskTools())]);
  assert.deepEqual([...lists.keys()].toSorted(), ['files', 'ledger', 'mail', 'payroll']);
  for (const [name, listed] of lists) assert.ok(mustAgree(listed), name);
});

test('both generators agree on tools that vary', () => {
  const listed: readonly Listed[] = [
    { name: 'none', inputSchema: object({}) },
    {
      name: 'scalars',
      inputSchema: object({ s: STRING, i: INTEGER, n: { type: 'number' }, b: { type: 'boolean' } }, { required: ['s', 'b'] }),
    },
    { name: 'closed', inputSchema: object({ s: STRING }, { additionalProperties: false }) },
    {
      name: 'listed',
      inputSchema: object({
        mode: { type: 'string', enum: ['read', 'write'] },
        all: { type: 'array', items: { type: 'string', enum: ['a'] } },
      }),
    },
    {
      name: 'texts',
      inputSchema: object({
        at: { type: 'string', format: 'date-time' },
        on: { type: 'string', format: 'date' },
        v4: { type: 'string', format: 'ipv4' },
        v6: { type: 'string', format: 'ipv6' },
        id: { type: 'string', format: 'uuid' },
        fee: { type: 'string', format: 'decimal' },
      }),
    },
    {
      name: 'nested',
      inputSchema: object({ a: object({ b: object({ c: { type: 'array', items: object({ d: INTEGER }, { required: ['d'] }) } }) }) }),
    },
    {
      name: 'maps',
      inputSchema: object({
        labels: { type: 'object', additionalProperties: STRING },
        deep: { type: 'object', additionalProperties: { type: 'object', additionalProperties: { type: 'number' } } },
      }),
    },
    { name: 'open', inputSchema: object({ some: object({ a: STRING }, { additionalProperties: STRING, required: ['a'] }) }) },
    {
      name: 'unions',
      inputSchema: object({
        u: { anyOf: [STRING, INTEGER, { type: 'null' }] },
        v: { oneOf: [{ type: 'boolean' }, { type: 'array', items: STRING }] },
        w: { type: ['string', 'null'] },
        x: { anyOf: [object({ a: STRING }), STRING] },
      }),
    },
    { name: 'tuples', inputSchema: object({ t: { type: 'array', prefixItems: [STRING, INTEGER], items: false } }) },
    {
      name: 'shared',
      inputSchema: object(
        { a: { $ref: '#/$defs/p' }, b: { type: 'array', items: { $ref: '#/$defs/p' } } },
        { $defs: { p: object({ x: INTEGER }) } },
      ),
    },
    { name: 'untyped', inputSchema: object({ a: {}, l: { type: 'array' } }) },
  ];
  assert.ok(mustAgree(listed));
});

/** The arguments as the one argument `w`, so that the official generator shows what became of them. */
const wrapped = ({ $defs = {}, ...inputSchema }: JsonObject): JsonObject => object({ w: inputSchema }, { required: ['w'], $defs });

test('whatever random tool and call the official generator takes, we take alike', () => {
  const seen = { types: 0, taken: 0, refused: 0, rounded: 0 };
  fc.assert(
    fc.property(toolDefinitions('plain'), choices, ({ inputSchema }, numbers) => {
      const listed = [{ name: 't', inputSchema: wrapped(inputSchema) }];
      if (!mustAgree(listed)) return;
      seen.types++;
      const w = sample(inputSchema, inputSchema, chooser(numbers));
      if (!isJsonObject(w)) return;
      const [official, ours] = [officialCall(listed, 't', { w }), ourCall(listed, 't', { w })];
      if (official instanceof Refused) {
        seen.refused++;
        assert.ok(ours instanceof Refusal, `only the official generator refuses: ${official.why}`);
      } else if (ours instanceof Refusal) {
        // it rounds what Cedar's decimal cannot hold
        seen.rounded++;
        assert.match(String(ours.expected), /^a number with at most 4 decimals/);
      } else {
        seen.taken++;
        assert.deepEqual(ours, official);
      }
    }),
    { numRuns: 150, seed: 20_261_122 },
  );
  assert.ok(seen.types > 100 && seen.taken > 20 && seen.refused > 10, JSON.stringify(seen));
});

interface Difference {
  readonly what: string;
  /** Of the argument `x`. */
  readonly schema: Json;
  /** Undefined: the whole list of tools is refused. */
  readonly official: Short | undefined;
  readonly ours: Short;
  readonly why: string;
}

const deep = (levels: number): JsonObject => (levels === 0 ? STRING : object({ y: deep(levels - 1) }));
const deepType = (levels: number, end: Short): Short => (levels === 0 ? end : { 'y?': deepType(levels - 1, end) });
const LIST: JsonObject = { type: 'array', prefixItems: [STRING] };

const DIFFERENCES: readonly Difference[] = [
  { what: 'a constant', schema: { const: 'a' }, official: 'Unknown', ours: 'String', why: 'the value says its type' },
  { what: 'an enumeration without a type', schema: { enum: [1, 2] }, official: 'Unknown', ours: 'Long', why: 'the values say their type' },
  {
    what: 'an enumeration with null',
    schema: { type: 'string', enum: ['a', null] },
    official: undefined,
    ours: { 'string?': 'String', 'null?': 'Boolean' },
    why: 'one tool must not take the list down',
  },
  { what: 'a boolean schema', schema: true, official: undefined, ours: 'Untyped', why: 'JSON Schema has them since draft-06' },
  {
    what: 'an object of any properties',
    schema: { type: 'object' },
    official: {},
    ours: { '...': 'Untyped' },
    why: 'its calls have properties, and they must be seen',
  },
  {
    what: 'an object that says it is open',
    schema: object({ a: STRING }, { additionalProperties: true }),
    official: { 'a?': 'String' },
    ours: { 'a?': 'String', '...': 'Untyped' },
    why: 'its calls have further properties, and they must be seen',
  },
  {
    what: 'a map by pattern',
    schema: { type: 'object', patternProperties: { '^x-': STRING } },
    official: {},
    ours: { '...': 'String' },
    why: 'the same',
  },
  {
    what: 'an open object of several types',
    schema: object({ a: INTEGER }, { additionalProperties: STRING }),
    official: { 'a?': 'Long', '...': 'String' },
    ours: { 'a?': 'Long', '...': { 'string?': 'String', 'integer?': 'Long' } },
    why: '`hasTag("a")` has to be true when `a` is sent',
  },
  {
    what: 'properties without a type',
    schema: { properties: { a: STRING } },
    official: 'Unknown',
    ours: { 'a?': 'String' },
    why: 'servers leave it out',
  },
  {
    what: 'an array that begins like a tuple',
    schema: LIST,
    official: ['Unknown'],
    ours: { 'item0?': 'String', rest: ['Untyped'] },
    why: 'its first items have types',
  },
  {
    what: 'a tuple that goes on alike',
    schema: { ...LIST, items: STRING },
    official: ['String'],
    ours: { 'item0?': 'String', rest: ['String'] },
    why: 'the place of an item is known',
  },
  {
    what: 'a tuple by count',
    schema: { ...LIST, minItems: 1, maxItems: 1 },
    official: ['Unknown'],
    ours: { item0: 'String' },
    why: 'how pydantic writes tuples',
  },
  {
    what: 'a tuple of draft-07',
    schema: { type: 'array', items: [STRING], additionalItems: false },
    official: undefined,
    ours: { item0: 'String' },
    why: 'MCP servers still send draft-07',
  },
  {
    what: 'a union of numbers',
    schema: { type: ['integer', 'number'] },
    official: { 'typeChoice0?': 'Long', 'typeChoice1?': 'decimal' },
    ours: 'decimal',
    why: 'a whole number is both, and a policy would have to ask twice',
  },
  {
    what: 'a union of strings',
    schema: { anyOf: [{ type: 'string', enum: ['a'] }, STRING] },
    official: { 'typeChoice0?': 'String', 'typeChoice1?': 'String' },
    ours: 'String',
    why: 'which alternative was meant is a guess',
  },
  {
    what: 'a union of objects',
    schema: { oneOf: [object({ a: STRING }), object({ b: INTEGER })] },
    official: { 'typeChoice0?': { 'a?': 'String' }, 'typeChoice1?': { 'b?': 'Long' } },
    ours: { 'a?': 'String', 'b?': 'Long' },
    why: 'the same: the first that fits hides what the server may take for the second',
  },
  {
    what: 'null by default',
    schema: { anyOf: [STRING, { type: 'null' }], default: null },
    official: { 'typeChoice0?': 'String', 'typeChoice1?': 'Null' },
    ours: 'String',
    why: 'the server says that null is the same as nothing',
  },
  {
    what: 'nullable of OpenAPI',
    schema: { type: 'string', nullable: true },
    official: 'String',
    ours: { 'string?': 'String', 'null?': 'Boolean' },
    why: 'servers made from OpenAPI send it, and take null',
  },
  { what: 'a whole number', schema: { type: 'number', multipleOf: 1 }, official: 'decimal', ours: 'Long', why: 'it has 64 bits' },
  {
    what: 'a duration',
    schema: { type: 'string', format: 'duration' },
    official: 'duration',
    ours: 'String',
    why: 'a month has no length, and nothing is rounded',
  },
  {
    what: 'a type that JSON Schema does not have',
    schema: { type: 'float' },
    official: 'decimal',
    ours: 'Untyped',
    why: 'nothing is known of it',
  },
  { what: 'an intersection', schema: { allOf: [STRING, { maxLength: 3 }] }, official: 'Unknown', ours: 'String', why: 'all of it holds' },
  {
    what: 'a reference into draft-07',
    schema: { $ref: '#/definitions/a' },
    official: undefined,
    ours: 'String',
    why: 'MCP servers still send draft-07',
  },
  { what: 'more than eight levels', schema: deep(9), official: deepType(9, 'String'), ours: deepType(8, 'Untyped'), why: 'bounded' },
];

test('where the types differ, they differ for a reason', () => {
  for (const { what, schema, official, ours } of DIFFERENCES) {
    const inputSchema = object({ x: schema }, { definitions: { a: STRING } });
    const listed = [{ name: 't', inputSchema }];
    const types = officialTypes(listed);
    assert.deepEqual(typeof types === 'string' ? undefined : types.get('t'), official === undefined ? undefined : { 'x?': official }, what);
    assert.deepEqual(inputType(catalog(listed), 'ledger/t'), { 'x?': ours }, what);
  }
});

interface CallDifference {
  readonly what: string;
  readonly schema: JsonObject;
  readonly value: Json;
  /** Undefined: refused. */
  readonly official: Plain | undefined;
  readonly ours: Plain | undefined;
  readonly why: string;
}

const text = (format: string): JsonObject => ({ type: 'string', format });
const noon = (ms = 0): string => `${Date.parse('2024-02-29T12:00:00Z') + ms} ms`;

const CALLS: readonly CallDifference[] = [
  {
    what: 'a finer number',
    schema: { type: 'number' },
    value: 0.123456,
    official: 1235n,
    ours: undefined,
    why: 'a policy must not see a rounded number',
  },
  {
    what: 'a number next to nothing',
    schema: { type: 'number' },
    value: -1e-9,
    official: 0n,
    ours: undefined,
    why: 'the same: `> 0` and `< 0` would both be false',
  },
  {
    what: 'a finer instant',
    schema: text('date-time'),
    value: '2024-02-29T12:00:00.1239Z',
    official: noon(123),
    ours: undefined,
    why: 'the same',
  },
  {
    what: 'an instant without a zone',
    schema: text('date-time'),
    value: '2024-02-29T12:00:00',
    official: noon(),
    ours: undefined,
    why: 'the server may mean another zone than UTC',
  },
  {
    what: 'a date for an instant',
    schema: text('date-time'),
    value: '2024-02-29',
    official: `${Date.parse('2024-02-29')} ms`,
    ours: undefined,
    why: 'the same',
  },
  { what: 'an IPv6 address for IPv4', schema: text('ipv4'), value: '::1', official: '1/128', ours: undefined, why: 'it is not one' },
  {
    what: 'an IPv4 address in IPv6',
    schema: text('ipv6'),
    value: '::ffff:10.0.0.1',
    official: '167772161/32',
    ours: undefined,
    why: 'one address has one form; who forwards it must not choose',
  },
  { what: 'a decimal without a point', schema: text('decimal'), value: '100', official: undefined, ours: exactly(100), why: 'it is exact' },
  {
    what: 'an integer that is not listed',
    schema: { type: 'integer', enum: [1, 2] },
    value: 3,
    official: exactly(3),
    ours: undefined,
    why: 'the schema says so',
  },
  {
    what: 'a property of an open object',
    schema: object({}, { additionalProperties: true }),
    value: { a: 1 },
    official: undefined,
    ours: { a: 'untyped' },
    why: 'the schema says so',
  },
  {
    what: 'an optional item of a tuple',
    schema: { ...LIST, minItems: 0, items: false },
    value: [],
    official: undefined,
    ours: [],
    why: 'the schema says so',
  },
  {
    what: 'null by default',
    schema: { ...STRING, nullable: true, default: null },
    value: null,
    official: undefined,
    ours: 'absent',
    why: 'the schema says so',
  },
];

test('where the calls differ, ours is the stricter, or takes what the schema says', () => {
  for (const { what, schema, value, official, ours } of CALLS) {
    const listed = [{ name: 't', inputSchema: wrapped(object({ x: schema })) }];
    const args = { w: { x: value } };
    const [theirs, own] = [officialCall(listed, 't', args), ourCall(listed, 't', args)];
    const x = (all: Plain): Plain => (isPlainObject(all) && Object.hasOwn(all, 'x') ? (all['x'] ?? null) : 'absent');
    assert.deepEqual(theirs instanceof Refused ? undefined : x(theirs), official, what);
    assert.deepEqual(own instanceof Refusal ? undefined : x(own), ours, what);
  }
});

test('one name that is no identifier of Cedar takes the official list down, and ours not even the tool', () => {
  const good: Listed = { name: 'good', inputSchema: object({ path: STRING }) };
  assert.ok(mustAgree([good]));
  for (const name of ['my-tool', 'a.b', 'a/b', '1st', 'if', 'ü']) {
    for (const odd of [
      { name, inputSchema: object({ path: STRING }) },
      { name: 'tool', inputSchema: object({ [name]: object({ path: { type: 'string', enum: ['a'] } }) }) },
    ]) {
      assert.equal(typeof officialTypes([good, odd]), 'string', `${odd.name} ${name}`);
      const listed = catalog([odd, good]);
      assert.deepEqual(inputType(listed, 'ledger/good'), { 'path?': 'String' });
      assert.deepEqual(
        inputType(listed, `ledger/${odd.name}`),
        odd.name === name ? { 'path?': 'String' } : { [`${name}?`]: { 'path?': 'String' } },
      );
    }
  }
});
