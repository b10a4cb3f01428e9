// Arguments as policy sees them, read back into plain data: what was sent can be recovered from it, but for what the types say is lost
// (order and count of sets, the zone of an instant, a null that the schema declares the same as nothing).
import assert from 'node:assert/strict';
import { isJsonArray, isJsonObject, type Json, parseJson } from '../../src/domain/json.ts';
import type { Arguments } from '../../src/policy/schema/arguments.ts';
import { Datetime } from '../../src/policy/cedar/datetime.ts';
import { Decimal } from '../../src/policy/cedar/decimal.ts';
import { IpAddr } from '../../src/policy/cedar/ipaddr.ts';
import { isLong } from '../../src/policy/cedar/long.ts';
import { isRecord, isSet, isUid, type Value } from '../../src/policy/cedar/value.ts';
import { itemName, jsonType, NAMES, type RecordShape, REST, type Shape } from '../../src/policy/schema/shape.ts';

/** Numbers are counted in ten thousandths, instants in milliseconds. */
export type Plain = null | boolean | string | bigint | readonly Plain[] | { readonly [name: string]: Plain };

/** Equal sets, equal lists. */
export function setOf(elements: readonly Plain[]): readonly Plain[] {
  const byText = new Map(elements.map((element) => [textOf(element), element]));
  return [...byText].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, element]) => element);
}

const textOf = (value: Plain): string =>
  JSON.stringify(value, (_, member: unknown) => {
    if (typeof member === 'bigint') return `#${member}`;
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
    return Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1));
  });

export const exactly = (value: number | bigint): bigint => BigInt(value) * 10_000n;

export function extension(value: Value): Plain {
  if (value instanceof Decimal) return BigInt(value.scaled);
  if (value instanceof Datetime) return `${value.ms} ms`;
  return value instanceof IpAddr ? `${value.address}/${value.prefix}` : assert.fail('no value of an extension type');
}

export function readBack({ value, entities }: Arguments, shape: Shape): Plain {
  const stored = new Map(entities.map((entity) => [entity.uid.key, entity]));
  const read = (one: Value, as: Shape): Plain => {
    if (as.kind === 'record') return record(one, as);
    if (as.kind === 'opaque') return isUid(one) && one.type === 'Untyped' ? untyped(parsed(one.id)) : assert.fail();
    if (as.kind === 'null') return one === true ? null : assert.fail();
    if (as.kind === 'set') return isSet(one) ? setOf(one.elements.map((element) => read(element, as.element))) : assert.fail();
    if (typeof one === 'string' || typeof one === 'boolean') return one;
    if (isLong(one)) return exactly(one);
    if (!isRecord(one)) return extension(one);
    if (as.kind === 'tuple') {
      const items = as.items.flatMap((item, at) =>
        [one.get(itemName(at))].flatMap((found) => (found === undefined ? [] : [read(found, item)])),
      );
      return [...items, ...(as.rest === undefined ? [] : [read(one.get(REST) ?? assert.fail(), { kind: 'set', element: as.rest })])];
    }
    const [[name, member] = assert.fail(), ...others] = [...one];
    assert.ok(as.kind === 'union' && others.length === 0);
    return read(member, as.members.find(({ kind }) => NAMES[kind] === name) ?? assert.fail());
  };
  const record = (one: Value, { fields, open }: RecordShape): Plain => {
    const members = (from: ReadonlyMap<string, Value>, as: (name: string) => Shape): Plain =>
      Object.fromEntries([...from].map(([name, member]) => [name, read(member, as(name))]));
    const attrs = (from: ReadonlyMap<string, Value>): Plain => members(from, (name) => fields.get(name)?.shape ?? assert.fail());
    if (open === undefined) return isRecord(one) ? attrs(one) : assert.fail();
    const entity = isUid(one) ? stored.get(one.key) : undefined;
    assert.ok(entity !== undefined && entity.uid.type === open.type);
    return { attrs: attrs(entity.attrs), tags: members(entity.tags, () => open.tag) };
  };
  return read(value, shape);
}

/** What `readBack` has to give. */
export function sent(value: Json, shape: Shape): Plain {
  switch (shape.kind) {
    case 'opaque':
      return untyped(value);
    case 'formatted':
      return typeof value === 'string' ? formatted(value, shape.format) : assert.fail();
    case 'union':
      return sent(value, shape.members.find((member) => jsonType(member) === typeOf(value)) ?? assert.fail());
    case 'set':
      return isJsonArray(value) ? setOf(value.map((element) => sent(element, shape.element))) : assert.fail();
    case 'tuple': {
      const { items, rest } = shape;
      assert.ok(isJsonArray(value));
      const first = items.slice(0, value.length).map((item, at) => sent(value[at] ?? null, item));
      return rest === undefined ? first : [...first, setOf(value.slice(items.length).map((one) => sent(one, rest)))];
    }
    case 'record': {
      assert.ok(isJsonObject(value));
      const there = Object.entries(value).filter(([name, member]) => member !== null || shape.fields.get(name)?.nullIsAbsent !== true);
      const { fields, open } = shape;
      const attrs = there.filter(([name]) => open === undefined || fields.has(name));
      const fromAttrs = Object.fromEntries(attrs.map(([name, member]) => [name, sent(member, fields.get(name)?.shape ?? assert.fail())]));
      if (open === undefined) return fromAttrs;
      return { attrs: fromAttrs, tags: Object.fromEntries(there.map(([name, member]) => [name, sent(member, open.tag)])) };
    }
    default:
      return scalar(value);
  }
}

function scalar(value: Json): Plain {
  if (typeof value === 'bigint') return exactly(value);
  if (typeof value === 'number') return BigInt(Math.round(value * 10_000));
  return value === null || typeof value !== 'object' ? value : assert.fail();
}

function formatted(text: string, format: string): Plain {
  if (format === 'decimal') return BigInt(Math.round(Number(text) * 10_000));
  if (format.startsWith('ip')) return extension(IpAddr.parse(text));
  return `${Date.parse(text)} ms`;
}

const typeOf = (value: Json): string =>
  value === null ? 'null' : isJsonArray(value) ? 'array' : typeof value === 'bigint' ? 'number' : typeof value;

const untyped = (value: Json): string => `untyped ${textOf(exact(value))}`;

function exact(value: Json): Plain {
  if (isJsonArray(value)) return value.map(exact);
  if (isJsonObject(value)) return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, exact(member)]));
  return typeof value === 'number' || typeof value === 'bigint' ? `# ${value}` : value;
}

const parsed = (text: string): Json => parseJson(new TextEncoder().encode(text), { maxBytes: 1_000_000, maxDepth: 64 });
