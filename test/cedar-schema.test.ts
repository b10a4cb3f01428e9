// Requests and entities guided by a schema, against the official engine: what that refuses we refuse, and what both take is the same.
import { deepEqual, equal as same, ok, throws } from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Json, type JsonObject, writeJson } from '../src/domain/json.ts';
import { Entities } from '../src/policy/cedar/entities.ts';
import type { EntityRecord } from '../src/policy/cedar/entity.ts';
import { CedarInputError } from '../src/policy/cedar/input-error.ts';
import { CedarSchema } from '../src/policy/cedar/schema-types.ts';
import { type CedarRecord, EMPTY_RECORD, type EntityUid, equal, uid, type Value } from '../src/policy/cedar/value.ts';
import { cedarText } from './support/cedar-text.ts';
import { asking, official, reading } from './support/oracle.ts';

const TEXT = `
  entity Color enum ["red", "green"];
  entity Org;
  entity Group in [Org];
  entity Lone;
  type Spot = { x: Long, y?: N::Number };
  entity User in [Group, Color] = {
    name: String, flag?: Bool, color?: Color, colors?: Set<Color>, ip?: ipaddr, at?: datetime, every?: duration, price?: decimal,
    group?: Group, spot?: Spot, spots?: Set<Spot>, action?: Action,
  } tags Color;
  action top;
  action mid in [top];
  action view in [mid] appliesTo { principal: [User, Color], resource: [User, N::Doc], context: N::Shape };
  namespace N {
    type Number = __cedar::Long;
    type Shape = { spot: Spot, doc?: Doc, color?: Color, ips?: Set<ipaddr>, action?: Action };
    entity Doc in [Doc] = { next?: Doc, open: Bool };
    action "do it" in [Action::"top", "batch"] appliesTo { principal: User, resource: Doc, context: {} };
    action batch;
  }`;

/** As a person writes it, and with every name resolved. */
const [schema, resolved] = [official.schemaToJson(TEXT), official.schemaToJsonWithResolvedTypes(TEXT)].map((json) => {
  ok(!Array.isArray(json), JSON.stringify(json));
  return new CedarSchema(json);
});
ok(schema !== undefined && resolved !== undefined);

// — what may be sent

interface Pool {
  /** Undefined: absent. */
  readonly right: readonly (Json | undefined)[];
  readonly wrong: readonly Json[];
}
type Pools = Readonly<Record<string, Pool>>;

const RED = { type: 'Color', id: 'red' };
const BLUE = { type: 'Color', id: 'blue' };
const VIEW = { type: 'Action', id: 'view' };
const extension = (fn: string, ...args: readonly Json[]): JsonObject => ({ __extn: { fn, args } });

