// Resident entities and the scope index: a change worked out by delta is what building anew would give, and an index that answers from
// memory answers as one that was just made.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { authorize, CompiledSet, scopeKeysIn } from '../src/policy/cedar/compiled-set.ts';
import { Entities } from '../src/policy/cedar/entities.ts';
import type { EntityRecord } from '../src/policy/cedar/entity.ts';
import type { EstPolicy, EstScope } from '../src/policy/cedar/est.ts';
import { type CedarRecord, uid } from '../src/policy/cedar/value.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'] as const;
const entity = (name: string): ReturnType<typeof uid> => uid(name < 'd' ? 'Low' : 'High', name);
const record = (name: string, parents: readonly string[], mark = 0): EntityRecord => ({
  uid: entity(name),
  attrs: new Map([['mark', mark]]),
  tags: new Map(),
  parents: parents.map(entity),
});

/** Parents only from later names: no cycles. A name may be missing, so parents dangle. */
const records = fc.array(fc.tuple(fc.constantFrom(...NAMES), fc.subarray([...NAMES]), fc.nat(2))).map((all) => {
  const byName = new Map(
    all.map(([name, parents, mark]) => [
      name,
      record(
        name,
        parents.filter((parent) => parent > name),
        mark,
      ),
    ]),
  );
  return [...byName.values()];
});

const drawn = (entities: Entities): readonly string[] =>
  entities
    .all()
    .map(({ uid: { key }, attrs }) =>
      JSON.stringify([key, [...attrs], [...(entities.get(uid(...split(key)))?.ancestors ?? [])].toSorted()]),
    )
    .toSorted();
const split = (key: string): [string, string] => {
  const [type = '', id = ''] = key.split('::"');
  return [type, id];
};

test('[DESIGN-5] entities changed by delta are those built anew', () => {
  fc.assert(
    fc.property(records, records, fc.subarray([...NAMES]), (before, changes, removed) => {
      const base = Entities.of(before);
      const kept = drawn(base);
      const changed = base.with(changes, removed.map(entity));
      const gone = new Set(removed.map((name) => entity(name).key));
      const expected = new Map(before.filter((one) => !gone.has(one.uid.key)).map((one) => [one.uid.key, one]));
      for (const one of changes) expected.set(one.uid.key, one);
      assert.deepEqual(drawn(changed), drawn(Entities.of(expected.values())));
      assert.deepEqual(drawn(base), kept, 'the value that was changed is as it was');
    }),
    { numRuns: 1000 },
  );
});

test('[I10] entities that cannot be are refused: cycles, two of one name that differ, a chain without end', () => {
  const table: readonly (readonly [string, readonly EntityRecord[], RegExp])[] = [
    ['its own parent', [record('a', ['a'])], /its own ancestor/],
    ['a circle', [record('a', ['b']), record('b', ['c']), record('c', ['a'])], /its own ancestor/],
    ['a circle with a way in', [record('f', ['a']), record('a', ['b']), record('b', ['a'])], /its own ancestor/],
    ['twins that differ', [record('a', [], 1), record('a', [], 2)], /of one name differ/],
  ];
  for (const [name, all, message] of table) assert.throws(() => Entities.of(all), message, name);
  assert.equal(Entities.of([record('a', ['b']), record('a', ['b'])]).size, 1);
  const circle = Entities.of([record('a', ['b']), record('b', ['c'])]);
  assert.throws(() => circle.with([record('c', ['a'])]), /its own ancestor/);
  const chain = Array.from({ length: 20_000 }, (_, at): EntityRecord => ({
    ...record('a', []),
    uid: uid('N', `${at}`),
    parents: [uid('N', `${at + 1}`)],
  }));
  assert.throws(() => Entities.of(chain), /more than 1000 ancestors/);
});

