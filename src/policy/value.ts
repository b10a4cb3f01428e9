// Cedar values as Cordon holds them: integers exact, decimals as text, records as maps (so a key `__proto__` is data), sets as arrays.
// Two forms leave this file: the JSON that the engine reads (Cedar JSON format) and the text that people read (Cedar syntax).

export interface Uid {
  readonly type: string;
  readonly id: string;
}

/** Cedar `decimal`: at most four digits after the point, |value| ≤ 922337203685477.5807. */
export interface Decimal {
  readonly decimal: string;
}

export type CedarRecord = ReadonlyMap<string, Value>;
export type Value = boolean | string | bigint | Decimal | Uid | readonly Value[] | CedarRecord;

/** The limits of Cedar's `Long`. */
export const LONG_MIN = -(2n ** 63n);
export const LONG_MAX = 2n ** 63n - 1n;

export const uid = (type: string, id: string): Uid => ({ type, id });
export const sameUid = (a: Uid, b: Uid): boolean => a.type === b.type && a.id === b.id;
export const isUid = (value: Value | undefined): value is Uid => typeof value === 'object' && 'type' in value;
export const isRecord = (value: Value | undefined): value is CedarRecord => value instanceof Map;
const isSet = (value: Value): value is readonly Value[] => Array.isArray(value);

/**
 * The engine's JSON. A bigint becomes a raw integer literal: the engine's glue calls `JSON.stringify`, which would round a number
 * and throws on a bigint. `Object.fromEntries` defines what it is given, so `__proto__` stays a key.
 */
export function toEngine(value: Value): unknown {
  if (typeof value === 'bigint') return JSON.rawJSON(String(value));
  if (typeof value !== 'object') return value;
  if (isSet(value)) return value.map(toEngine);
  if (isRecord(value)) return recordToEngine(value);
  if (isUid(value)) return { __entity: value };
  return { __extn: { fn: 'decimal', arg: value.decimal } };
}

export const recordToEngine = (record: CedarRecord): object =>
  Object.fromEntries([...record].map(([key, value]) => [key, toEngine(value)]));

const SHOWN = 120;

/** Cedar syntax, for people; long values are cut, and what a terminal would obey is escaped. attacker-controlled */
export function toText(value: Value): string {
  const text = literal(value).replaceAll(/\p{C}/gu, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

function literal(value: Value): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, SHOWN));
  if (typeof value !== 'object') return String(value);
  if (isSet(value)) return `[${value.slice(0, SHOWN).map(literal).join(', ')}]`;
  if (isRecord(value)) return `{${[...value].map(([key, v]) => `${JSON.stringify(key)}: ${literal(v)}`).join(', ')}}`;
  if (isUid(value)) return `${value.type}::${JSON.stringify(value.id)}`;
  return `decimal("${value.decimal}")`;
}
