// Random values in Cedar's JSON form, and values that are nearly another.
import { isJsonArray, isJsonObject, type Json, type JsonObject, writeJson } from '../src/domain/json.ts';
import type { Random } from './random.ts';
import { ALL_UIDS, ELEMENT, ENTITIES, FAMILIES, isSetType, MEMBERS, SCALARS, type Type, TYPES } from './vocabulary.ts';

/** How often a member has a value of another type than its name says. */
const MISTYPED = 0.06;

const MEMBERS_IN_USE = 8;

/** A value's text → those that it is near to. */
const NEAR: ReadonlyMap<string, readonly Json[]> = new Map(
  Object.values(FAMILIES).flatMap((families) => families.flatMap((family) => family.map((value) => [writeJson(value), family] as const))),
);

export class Values {
  readonly #random: Random;
  /** The names of members that are in use, with the type that each mostly has: few, so that what is asked for is often there. */
  readonly members: readonly (readonly [string, Type])[];

  constructor(random: Random) {
    this.#random = random;
    const all = TYPES.flatMap((type) =>
      (random.chance(0.2) ? MEMBERS[type] : [random.pick(MEMBERS[type])]).map((name) => [name, type] as const),
    );
    this.members = random.shuffled(all).slice(0, MEMBERS_IN_USE);
  }

  /** Those of one type; now and then there are none. */
  namesOf(type: Type): readonly string[] {
    return this.members.filter(([, each]) => each === type).map(([name]) => name);
  }

  /** `depth`: how far records and sets of them go on. */
  of(type: Type, depth = 2): Json {
    const random = this.#random;
    if (type === 'record') return this.record(depth);
    if (isSetType(type)) return this.#set(type, depth);
    if (type === 'entity') return { __entity: { ...random.pick(random.chance(0.9) ? ENTITIES : ALL_UIDS) } };
    if (type === 'long' && random.chance(0.1)) return random.between(-100, 100);
    return random.pick(random.pick(FAMILIES[type]));
  }

  record(depth: number, members = 3): JsonObject {
    const random = this.#random;
    const names = random.list(random.below(members + 1), () => random.pick(this.members));
    return Object.fromEntries(names.map(([name, type]) => [name, this.member(type, depth - 1)]));
  }

  /** The value of a member of this type, mostly. */
  member(type: Type, depth: number): Json {
    const given = this.#random.chance(MISTYPED) ? this.#random.pick(TYPES) : type;
    return this.of(depth <= 0 && (given === 'record' || isSetType(given)) ? this.#random.pick(SCALARS) : given, depth);
  }

  #set(type: keyof typeof ELEMENT, depth: number): Json {
    const random = this.#random;
    const first = this.of(ELEMENT[type], depth - 1);
    const others = random.list(random.below(4), () => (random.chance(0.7) ? this.near(first) : this.member(ELEMENT[type], depth - 1)));
    return random.chance(0.1) ? [] : [first, ...others];
  }

  /** The same, the same in another form, or something a little apart. */
  near(value: Json): Json {
    const random = this.#random;
    if (isJsonArray(value)) return this.#nearSet(value);
    if (random.chance(0.05)) return lookAlike(value);
    const family = NEAR.get(writeJson(value));
    if (family !== undefined) return random.pick(family);
    if (!isJsonObject(value)) return typeof value === 'number' ? value + random.between(-1, 1) : value;
    if (isJsonObject(value['__entity'])) return { __entity: this.#nearUid(value['__entity']) };
    return this.#nearRecord(value);
  }

  #nearSet(elements: readonly Json[]): Json {
    const random = this.#random;
    if (elements.length === 0) return random.chance(0.5) ? [] : [[]];
    const one = random.pick(elements);
    return random.pick<() => Json>([
      () => random.shuffled(elements),
      () => random.shuffled([...elements, one]),
      () => random.shuffled([...elements, this.near(one)]),
      () => random.some(elements, 0.6),
      () => elements.map((element) => (element === one ? this.near(one) : element)),
    ])();
  }

  #nearRecord(record: JsonObject): JsonObject {
    const random = this.#random;
    const members = Object.entries(record);
    const [name, member] = members.length === 0 ? ['n', 1] : random.pick(members);
    return Object.fromEntries(
      random.pick<() => readonly (readonly [string, Json])[]>([
        () => random.shuffled(members),
        () => random.shuffled(members),
        () => members.filter(([other]) => other !== name),
        () => members.map(([other, value]) => [other, other === name ? this.near(member) : value] as const),
        () => [...members, ['m', member] as const],
      ])(),
    );
  }

  #nearUid({ type = '', id = '' }: JsonObject): JsonObject {
    const near = ALL_UIDS.filter((uid) => uid.type === type || uid.id === id);
    return { ...this.#random.pick(near.length === 0 ? ALL_UIDS : near) };
  }
}

/** Of another type, though it reads the same. */
function lookAlike(value: Json): Json {
  if (typeof value === 'string') return /^-?(?:0|[1-9]\d{0,9})$/.test(value) ? Number(value) : value === 'true' ? true : [value];
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
}
