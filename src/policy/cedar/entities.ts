// The entities that decisions look into: resident, each with all its ancestors worked out once. A value: a change makes a new one that
// shares whatever did not change, so a decision under way never sees half of it.
import type { EntityRecord } from './entity.ts';
import { type EntityUid, equal } from './value.ts';

/** An entity with what decisions ask of it. */
export class Resident {
  readonly record: EntityRecord;
  /** Keys of all ancestors; a parent that is not stored is an ancestor too. */
  readonly ancestors: ReadonlySet<string>;
  /** Under which a scope index finds the policies whose scope this entity meets. */
  readonly scopeKeys: readonly string[];

  constructor(record: EntityRecord, ancestors: ReadonlySet<string>, scopeKeys = scopeKeysOf(record.uid, ancestors)) {
    this.record = record;
    this.ancestors = ancestors;
    this.scopeKeys = scopeKeys;
  }
}

const NO_ANCESTORS: ReadonlySet<string> = new Set();

/** `*` open, `=` this one, `:` of this type, `^` in this one or an ancestor. */
export function scopeKeysOf({ type, key }: EntityUid, ancestors: ReadonlySet<string> = NO_ANCESTORS): readonly string[] {
  return ['*', `=${key}`, `:${type}`, `^${key}`, ...[...ancestors].filter((one) => one !== key).map((one) => `^${one}`)];
}

/** More ancestors than this no entity has: a chain as long would cost quadratic memory. */
const MAX_ANCESTORS = 1000;

/** What a decision looks into. */
export interface EntityView {
  get(one: EntityUid): Resident | undefined;
}

/** Is `one` this entity, or below it? */
export const isIn = (entities: EntityView, one: EntityUid, above: EntityUid): boolean =>
  one.equals(above) || (entities.get(one)?.ancestors.has(above.key) ?? false);

/** Entities of one request over those that are stored; one that is stored is not replaced. Their parents are all their ancestors. */
export class Overlay implements EntityView {
  readonly #stored: EntityView;
  readonly #own: ReadonlyMap<string, Resident>;

  constructor(stored: EntityView, own: readonly EntityRecord[]) {
    this.#stored = stored;
    this.#own = new Map(own.map((record) => [record.uid.key, new Resident(record, ancestorsOf(record))]));
  }

  get(one: EntityUid): Resident | undefined {
    return this.#stored.get(one) ?? this.#own.get(one.key);
  }
}

const ancestorsOf = ({ parents }: EntityRecord): ReadonlySet<string> =>
  parents.length === 0 ? NO_ANCESTORS : new Set(parents.map(({ key }) => key));

type Residents = Map<string, Resident>;

export class Entities implements EntityView {
  /** By type, then id. */
  readonly #residents: ReadonlyMap<string, Residents>;

  private constructor(residents: ReadonlyMap<string, Residents>) {
    this.#residents = residents;
  }

  /** @throws Error when entities are their own ancestors, have too many, or two of one name differ */
  static of(records: Iterable<EntityRecord>): Entities {
    return new Entities(new Map()).with(records);
  }