const ATTRIBUTES: Pools = {
  name: { right: ['x', ''], wrong: [1, { type: 'User', id: 'u' }] },
  flag: { right: [true], wrong: ['true', null] },
  color: {
    right: [RED, { __entity: RED }, { __entity: 1, ...RED }, { ...RED, more: 1 }, { __entity: RED, type: 'Color', id: 'green' }],
    wrong: [BLUE, 'red', { type: 'Group', id: 'red' }, { __expr: 'x', ...RED }],
  },
  colors: { right: [[], [RED], [{ __entity: RED }, RED]], wrong: [[BLUE], RED, [[RED]]] },
  ip: {
    right: ['::1', { fn: 'ip', arg: '::1/128' }, extension('ip', '::2')],
    wrong: ['x', 1, extension('decimal', '1.0'), { fn: 'isIpv4', arg: '::1' }],
  },
  at: {
    right: [
      '2024-02-29',
      { fn: 'offset', args: ['1970-01-01', '-5ms'] },
      { fn: 'toDate', arg: { fn: 'datetime', arg: '1969-12-31T12:00:00Z' } },
    ],
    wrong: [['1970-01-01'], '2023-02-29', { fn: 'offset', args: ['1970-01-01'] }],
  },
  every: {
    right: ['1d', '24h', { fn: 'durationSince', args: ['1970-01-02', extension('datetime', '1970-01-01')] }],
    wrong: [{ fn: 'duration', args: [] }, '1'],
  },
  price: {
    right: ['1.0', { __extn: 1, fn: 'decimal', arg: '1.00' }, { ...extension('decimal', '2.0'), fn: 'decimal', arg: '3.0' }],
    wrong: [1, { __expr: 'x', fn: 'decimal', arg: '1.0' }],
  },
  group: { right: [{ type: 'Group', id: 'g' }], wrong: ['Group::"g"', { type: 'Org', id: 'g' }, { type: 'Group' }] },
  spot: { right: [{ x: 1 }, { x: 1, y: 2n ** 63n - 1n }], wrong: [{ x: 1, y: '1' }, { y: 1 }, { x: 1, z: 1 }, [1], { __entity: RED }] },
  spots: {
    right: [[{ x: 1 }, { x: 2, y: 1 }]],
    wrong: [
      [{ x: 1 }, { y: 1 }],
      [{ x: 1 }, 1],
    ],
  },
  action: {
    right: [VIEW, { type: 'Action', id: 'top' }],
    wrong: [
      { type: 'Action', id: 'nope' },
      { type: 'N::Action', id: 'do it' },
    ],
  },
  unknown: { right: [undefined], wrong: [1] },
};
const CONTEXT: Pools = {
  spot: { right: [{ x: 1 }, { x: 1, y: 3 }], wrong: [{ x: '1' }, {}] },
  doc: { right: [{ type: 'N::Doc', id: 'd' }], wrong: [{ type: 'Doc', id: 'd' }, 'd'] },
  color: { right: [RED], wrong: [BLUE] },
  ips: { right: [[], ['::1', extension('ip', '1.2.3.4/8')]], wrong: [['x']] },
  action: { right: [VIEW], wrong: [{ type: 'Action', id: 'nope' }] },
  unknown: { right: [undefined], wrong: [1] },
};

/** Half of the members, and nearly always the one that is required; one in twenty is wrong. */
const record = (pools: Pools, required: string): fc.Arbitrary<JsonObject> =>
  fc
    .tuple(
      ...Object.entries(pools).map(([name, { right, wrong }]) =>
        fc.oneof(
          { weight: name === required ? 1 : 20, arbitrary: fc.constant(undefined) },
          { weight: 20, arbitrary: fc.constantFrom(...right) },
          { weight: 1, arbitrary: fc.constantFrom(...wrong) },
        ),
      ),
    )
    .map((members) => {
      const named = members.map((member, at): [string, Json | undefined] => [Object.keys(pools)[at] ?? '', member]);
      return Object.fromEntries(named.flatMap(([name, member]) => (member === undefined ? [] : [[name, member] satisfies [string, Json]])));
    });

type Name = readonly [type: string, id: string];
const anyOf = (...names: readonly Name[]): fc.Arbitrary<JsonObject> => fc.constantFrom(...names.map(([type, id]) => ({ type, id })));
const often = <T>(value: T): T[] => Array.from({ length: 15 }, () => value);

const entities = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      uid: anyOf(...often<Name>(['User', 'u']), ['User', 'v']),
      attrs: record(ATTRIBUTES, 'name'),
      tags: fc.constantFrom<JsonObject[]>(...often({}), ...often({ t: RED }), { t: BLUE }, { t: 1 }),
      parents: fc.array(
        anyOf(...often<Name>(['Group', 'g']), ['Group', 'h'], ['Color', 'red'], ['Org', 'o'], ['Color', 'blue'], ['Lone', 'l']),
        {
          maxLength: 2,
        },
      ),
    }),
  },
  fc.record({
    uid: anyOf(['Group', 'g'], ['N::Doc', 'd'], ['Org', 'o'], ['Color', 'red'], ['Color', 'blue'], ['Nope', 'n']),
    attrs: fc.constantFrom<JsonObject[]>({}, { open: true }),
    tags: fc.constantFrom<JsonObject[]>(...often({}), { t: RED }),
    parents: fc.array(anyOf(['Org', 'o'], ['N::Doc', 'e'], ['Group', 'g']), { maxLength: 1 }),
  }),
  fc.record({
    uid: anyOf(['Action', 'view'], ['Action', 'mid'], ['Action', 'top'], ['Action', 'nope'], ['N::Action', 'do it']),
    attrs: fc.constantFrom<JsonObject[]>(...often({}), { x: 1 }),
    tags: fc.constantFrom<JsonObject[]>(...often({}), { x: 1 }),
    parents: fc.subarray<JsonObject>([
      { type: 'Action', id: 'mid' },
      { type: 'Action', id: 'top' },
      { type: 'N::Action', id: 'batch' },
    ]),
  }),
);

