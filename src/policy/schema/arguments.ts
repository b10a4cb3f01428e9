// The arguments of one call as Cedar values, or a refusal. Nothing is rounded, coerced or guessed: what policy sees is what is forwarded.
// attacker-controlled: the values come from an agent that may be hostile.
//
// INVARIANT: whatever a shape says, a value is read as what it is or refused, and no property is left out. So a shape that is wrong
// about its server makes refusals, never a policy that takes an argument for absent, or for another value.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { Refusal } from '../../domain/refusal.ts';
import type { EntityRecord } from '../cedar/entity.ts';
import { EvaluationError } from '../cedar/evaluation-error.ts';
import { type Long, LONG_MAX, LONG_MIN, longOf } from '../cedar/long.ts';
import { type CedarRecord, CedarSet, EMPTY_RECORD, type EntityUid, type Extension, uid, type Value } from '../cedar/value.ts';
import { itemName, type JsonType, jsonType, NAMES, type Open, type RecordShape, REST, type Shape, type TupleShape } from './shape.ts';
import { decimalOf, FORMATS } from './string-formats.ts';

/** The entity type of values that Cedar has no type for; the id is their canonical JSON, so equal ids are equal values. */
export const UNTYPED = 'Untyped';

export interface Arguments {
  /** `context.input`: a record, or the entity of an open one. */
  readonly value: Value;
  /** The open records in it: entities of this request alone, without parents, named by their content. */
  readonly entities: readonly EntityRecord[];
}

/**
 * `input` as the value that the policies were validated against.
 * @throws Refusal CORDON-3006: a property is missing or not declared, or a value has another type or cannot be held exactly. The message
 * names the property, never its value.
 */
export function argumentsOf(input: JsonObject, shape: RecordShape): Arguments {
  const reader = new Reader();
  const value = reader.read(input, shape, '');
  return { value, entities: [...reader.entities.values()] };
}

class Reader {
  readonly entities = new Map<string, EntityRecord>();

  read(value: Json, shape: Shape, path: string): Value {
    switch (shape.kind) {
      case 'string':
        return listed(textOf(value, shape, path), shape.allowed, path);
      case 'formatted':
        return exact(value, shape, path, () => FORMATS[shape.format].read(textOf(value, shape, path)), FORMATS[shape.format].expected);
      case 'long':
        return integerOf(value, shape, path);
      case 'decimal':
        return exact(value, shape, path, () => (isNumber(value) ? decimalOf(String(value)) : undefined), DECIMAL);
      case 'boolean':
        return typeof value === 'boolean' ? value : misfit(path, shape, value);
      case 'null':
        return value === null || misfit(path, shape, value);
      case 'set':
        return this.#set(value, shape.element, path, 0);
      case 'tuple':
        return this.#tuple(value, shape, path);
      case 'record':
        return this.#record(value, shape, path);
      case 'union': {
        const member = shape.members.find((one) => jsonType(one) === typeOf(value)) ?? misfit(path, shape, value, typesOf(shape.members));
        return new Map([[NAMES[member.kind], this.read(value, member, path)]]);
      }
      case 'opaque':
        return uid(UNTYPED, canonical(value));
    }
  }

