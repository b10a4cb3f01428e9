// Random input schemas, and for each of them arguments that mostly fit.
import fc from 'fast-check';
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../src/domain/json.ts';

/** `plain`: identifiers and keywords that the official generator knows. `any`: whatever a server may send. */
export type Dialect = 'plain' | 'any';

const FORMATS = ['date', 'date-time', 'ipv4', 'ipv6'];
const LEAVES: readonly JsonObject[] = [
  { type: 'string' },
  { type: 'integer' },
  { type: 'number' },
  { type: 'boolean' },
  { type: 'string', enum: ['a', 'b'] },
  ...FORMATS.map((format) => ({ type: 'string', format })),
];
const NULL: JsonObject = { type: 'null' };
const ANY_LEAVES: readonly JsonObject[] = [
  ...LEAVES,
  { enum: ['a', 1, null, 2.5] },
  { const: 7 },
  { type: ['string', 'null'], default: null },
  { type: 'string', nullable: true },
  { type: 'string', format: 'decimal' },
  { type: 'object' },
  { enum: [{ a: 1 }] },
  { $ref: 'https://elsewhere.example/' },
];

const NAMES: Readonly<Record<Dialect, fc.Arbitrary<string>>> = {
  plain: fc.constantFrom('alpha', 'beta', 'gamma', 'delta', 'a1', 'b_2'),
  any: fc.oneof(fc.string({ unit: 'binary', maxLength: 6 }), fc.constantFrom('__proto__', 'if', 'a-b', '', 'toString', 'item0', 'rest')),
};

/** A tool's name and input schema; the schema describes an object. */
export function tools(dialect: Dialect): fc.Arbitrary<{ readonly name: string; readonly inputSchema: JsonObject }> {
  const names = NAMES[dialect];
  const { object } = fc.letrec<{ sub: JsonObject; object: JsonObject }>((tie) => ({
    sub: fc.oneof(
      { depthSize: 'small', maxDepth: 3 },
      { weight: 4, arbitrary: fc.constantFrom(...(dialect === 'plain' ? [...LEAVES, NULL, {}] : [...ANY_LEAVES, NULL, {}])) },
      { weight: 1, arbitrary: fc.constant({ $ref: '#/$defs/shared' }) },
      tie('sub').map((items) => ({ type: 'array', items })),
      fc.array(tie('sub'), { minLength: 1, maxLength: 3 }).map((prefixItems) => ({ type: 'array', prefixItems, items: false })),
      tie('object'),
      tie('sub').map((additionalProperties) => ({ type: 'object', additionalProperties })),
      fc.tuple(names, tie('sub')).map(([name, one]) => ({ type: 'object', properties: { [name]: one }, additionalProperties: one })),
      dialect === 'plain' ? alternatives(tie('sub')) : fc.array(tie('sub'), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
      ...(dialect === 'plain' ? [] : wild(names, tie('sub'))),
    ),
    object: fc
      .record({ properties: fc.dictionary(names, tie('sub'), { maxKeys: 4 }), required: fc.array(names, { maxLength: 3 }) })
      .map(closed),
  }));
  return fc
    .record({ name: names, inputSchema: object, shared: fc.oneof(fc.constantFrom(...LEAVES), object) })
    .map(({ name, inputSchema, shared }) => ({ name, inputSchema: { ...inputSchema, $defs: { shared: withoutRefs(shared) } } }));
}

const closed = ({ properties, required }: { readonly properties: JsonObject; readonly required: readonly string[] }): JsonObject => ({
  type: 'object',
  properties,
  required: required.filter((name) => Object.hasOwn(properties, name)),
});

/** One alternative for each of several JSON types: what both generators keep apart. */
function alternatives(sub: fc.Arbitrary<JsonObject>): fc.Arbitrary<JsonObject> {
  const ofTypes: readonly fc.Arbitrary<JsonObject>[] = [
    fc.constantFrom<JsonObject>({ type: 'string' }, { type: 'string', enum: ['a', 'b'] }, { type: 'string', format: 'date' }),
    fc.constantFrom<JsonObject>({ type: 'integer' }, { type: 'number' }),
    fc.constant<JsonObject>({ type: 'boolean' }),
    fc.constant(NULL),
    sub.map((items) => ({ type: 'array', items })),
    fc.record({ properties: fc.dictionary(NAMES.plain, sub, { maxKeys: 2 }) }).map(({ properties }) => ({ type: 'object', properties })),
  ];
  const words = fc.subarray(['string', 'integer', 'boolean', 'null'], { minLength: 2 }).map((type) => ({ type }));
  const branches = fc.subarray([...ofTypes], { minLength: 2, maxLength: 3 }).chain((chosen) => fc.tuple(...chosen));
  return fc.oneof(
    words,
    branches.map((anyOf) => ({ anyOf })),
    branches.map((oneOf) => ({ oneOf })),
  );
}

const wild = (names: fc.Arbitrary<string>, sub: fc.Arbitrary<JsonObject>): readonly fc.Arbitrary<JsonObject>[] => [
  fc.tuple(sub, sub).map(([item, items]) => ({ type: 'array', prefixItems: [item], items })),
  fc.tuple(names, sub, sub).map(([name, one, rest]) => ({ type: 'object', properties: { [name]: one }, additionalProperties: rest })),
  fc.tuple(names, sub, sub).map(([name, one, other]) => ({
    oneOf: [
      { type: 'object', properties: { kind: { const: 'a' }, [name]: one }, required: ['kind'] },
      { type: 'object', properties: { kind: { const: 'b' }, [name]: other }, required: ['kind', name] },
    ],
  })),
  fc.tuple(names, sub).map(([name, one]) => ({ allOf: [{ type: 'object', properties: { [name]: one }, required: [name] }, { if: {} }] })),
  sub.map((one) => ({ type: 'object', patternProperties: { '^x-': one } })),
];

/** What is shared refers to nothing: recursion has tests of its own. */
const withoutRefs = (schema: Json): Json => {
  if (isJsonArray(schema)) return schema.map(withoutRefs);
  if (!isJsonObject(schema)) return schema;
  if (Object.hasOwn(schema, '$ref')) return { type: 'string' };
  return Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, withoutRefs(value)]));
};

