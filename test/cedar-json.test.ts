// Cedar JSON against the official engine: what that refuses we refuse, and what both read is the same value.
import { deepEqual, equal as same, ok, throws } from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Json, type JsonObject, parseJson, writeJson } from '../src/domain/json.ts';
import { Entities } from '../src/policy/cedar/entities.ts';
import type { EntityRecord } from '../src/policy/cedar/entity.ts';
import { CedarInputError } from '../src/policy/cedar/input-error.ts';
import { contextFromJson, entitiesFromJson, valueFromJson } from '../src/policy/cedar/json.ts';
import { entityToJson, valueToJson } from '../src/policy/cedar/json-write.ts';
import { equal, type Value } from '../src/policy/cedar/value.ts';
import { cedarText } from './support/cedar-text.ts';
import { asking, isRefused, NOBODY, reading } from './support/oracle.ts';

/** Reads each alone; those that we read the engine must read as the same value, those that we refuse it must refuse. */
function agreeOn(all: readonly Json[]): void {
  const read = all.flatMap((json, at) => {
    const value = reading(() => valueFromJson(json));
    if (value !== undefined) return [{ name: `m${at}`, json, value }];
    ok(isRefused({ context: { x: json } }), `refused by us alone: ${writeJson(json)}`);
    return [];
  });
  const expected = read.map(({ name, value }) => `context.${name} == ${cedarText(value)}`);
  const found = asking(expected)({ context: Object.fromEntries(read.map(({ name, json }) => [name, json])) });
  deepEqual(
    expected.filter((one) => found?.held.has(one) !== true),
    [],
  );
}

const entity = (type: string, id = 'x'): JsonObject => ({ __entity: { type, id } });
const extension = (fn: string, arg: Json): JsonObject => ({ __extn: { fn, arg } });

const VALUES: readonly Json[] = [
  ...[2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 63n, -(2n ** 63n) - 1n, 2n ** 64n].flatMap((n) => [n, [n]]),
  1.5,
  null,
  [null],
  Number.MAX_SAFE_INTEGER,
  ...['if', 'A::in', 'true', 'is', 'like', 'has', '__cedar', 'A::__cedar', 'A ', 'A::', '::A', 'A:B', 'é', '1', ''].map((type) =>
    entity(type),
  ),
  ...['A', '_', 'A::B', 'principal', 'permit', 'Long', 'Action', 'trueish'].map((type) => entity(type, '"\\\u0000\u202e')),
  ...[1, { type: 'A' }, { type: 1, id: 'x' }, { type: 'A', id: 'b', more: 1 }, null].map((inner) => ({ __entity: inner })),
  { ...entity('A'), more: 1 },
  ...['1.0', '01.50', 'x', 1, ['1.0'], extension('decimal', '1.0')].map((arg) => extension('decimal', arg)),
  ...['decimal ', '__cedar::decimal', 'nope', '__proto__', 'toString', 'lessThan'].map((fn) => extension(fn, '1.0')),
  ...[{ fn: 'decimal' }, { fn: 'decimal', args: '1.0' }, { fn: 1, arg: '1.0' }, { arg: '1.0' }, 1, null].map((inner) => ({
    __extn: inner,
  })),
  ...[['1.0'], ['1.0', '2.0'], []].map((args) => ({ __extn: { fn: 'decimal', args } })),
  { __extn: { fn: 'decimal', arg: '1.0', args: ['2.0'] } },
  { __extn: { fn: 'offset', args: [extension('datetime', '1970-01-01'), extension('duration', '-1ms')] } },
  extension('isIpv4', extension('ip', '::/0')),
  extension('toDays', extension('duration', '25h')),
  ...['x', 1, {}].map((inner) => ({ __expr: inner })),
  parseJson(Buffer.from('{"__proto__": {"admin": true}, "constructor": 1, "hasOwnProperty": []}'), { maxBytes: 1000, maxDepth: 9 }),
];

const names = fc.constantFrom(
  'a',
  'b',
  'type',
  'id',
  'fn',
  'arg',
  'args',
  '__entity',
  '__extn',
  '__expr',
  '__proto__',
  'constructor',
  'é "\\',
);
const { json: anyJson } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom<Json[]>(true, 'a', '', 'A', '1.0', 'decimal', '\u{1f980}"\\\n', 0, -1, 2n ** 63n - 1n, -(2n ** 60n)),
    { weight: 1, arbitrary: fc.constantFrom<Json[]>(null, 0.5, 2n ** 63n) },
    { weight: 3, arbitrary: fc.constantFrom<Json[]>(entity('A'), entity('A', 'y'), extension('decimal', '1.0'), extension('ip', '::')) },
    { weight: 3, arbitrary: fc.array(tie('json'), { maxLength: 4 }) },
    { weight: 4, arbitrary: fc.array(fc.tuple(names, tie('json')), { maxLength: 3 }).map((members) => Object.fromEntries(members)) },
  ),
}));