const requests = fc.record({
  principal: anyOf(...often<Name>(['User', 'u']), ['Color', 'red'], ['Color', 'blue'], ['Org', 'o'], ['Nope', 'n']),
  action: anyOf(
    ...often<Name>(['Action', 'view']),
    ['Action', 'view'],
    ['N::Action', 'do it'],
    ['Action', 'top'],
    ['Action', 'nope'],
    ['User', 'view'],
  ),
  resource: anyOf(...often<Name>(['N::Doc', 'd']), ['User', 'u'], ['Doc', 'd'], ['Color', 'red']),
  context: fc.oneof({ weight: 6, arbitrary: record(CONTEXT, 'spot') }, fc.constantFrom<JsonObject[]>({}, { __entity: RED })),
});

// — what is read

interface Candidate {
  readonly name: string;
  readonly value: Value;
  /** True where a member of that name has that value. */
  readonly text: string;
}

/** Every value that a member may come to have. */
const candidatesIn = (pools: Pools, subject: string, read: (members: JsonObject) => CedarRecord): readonly Candidate[] =>
  Object.entries(pools).flatMap(([name, { right }]) =>
    right.flatMap((json) => {
      const value = json === undefined ? undefined : read({ [name]: json }).get(name);
      return value === undefined ? [] : [{ name, value, text: `${subject}.${name} == ${cedarText(value)}` }];
    }),
  );

const trueOf = (members: CedarRecord, candidates: readonly Candidate[]): ReadonlySet<string> =>
  new Set(
    candidates.flatMap(({ name, value, text }) => {
      const member = members.get(name);
      return member !== undefined && equal(member, value) ? [text] : [];
    }),
  );

const drawn = ({ uid: { key }, attrs, tags, parents }: EntityRecord): unknown => [
  key,
  cedarText(attrs),
  cedarText(tags),
  parents.map((one) => one.key),
];

function uidIn({ type, id }: JsonObject): EntityUid {
  ok(typeof type === 'string' && typeof id === 'string');
  return uid(type, id);
}