  get size(): number {
    return [...this.#residents.values()].reduce((sum, { size }) => sum + size, 0);
  }

  get({ type, id }: EntityUid): Resident | undefined {
    return this.#residents.get(type)?.get(id);
  }

  /** The entities of one type, or all. */
  all(type?: string): readonly EntityRecord[] {
    const ofType = type === undefined ? [...this.#residents.values()] : [this.#residents.get(type) ?? new Map<string, Resident>()];
    return ofType.flatMap((residents) => Array.from(residents.values(), ({ record }) => record));
  }

  /** These entities stored or replaced, and those removed. Works out anew only what changed and what is below it. @throws Error as `of` */
  with(stored: Iterable<EntityRecord>, removed: Iterable<EntityUid> = []): Entities {
    const draft = new Draft(this.#residents);
    const moved = new Set<string>();
    for (const one of removed) {
      draft.delete(one);
      moved.add(one.key);
    }
    for (const record of changesOf(stored)) {
      const old = draft.get(record.uid);
      if (old !== undefined && sameParents(old.record, record)) draft.set(new Resident(record, old.ancestors, old.scopeKeys));
      else {
        draft.wait(record);
        moved.add(record.uid.key);
      }
    }
    if (moved.size > 0) draft.waitBelow(moved);
    draft.settle();
    return new Entities(draft.residents);
  }
}

/** Entities being changed: what is settled has its ancestors, what waits does not yet. The map of a type is copied when first touched. */
class Draft {
  readonly residents: Map<string, Residents>;
  readonly #owned = new Set<string>();
  readonly #waiting = new Map<string, EntityRecord>();

  constructor(residents: ReadonlyMap<string, Residents>) {
    this.residents = new Map(residents);
  }

  get({ type, id }: EntityUid): Resident | undefined {
    return this.residents.get(type)?.get(id);
  }

  set(resident: Resident): void {
    this.#ownedMap(resident.record.uid.type).set(resident.record.uid.id, resident);
  }

  delete({ type, id }: EntityUid): void {
    this.#ownedMap(type).delete(id);
  }

  wait(record: EntityRecord): void {
    this.delete(record.uid);
    this.#waiting.set(record.uid.key, record);
  }

  /** What stands below something that moved has to be worked out anew too. */
  waitBelow(moved: ReadonlySet<string>): void {
    const below = [...this.residents.values()].flatMap((ofType) => [...ofType.values()]).filter(({ ancestors }) => meet(moved, ancestors));
    for (const { record } of below) this.wait(record);
  }

  /** Parents before children, without recursion: a chain may be long. */
  settle(): void {
    const entered = new Set<string>();
    for (const start of this.#waiting.values()) {
      const path = [start];
      for (let record = path.at(-1); record !== undefined; record = path.at(-1)) {
        if (this.get(record.uid) !== undefined) {
          path.pop();
          continue;
        }
        entered.add(record.uid.key);
        const above = record.parents.flatMap((parent) => (this.get(parent) === undefined ? (this.#waiting.get(parent.key) ?? []) : []));
        const cycle = above.find(({ uid }) => entered.has(uid.key));
        if (cycle !== undefined) throw new Error(`an entity \`${cycle.uid.type}\` is its own ancestor`);
        if (above.length === 0) this.set(new Resident(record, this.#ancestorsOf(record)));
        path.push(...above);
      }
    }
  }

  #ancestorsOf({ uid, parents }: EntityRecord): ReadonlySet<string> {
    if (parents.length === 0) return NO_ANCESTORS;
    const ancestors = new Set(parents.map(({ key }) => key));
    for (const parent of parents) for (const above of this.get(parent)?.ancestors ?? NO_ANCESTORS) ancestors.add(above);
    if (ancestors.size <= MAX_ANCESTORS) return ancestors;
    throw new Error(`an entity \`${uid.type}\` has more than ${MAX_ANCESTORS} ancestors`);
  }

  #ownedMap(type: string): Residents {
    const known = this.residents.get(type);
    if (known !== undefined && this.#owned.has(type)) return known;
    const own = new Map(known);
    this.residents.set(type, own);
    this.#owned.add(type);
    return own;
  }
}

function meet(some: ReadonlySet<string>, others: ReadonlySet<string>): boolean {
  for (const one of others) if (some.has(one)) return true;
  return false;
}

function changesOf(stored: Iterable<EntityRecord>): Iterable<EntityRecord> {
  const changes = new Map<string, EntityRecord>();
  for (const record of stored) {
    const twin = changes.get(record.uid.key);
    if (twin !== undefined && !same(twin, record)) throw new Error(`two entities \`${record.uid.type}\` of one name differ`);
    changes.set(record.uid.key, record);
  }
  return changes.values();
}

const same = (a: EntityRecord, b: EntityRecord): boolean => equal(a.attrs, b.attrs) && equal(a.tags, b.tags) && sameParents(a, b);

function sameParents(a: EntityRecord, b: EntityRecord): boolean {
  const keys = new Set(a.parents.map(({ key }) => key));
  return keys.size === new Set(b.parents.map(({ key }) => key)).size && b.parents.every(({ key }) => keys.has(key));
}