describe('Cedar JSON', () => {
  test('values: a table of what is one and what only looks like one', () => {
    agreeOn(VALUES);
  });

  test('values: whatever may be sent', () => {
    fc.assert(fc.property(fc.array(anyJson, { minLength: 25, maxLength: 25 }), agreeOn), { numRuns: 40, seed: 20_261_122 });
  });

  test('what is written reads as the same value, here and there', () => {
    const values = fc
      .array(anyJson, { minLength: 30, maxLength: 30 })
      .map((all) => all.flatMap((json) => reading(() => valueFromJson(json)) ?? []));
    fc.assert(
      fc.property(values, (all) => {
        const written = all.map((value) => valueToJson(value));
        for (const [at, json] of written.entries()) ok(equal(valueFromJson(json), all[at] ?? false));
        const expected = all.map((value, at) => `context.m${at} == ${cedarText(value)}`);
        const found = asking(expected)({ context: Object.fromEntries(written.map((json, at) => [`m${at}`, json])) });
        same(found?.held.size, new Set(expected).size);
      }),
      { numRuns: 20, seed: 20_261_122 },
    );
  });

  test('a datetime that no text gives, and a record that reads as an escape', () => {
    const before = valueFromJson({ __extn: { fn: 'datetime', arg: '0000-01-01T00:00:00+2359' } });
    ok(equal(valueFromJson(valueToJson(before)), before));
    const written = extension('datetime', '2024-02-29');
    deepEqual(valueToJson(valueFromJson(written)), { __extn: { fn: 'datetime', args: ['2024-02-29T00:00:00.000Z'] } });
    const lookalike: Value = new Map([['__entity', new Map(Object.entries(NOBODY))]]);
    throws(() => valueToJson(lookalike), CedarInputError);
  });

  test('what is refused says where, and not what', () => {
    const bad = { input: { 'odd name': [1, { deep: 'tok_5f2c', wrong: extension('decimal', 'tok_5f2c') }] } };
    throws(
      () => contextFromJson(bad),
      (error) =>
        error instanceof CedarInputError && error.message.startsWith('`.input["odd name"][1].wrong`: ') && !error.message.includes('tok'),
    );
    throws(() => contextFromJson([]), CedarInputError);
    throws(() => contextFromJson(entity('A')), CedarInputError);
    throws(
      () => contextFromJson({ ['k'.repeat(10_000)]: null }),
      (error) => error instanceof CedarInputError && error.message.length < 400,
    );
  });

  test('there is one zero', () => {
    ok(Object.is(valueFromJson(-0), 0));
  });

  test('depth is bounded', () => {
    const nested = (depth: number): Json => Array.from({ length: depth }).reduce<Json>((inner) => [inner], 1);
    valueFromJson(nested(64));
    throws(() => valueFromJson(nested(65)), CedarInputError);
    throws(() => valueFromJson(nested(100_000)), CedarInputError);
  });
});

const ENTITIES: readonly Json[] = [
  5,
  {},
  [5],
  [{}],
  [{ uid: NOBODY, attrs: {} }],
  [{ uid: NOBODY, parents: [] }],
  ...[
    {},
    { more: 1 },
    { uid: { __entity: { ...NOBODY, more: 1 }, more: 1 } },
    { uid: { __entity: 1, ...NOBODY } },
    { uid: 'A::""' },
    { uid: { type: 'A ', id: '' } },
    { uid: { __expr: 'A::""' } },
    { uid: { __expr: 'A::""', ...NOBODY } },
    { tags: { t: 1 } },
    { tags: null },
    { attrs: [] },
    { attrs: { x: null } },
    { attrs: { __entity: NOBODY } },
    { attrs: { ['__proto__']: 1 } },
    { parents: {} },
    { parents: [NOBODY] },
    { parents: [entity('B'), entity('B')] },
    { uid: entity('Action'), parents: [entity('B')] },
    { uid: entity('N::Action'), parents: [entity('Action')] },
    { uid: entity('NAction'), parents: [entity('B')] },
  ].map((change) => [{ uid: NOBODY, attrs: {}, parents: [], ...change }]),
  [1, 1].map((x) => ({ uid: NOBODY, attrs: { x }, parents: [] })),
  [1, 2].map((x) => ({ uid: NOBODY, attrs: { x }, parents: [] })),
  ['a', 'b'].map((id) => ({ uid: { type: 'A', id }, attrs: {}, parents: [{ type: 'A', id: id === 'a' ? 'b' : 'a' }] })),
];

describe('entities in Cedar JSON', () => {
  test('are entities exactly where the official engine says so', () => {
    for (const entities of ENTITIES) {
      const ours = reading(() => Entities.of(entitiesFromJson(entities)));
      same(ours === undefined, isRefused({ entities }), writeJson(entities));
    }
  });

  test('are written as they were', () => {
    const [one] = entitiesFromJson([{ uid: NOBODY, attrs: { a: [1] }, tags: { t: extension('ip', '::1') }, parents: [entity('B')] }]);
    deepEqual(one && [entityToJson(one)].map((json) => entitiesFromJson([json]).map(drawn)), one && [[drawn(one)]]);
  });
});

const drawn = ({ uid: { key }, attrs, tags, parents }: EntityRecord): unknown => [
  key,
  [attrs, tags].map((record) => cedarText(record)),
  parents.map((parent) => parent.key),
];
