// The arguments of one call as Cedar values, or a refusal. Nothing is rounded, coerced or guessed: what policy sees is what is forwarded.
// attacker-controlled: the values come from an agent that may be hostile.
import { isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { NAMES, type RecordShape, type Shape } from './shape.ts';
import { type CedarRecord, type Decimal, LONG_MAX, LONG_MIN, uid, type Value } from './value.ts';

/** The entity type of values that Cedar has no type for; the id is their canonical JSON, so equal ids are equal values. */
export const UNTYPED = 'Untyped';

/**
 * `input` as the record that the policies were validated against.
 * @throws Refusal CORDON-3006: a required property is missing, a value has another type or cannot be held exactly, or an undeclared
 * property is sent to a tool that says `additionalProperties: false`. The message names the property, never its value.
 */
export const argumentsOf = (input: JsonObject, shape: RecordShape): CedarRecord => recordOf(input, shape, '');

function recordOf(value: Json, shape: RecordShape, path: string): CedarRecord {
  if (!isJsonObject(value)) throw misfit(path, shape, value);
  const out = new Map<string, Value>();
  for (const [name, field] of shape.fields) {
    const sent = Object.hasOwn(value, name) ? value[name] : undefined;
    if (sent !== undefined && !(sent === null && field.nullable)) out.set(name, valueOf(sent, field.shape, `${path}.${name}`));
    else if (sent === undefined && field.required) throw new Refusal('CORDON-3006', `argument \`${shown(`${path}.${name}`)}\` is missing`);
  }
  // An open record keeps its undeclared properties for the server: no policy can see them, so a permit of this tool permits whatever
  // the server makes of them. Servers that declare `additionalProperties: false` close that gap.
  const stray = shape.closed ? Object.keys(value).find((name) => !shape.fields.has(name)) : undefined;
  if (stray === undefined) return out;
  throw new Refusal('CORDON-3006', `argument \`${shown(`${path}.${stray}`)}\` is not declared`, {
    expected: listed(shape.fields.keys()),
  });
}

function valueOf(value: Json, shape: Shape, path: string): Value {
  switch (shape.kind) {
    case 'string':
      if (typeof value !== 'string' || !value.isWellFormed()) throw misfit(path, shape, value);
      return allowed(value, shape.allowed, path);
    case 'long':
      return allowed(longOf(value, shape, path), shape.allowed, path);
    case 'decimal':
      return decimalOf(value, shape, path);
    case 'boolean':
      if (typeof value !== 'boolean') throw misfit(path, shape, value);
      return value;
    case 'set':
      if (!Array.isArray(value)) throw misfit(path, shape, value);
      return value.map((element: Json, index) => valueOf(element, shape.element, `${path}.${index}`));
    case 'record':
      return recordOf(value, shape, path);
    case 'opaque':
      return uid(UNTYPED, canonical(value));
  }
}

function allowed<T extends string | bigint>(value: T, values: ReadonlySet<T> | undefined, path: string): T {
  if (values === undefined || values.has(value)) return value;
  throw new Refusal('CORDON-3006', `argument \`${shown(path)}\` is none of the values its schema lists`, {
    expected: listed(values),
  });
}

function longOf(value: Json, shape: Shape, path: string): bigint {
  if (typeof value === 'bigint' && value >= LONG_MIN && value <= LONG_MAX) return value;
  // beyond ±(2^53−1) a JavaScript number may already be rounded; the strict parser hands such literals over as bigint
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  throw misfit(path, shape, value, 'a whole number of 64 bits');
}

const PLAIN = /^(-?\d+)(?:\.(\d{1,4}))?$/;

/** The number as it will be written on the wire (ECMAScript's shortest form), if Cedar's decimal holds it exactly. */
function decimalOf(value: Json, shape: Shape, path: string): Decimal {
  const text = typeof value === 'number' || typeof value === 'bigint' ? String(value) : '';
  const [, whole, fraction = '0'] = PLAIN.exec(text) ?? [];
  if (whole !== undefined) {
    const scaled = BigInt(`${whole}${fraction.padEnd(4, '0')}`);
    if (scaled >= LONG_MIN && scaled <= LONG_MAX) return { decimal: `${whole}.${fraction}` };
  }
  throw misfit(path, shape, value, 'a number with at most 4 decimals, below 922337203685477.5807');
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

const kindOf = (value: Json): string =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value === 'bigint' ? 'integer' : typeof value;

const misfit = (path: string, shape: Shape, value: Json, expected: string = NAMES[shape.kind]): Refusal =>
  new Refusal('CORDON-3006', `argument \`${shown(path)}\` does not fit the input schema`, {
    observed: kindOf(value),
    expected,
  });

const listed = (names: Iterable<string | bigint>): string => clean([...names].slice(0, 20).join(', ').slice(0, 300));

const shown = (path: string): string => clean(path.slice(1, 100)) || 'input';
/** Without characters that a terminal obeys. */
const clean = (text: string): string => text.replaceAll(/\p{C}/gu, '\u{fffd}');
