// Values → Cedar JSON, as the official engine reads it: every integer exact, every extension value escaped.
import type { Json, JsonObject } from '../../domain/json.ts';
import { Datetime, isWritable } from './datetime.ts';
import type { EntityRecord } from './entity.ts';
import { CedarInputError } from './input-error.ts';
import { escapeIn } from './json-escapes.ts';
import { CedarSet, EntityUid, Extension, type CedarRecord, type Value } from './value.ts';

/** @throws CedarInputError for a record that would be read as an escape */
export function valueToJson(value: Value): Json {
  if (typeof value !== 'object') return value;
  if (value instanceof EntityUid) return { __entity: uidToJson(value) };
  if (value instanceof CedarSet) return value.elements.map(valueToJson);
  if (value instanceof Extension) return extensionToJson(value);
  const record = recordToJson(value);
  if (escapeIn(record) !== undefined) throw new CedarInputError([], 'a record that has no form in JSON');
  return record;
}

export interface EntityJson extends JsonObject {
  readonly uid: ReturnType<typeof uidToJson>;
  readonly attrs: JsonObject;
  readonly tags: JsonObject;
  readonly parents: readonly ReturnType<typeof uidToJson>[];
}

/** @throws CedarInputError as `valueToJson` */
export function entityToJson({ uid, attrs, tags, parents }: EntityRecord): EntityJson {
  return { uid: uidToJson(uid), attrs: recordToJson(attrs), tags: recordToJson(tags), parents: parents.map(uidToJson) };
}

export const uidToJson = ({ type, id }: EntityUid): { readonly type: string; readonly id: string } => ({ type, id });

/** `fromEntries` defines what it is given: a key `__proto__` is data. */
export const recordToJson = (record: CedarRecord): JsonObject =>
  Object.fromEntries([...record].map(([name, member]) => [name, valueToJson(member)]));

const call = (fn: string, ...args: Json[]): Json => ({ __extn: { fn, args } });

/** Before the year 0 and after 9999 no text gives a datetime. */
function extensionToJson(value: Extension): Json {
  if (!(value instanceof Datetime) || isWritable(value.ms)) return call(value.name, value.key);
  return call('offset', call('datetime', '1970-01-01'), call('duration', `${value.ms}ms`));
}
