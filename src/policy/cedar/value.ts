// Cedar's values as the evaluator holds them. Strings, booleans and integers are JavaScript's own, so that comparing them costs nothing;
// records are maps, so that a key `__proto__` is data.
import type { Long } from './long.ts';

export type Value = boolean | string | Long | EntityUid | CedarSet | CedarRecord | Extension;

/** The name of an entity. */
export class EntityUid {
  readonly type: string;
  readonly id: string;
  #key: string | undefined;

  constructor(type: string, id: string) {
    this.type = type;
    this.id = id;
  }

  /** Injective: a type holds no quote, so the first `::"` ends it. Made when first asked for: the name of a request often is not. */
  get key(): string {
    return (this.#key ??= `${this.type}::"${this.id}`);
  }

  equals(other: EntityUid): boolean {
    return this === other || (this.id === other.id && this.type === other.type);
  }
}

export const uid = (type: string, id: string): EntityUid => new EntityUid(type, id);

export type CedarRecord = ReadonlyMap<string, Value>;
export const EMPTY_RECORD: CedarRecord = new Map();

/** A value of an extension type: `decimal`, `ipaddr`, `datetime`, `duration`. */
export abstract class Extension {
  /** The constructor function in Cedar: `decimal`, `ip`, `datetime`, `duration`. */
  abstract readonly name: ExtensionName;
  /** Equal keys, equal values; also what people are shown inside the constructor. */
  abstract readonly key: string;
}
export type ExtensionName = 'decimal' | 'ip' | 'datetime' | 'duration';

/** A set: no order, no doubles. Plain values are looked up as they are, all others by their key. */
export class CedarSet {
  readonly elements: readonly Value[];
  readonly #plain = new Set<boolean | string | Long>();
  readonly #keys = new Set<string>();

  constructor(elements: Iterable<Value>) {
    const kept: Value[] = [];
    for (const element of elements) {
      if (typeof element === 'object') {
        const key = keyOf(element);
        if (this.#keys.has(key)) continue;
        this.#keys.add(key);
      } else {
        if (this.#plain.has(element)) continue;
        this.#plain.add(element);
      }
      kept.push(element);
    }
    this.elements = kept;
  }

  get size(): number {
    return this.elements.length;
  }

  has(value: Value): boolean {
    return typeof value === 'object' ? this.#keys.has(keyOf(value)) : this.#plain.has(value);
  }

  /** Is every element of `other` in here? */
  includes(other: CedarSet): boolean {
    return other.size <= this.size && other.elements.every((element) => this.has(element));
  }

  meets(other: CedarSet): boolean {
    return this.size < other.size
      ? this.elements.some((element) => other.has(element))
      : other.elements.some((element) => this.has(element));
  }
}

export const isUid = (value: Value | undefined): value is EntityUid => value instanceof EntityUid;
export const isSet = (value: Value | undefined): value is CedarSet => value instanceof CedarSet;
export const isRecord = (value: Value | undefined): value is CedarRecord => value instanceof Map;
export const isExtension = (value: Value | undefined): value is Extension => value instanceof Extension;

/** Cedar's `==`: values of different types are unequal, never an error. */
export function equal(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  if (a instanceof EntityUid) return b instanceof EntityUid && a.equals(b);
  if (a instanceof CedarSet) return b instanceof CedarSet && a.size === b.size && a.includes(b);
  if (a instanceof Extension) return b instanceof Extension && a.name === b.name && a.key === b.key;
  return isRecord(b) && equalRecords(a, b);
}

function equalRecords(a: CedarRecord, b: CedarRecord): boolean {
  if (a.size !== b.size) return false;
  for (const [name, value] of a) {
    const other = b.get(name);
    if (other === undefined || !equal(value, other)) return false;
  }
  return true;
}

/** A text for every value: equal texts exactly for equal values. */
export function keyOf(value: Value): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object') return String(value);
  if (value instanceof EntityUid) return `${value.type}::${JSON.stringify(value.id)}`;
  if (value instanceof Extension) return `${value.name}(${value.key})`;
  if (value instanceof CedarSet) return `[${value.elements.map(keyOf).toSorted().join(',')}]`;
  const members = [...value].map(([name, member]) => `${JSON.stringify(name)}:${keyOf(member)}`);
  return `{${members.toSorted().join(',')}}`;
}