  #record(value: Json, shape: RecordShape, path: string): Value {
    if (!isJsonObject(value)) return misfit(path, shape, value);
    const attrs = this.#fields(value, shape, path);
    if (shape.open !== undefined) return this.#entity(value, shape.fields, shape.open, attrs, path);
    const stray = Object.keys(value).find((name) => !shape.fields.has(name));
    if (stray === undefined) return attrs;
    throw new Refusal('CORDON-3006', `argument \`${shown(`${path}.${stray}`)}\` is not declared`, {
      expected: someOf(shape.fields.keys()),
    });
  }

  #entity(value: JsonObject, fields: RecordShape['fields'], { type, rest, tag }: Open, attrs: CedarRecord, path: string): EntityUid {
    const tags = new Map<string, Value>();
    for (const [name, sent] of Object.entries(value)) {
      const at = `${path}.${name}`;
      if (!name.isWellFormed()) throw new Refusal('CORDON-3006', `the name of argument \`${shown(at)}\` is not well-formed Unicode`);
      if (sent === null && fields.get(name)?.nullIsAbsent === true) continue;
      if (rest !== tag && !fields.has(name)) new Reader().read(sent, rest, at); // whether it fits: what it is read as is its tag
      tags.set(name, this.read(sent, tag, at));
    }
    const entity = uid(type, canonical(value));
    this.entities.set(entity.key, { uid: entity, attrs, tags, parents: [] });
    return entity;
  }

  #fields(value: JsonObject, { fields }: RecordShape, path: string): CedarRecord {
    if (fields.size === 0) return EMPTY_RECORD;
    const attrs = new Map<string, Value>();
    for (const [name, field] of fields) {
      const sent = Object.hasOwn(value, name) ? value[name] : undefined;
      if (sent === undefined) {
        if (field.required) throw new Refusal('CORDON-3006', `argument \`${shown(`${path}.${name}`)}\` is missing`);
      } else if (sent !== null || !field.nullIsAbsent) attrs.set(name, this.read(sent, field.shape, `${path}.${name}`));
    }
    return attrs;
  }

  #tuple(value: Json, shape: TupleShape, path: string): Value {
    if (!isJsonArray(value)) return misfit(path, shape, value);
    const { items, required, rest } = shape;
    if (value.length < required) return misfit(path, shape, value, `at least ${required} elements`);
    if (value.length > items.length && rest === undefined) return misfit(path, shape, value, `at most ${items.length} elements`);
    const members = items
      .slice(0, value.length)
      .map((item, at) => [itemName(at), this.read(value[at] ?? null, item, `${path}.${at}`)] as const);
    const record = new Map<string, Value>(members);
    return rest === undefined ? record : record.set(REST, this.#set(value, rest, path, items.length));
  }

  #set(value: Json, element: Shape, path: string, from: number): CedarSet {
    if (!isJsonArray(value)) return misfit(path, { kind: 'set', element }, value);
    return new CedarSet(value.slice(from).map((one, at) => this.read(one, element, `${path}.${from + at}`)));
  }
}

function textOf(value: Json, shape: Shape, path: string): string {
  return typeof value === 'string' && value.isWellFormed() ? value : misfit(path, shape, value);
}

function integerOf(value: Json, shape: Extract<Shape, { kind: 'long' }>, path: string): Long {
  // beyond ±(2^53−1) a JavaScript number may already be rounded; the strict parser hands such literals over as bigint
  const whole = typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value)) ? BigInt(value) : undefined;
  if (whole === undefined || whole < LONG_MIN || whole > LONG_MAX) return misfit(path, shape, value, 'a whole number of 64 bits');
  return longOf(listed(whole, shape.allowed, path));
}

const DECIMAL = 'a number with at most 4 decimals, below 922337203685477.5807';

/** The value of an extension type, if `read` finds that there is exactly one. */
function exact(value: Json, shape: Shape, path: string, read: () => Extension | undefined, expected: string): Extension {
  try {
    const found = read();
    if (found !== undefined) return found;
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
  }
  return misfit(path, shape, value, expected);
}

function listed<T extends string | bigint>(value: T, values: ReadonlySet<T> | undefined, path: string): T {
  if (values === undefined || values.has(value)) return value;
  throw new Refusal('CORDON-3006', `argument \`${shown(path)}\` is none of the values its schema lists`, {
    expected: someOf(values),
  });
}

/** JSON with sorted keys and ECMAScript numbers (the form of RFC 8785): one text for one value. */
function canonical(value: Json): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (!isJsonObject(value)) return `[${value.map(canonical).join(',')}]`;
  const members = Object.keys(value)
    .toSorted()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key] ?? null)}`);
  return `{${members.join(',')}}`;
}

const isNumber = (value: Json): value is number | bigint => typeof value === 'number' || typeof value === 'bigint';

function typeOf(value: Json): JsonType {
  if (isNumber(value)) return 'number';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'boolean';
  return value === null ? 'null' : isJsonArray(value) ? 'array' : 'object';
}

const typesOf = (shapes: readonly Shape[]): string => shapes.map(({ kind }) => NAMES[kind]).join(' or ');

function misfit(path: string, shape: Shape, value: Json, expected: string = NAMES[shape.kind]): never {
  throw new Refusal('CORDON-3006', `argument \`${shown(path)}\` does not fit the input schema`, {
    observed: typeof value === 'bigint' ? 'integer' : typeOf(value),
    expected,
  });
}

const someOf = (names: Iterable<string | bigint>): string => clean([...names].slice(0, 20).join(', ').slice(0, 300));

const shown = (path: string): string => clean(path.slice(1, 100)) || 'input';
/** Without characters that a terminal obeys. */
const clean = (text: string): string => text.replaceAll(/\p{C}/gu, '\u{fffd}');