const open: EstScope = { op: 'All' };
const scopes = fc.oneof(
  fc.constant(open),
  fc.constantFrom(...NAMES).map((name): EstScope => ({ op: '==', entity: entity(name) })),
  fc.constantFrom(...NAMES).map((name): EstScope => ({ op: 'in', entity: entity(name) })),
  fc.constantFrom('Low', 'High').map((type): EstScope => ({ op: 'is', entity_type: type })),
  fc
    .tuple(fc.constantFrom('Low', 'High'), fc.constantFrom(...NAMES))
    .map(([type, name]): EstScope => ({ op: 'is', entity_type: type, in: { entity: entity(name) } })),
);
const actions = fc.oneof(
  fc.constant(open),
  fc.subarray([...NAMES], { minLength: 1 }).map((names): EstScope => ({ op: 'in', entities: names.map(entity) })),
);
const policies = fc.array(fc.tuple(scopes, actions, scopes), { minLength: 1, maxLength: 12 });

/** What a scope says, read from its definition. */
function holds(scope: EstScope, name: string, entities: Entities): boolean {
  const one = entity(name);
  const isIn = (id: string): boolean => one.key === entity(id).key || (entities.get(one)?.ancestors.has(entity(id).key) ?? false);
  if (scope.op === 'All') return true;
  if (scope.op === 'is')
    return one.type === scope.entity_type && (scope.in === undefined || holds({ op: 'in', ...scope.in }, name, entities));
  const ids = 'entities' in scope ? scope.entities : 'entity' in scope ? [scope.entity] : [];
  return ids.map((target) => ('id' in target ? target.id : target.__entity.id)).some((id) => (scope.op === '==' ? id === name : isIn(id)));
}

test('[Cedar] the index finds exactly the policies whose scope holds, however often it was asked and changed', () => {
  const names = fc.constantFrom(...NAMES);
  fc.assert(
    fc.property(policies, records, fc.array(fc.tuple(names, names, names), { maxLength: 6 }), fc.nat(), (scoped, stored, asked, victim) => {
      const entities = Entities.of(stored);
      const set = new CompiledSet();
      const est = ([principal, action, resource]: readonly [EstScope, EstScope, EstScope]): EstPolicy => ({
        effect: 'permit',
        principal,
        action,
        resource,
        conditions: [],
      });
      const check = (left: ReadonlySet<number>): void => {
        for (const [p, a, r] of [...asked, ...asked]) {
          const found = set.candidates({ principal: entity(p), action: entity(a), resource: entity(r) }, entities).map(({ id }) => id);
          const expected = [...left].filter((at: number): boolean => {
            const [principal, action, resource]: readonly EstScope[] = scoped[at] ?? [];
            return holds(principal ?? open, p, entities) && holds(action ?? open, a, entities) && holds(resource ?? open, r, entities);
          });
          assert.deepEqual(found.toSorted(), expected.map((at) => `p${at}`).toSorted());
        }
      };
      const all = new Set<number>();
      for (const [at, one] of scoped.entries()) {
        set.add(`p${at}`, est(one));
        all.add(at);
        if (at === scoped.length >> 1) check(all);
      }
      check(all);
      all.delete(victim % scoped.length);
      set.remove(`p${victim % scoped.length}`);
      check(all);
    }),
    { numRuns: 500 },
  );
});

test('what was found for an entity is not believed once the entity stands elsewhere', () => {
  const set = new CompiledSet();
  set.add('in-f', { effect: 'permit', principal: { op: 'in', entity: entity('f') }, action: open, resource: open, conditions: [] });
  const asked = { principal: entity('a'), action: entity('b'), resource: entity('c'), context: new Map() satisfies CedarRecord };
  const below = Entities.of([record('a', ['f']), record('b', []), record('c', [])]);
  const moved = below.with([record('a', [])]);
  assert.equal(authorize(set, asked, below).allowed, true);
  assert.equal(authorize(set, asked, moved).allowed, false);
  assert.equal(authorize(set, asked, below).allowed, true);
  assert.deepEqual(scopeKeysIn(moved, entity('a')), ['*', '=Low::"a', ':Low', '^Low::"a']);
});