/** Choices, made anew for each run and shrinkable. */
export const choices = fc.array(fc.nat(11), { minLength: 60, maxLength: 60 });
export type Choose = () => number;
export function chooser(numbers: readonly number[]): Choose {
  let at = 0;
  return () => numbers[at++ % numbers.length] ?? 0;
}

const TEXTS: Readonly<Record<string, readonly string[]>> = {
  date: ['2024-02-29', '2023-02-29', '1999-12-31'],
  'date-time': ['2024-02-29T23:59:59Z', '2024-02-29T23:59:59.123+01:30', '2024-02-30T00:00:00Z'],
  ipv4: ['10.0.0.1', '192.168.255.0', '256.0.0.1'],
  ipv6: ['2001:db8::1', '::1', 'fe80::1:2:3', 'g::'],
  decimal: ['1.5', '100', 'x'],
};
const textsOf = (format: Json | undefined): readonly string[] =>
  (typeof format === 'string' ? TEXTS[format] : undefined) ?? ['', 'a', 'b', '\u{1f98a}'];
const NUMBERS: readonly Json[] = [0, 1, -7, 0.5, 12.25, -0.0001, 1e15, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 0.123456];
const STRAYS: readonly Json[] = [null, true, 'a', 'stray', 5, 0.5, [], ['a'], {}, { alpha: 'a' }];

/** A value of `schema`; now and then one that is not. `root`: what references point into. */
export function sample(schema: Json, root: JsonObject, choose: Choose): Json {
  if (choose() === 0 && choose() < 4) return pick(STRAYS, choose);
  if (!isJsonObject(schema)) return pick(STRAYS, choose);
  if (Object.hasOwn(schema, '$ref')) return sample(entriesOf(root['$defs'])[0]?.[1] ?? {}, root, choose);
  const { enum: listed, anyOf, oneOf, allOf, type } = schema;
  if (isJsonArray(listed)) return pick(listOf(listed), choose);
  if (schema['const'] !== undefined) return schema['const'];
  for (const branches of [anyOf, oneOf, allOf].map(listOf)) if (branches.length > 0) return sample(pick(branches, choose), root, choose);
  return ofType(isJsonArray(type) ? pick(listOf(type), choose) : (type ?? null), schema, root, choose);
}

function ofType(type: Json, schema: JsonObject, root: JsonObject, choose: Choose): Json {
  const inner = (sub: Json | undefined): Json => sample(sub ?? {}, root, choose);
  switch (type) {
    case 'string':
      return pick(textsOf(schema['format']), choose);
    case 'integer':
      return pick([0, 1, -7, 5, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 0.5], choose);
    case 'number':
      return pick(NUMBERS, choose);
    case 'boolean':
      return choose() % 2 === 0;
    case 'null':
      return null;
    case 'array': {
      const prefix = listOf(schema['prefixItems']).map(inner);
      const more = schema['items'] === false ? 0 : choose() % 3;
      return [...prefix, ...Array.from({ length: more }, () => inner(schema['items']))];
    }
    case 'object': {
      const properties = entriesOf(schema['properties']);
      const open = schema['additionalProperties'] ?? entriesOf(schema['patternProperties'])[0]?.[1];
      const others = open === undefined ? [] : ['other', '__proto__', 'alpha'].slice(0, choose() % 4);
      const required = listOf(schema['required']);
      return Object.fromEntries([
        ...others.map((name) => [name, inner(open)] as const),
        ...properties.filter(([name]) => required.includes(name) || choose() > 2).map(([name, sub]) => [name, inner(sub)] as const),
      ]);
    }
    default:
      return pick(STRAYS, choose);
  }
}

const entriesOf = (value: Json | undefined): readonly (readonly [string, Json])[] => (isJsonObject(value) ? Object.entries(value) : []);
const listOf = (value: Json | undefined): readonly Json[] => (isJsonArray(value) ? value : []);
const pick = (values: readonly Json[], choose: Choose): Json => values[choose() % values.length] ?? null;