describe('guided by a schema', () => {
  test('entities are taken and read as by the official engine', () => {
    const user = uid('User', 'u');
    const attributes = (members: JsonObject): CedarRecord => {
      const one = { uid: { type: 'User', id: 'u' }, attrs: { name: 'x', ...members }, parents: [] };
      return schema.entitiesFromJson([one]).get(user)?.record.attrs ?? EMPTY_RECORD;
    };
    const candidates = candidatesIn(ATTRIBUTES, cedarText(user), attributes);
    const ask = asking(
      candidates.map(({ text }) => text),
      TEXT,
    );
    const request = { principal: { type: 'User', id: 'w' }, action: VIEW, resource: { type: 'User', id: 'w' } };
    const taken = { yes: 0, no: 0 };
    fc.assert(
      fc.property(fc.array(entities, { minLength: 1, maxLength: 2 }), (json) => {
        const [ours, other] = [schema, resolved].map((form) => reading(() => form.entitiesFromJson(json)));
        const theirs = ask({ entities: json, request, context: { spot: { x: 1 } } });
        same(ours === undefined, theirs === undefined, writeJson(json));
        deepEqual(other?.all().map(drawn), ours?.all().map(drawn));
        if (ours !== undefined) deepEqual(theirs?.held, trueOf(ours.get(user)?.record.attrs ?? EMPTY_RECORD, candidates));
        taken[ours === undefined ? 'no' : 'yes']++;
      }),
      { numRuns: 800, seed: 20_261_122 },
    );
    ok(Math.min(taken.yes, taken.no) > 150, JSON.stringify(taken));
  });

  test('requests are taken and read as by the official engine', () => {
    const view = uid('Action', 'view');
    const candidates = candidatesIn(CONTEXT, 'context', (members) => schema.contextFromJson(view, { spot: { x: 1 }, ...members }));
    const ask = asking(
      candidates.map(({ text }) => text),
      TEXT,
    );
    const taken = { yes: 0, no: 0 };
    fc.assert(
      fc.property(requests, (json) => {
        const request = { principal: uidIn(json.principal), action: uidIn(json.action), resource: uidIn(json.resource) };
        const [ours, other] = [schema, resolved].map((form) => reading(() => contextOf(form, request, json.context)));
        const theirs = ask({ request, context: json.context });
        same(ours === undefined, theirs === undefined, writeJson(json));
        same(other && cedarText(other), ours && cedarText(ours));
        if (ours !== undefined) deepEqual(theirs?.held, trueOf(ours, candidates));
        taken[ours === undefined ? 'no' : 'yes']++;
      }),
      { numRuns: 1500, seed: 20_261_122 },
    );
    ok(Math.min(taken.yes, taken.no) > 150, JSON.stringify(taken));
  });

  test('without the check of types, a context is still read by its shape', () => {
    const view = uid('Action', 'view');
    same(schema.contextFromJson(view, { spot: { x: 'a text' } }).size, 1);
    for (const [context, where] of [
      [{}, '.spot'],
      [{ spot: {} }, '.spot.x'],
      [{ spot: { x: 1 }, more: 1 }, '.more'],
      [{ spot: { x: 1 }, ips: ['tok_5f2c'] }, '.ips[0]'],
    ] as const) {
      throws(
        () => schema.contextFromJson(view, context),
        (error) => error instanceof CedarInputError && error.message.startsWith(`\`${where}`) && !error.message.includes('tok'),
      );
    }
  });

  test('entities that came another way are held to the same', () => {
    const one: EntityRecord = { uid: uid('Group', 'g'), attrs: EMPTY_RECORD, tags: EMPTY_RECORD, parents: [] };
    const some: CedarRecord = new Map([['x', true]]);
    const top = uid('Action', 'top');
    schema.validateEntities(Entities.of([one, ...schema.actionEntities()]));
    for (const wrong of [{ attrs: some }, { tags: some }, { uid: uid('Nope', 'g') }, { uid: top, attrs: some }, { uid: top, tags: some }]) {
      throws(() => schema.validateEntities(Entities.of([{ ...one, ...wrong }])), CedarInputError);
    }
  });

  test('the declared actions stand in their groups', () => {
    const groups = (form: CedarSchema): unknown =>
      form
        .actionEntities()
        .map(({ uid: { key }, parents }) => [key, ...parents.map((parent) => parent.key)].join(' < '))
        .toSorted();
    deepEqual(groups(schema), [
      'Action::"mid < Action::"top',
      'Action::"top',
      'Action::"view < Action::"mid',
      'N::Action::"batch',
      'N::Action::"do it < Action::"top < N::Action::"batch',
    ]);
    deepEqual(groups(resolved), groups(schema));
    deepEqual(schema.entitiesFromJson([]).all(), schema.actionEntities());
  });

  test('what is no schema is refused', () => {
    const shaped = (shape: unknown): unknown => ({ '': { entityTypes: { A: { shape } }, actions: {} } });
    const loop = {
      '': { commonTypes: { X: { type: 'Set', element: { type: 'X' } } }, entityTypes: { A: { tags: { type: 'X' } } }, actions: {} },
    };
    const open = { type: 'Record', attributes: {}, additionalAttributes: true };
    const orphan = { '': { entityTypes: {}, actions: { a: { memberOf: [{ id: 'b' }] } } } };
    for (const bad of [1, [], { '': 1 }, shaped({ type: 'String' }), shaped({ type: 'Nope' }), shaped(open), loop, orphan]) {
      throws(() => new CedarSchema(bad), Error, JSON.stringify(bad));
    }
  });
});

/** The context of a valid request. */
function contextOf(form: CedarSchema, request: { principal: EntityUid; action: EntityUid; resource: EntityUid }, json: Json): CedarRecord {
  const context = form.contextFromJson(request.action, json);
  form.validateRequest({ ...request, context });
  return context;
}
