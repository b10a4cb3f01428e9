// The leaf of a record: its canonical JSON. Standard: RFC 8785 (JCS). Promises: equal records give equal bytes, and what cannot be
// written without loss (NaN, bigint, lone surrogates) is refused rather than rounded.
import canonicalize from 'canonicalize';
import type { LogRecord } from '../domain/access.ts';
import { parseJson } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { MAX_ENTRY_BYTES } from './tiles.ts';

const SCHEMAS: ReadonlySet<unknown> = new Set<LogRecord['schema']>([
  'cordon.decision/v1',
  'cordon.outcomes/v1',
  'cordon.outcome/v1',
  'cordon.act/v1',
]);
const BOUNDS = { maxBytes: MAX_ENTRY_BYTES, maxDepth: 64 };

/** RFC 8785 text of a value; members that are undefined are left out. @throws Refusal CORDON-9004 */
export function canonicalJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = quickly(value) ?? canonicalize(value);
  } catch (cause) {
    throw noForm(cause);
  }
  if (text === undefined) throw noForm(undefined);
  return text;
}

/**
 * The same text for what records are made of, in a third of the time: JSON.stringify writes numbers and strings as RFC 8785 §3.2.2 does, and
 * members in the order in which they were put in. Whatever it would write in another way is left to the library.
 */
function quickly(value: unknown): string | undefined {
  try {
    const text = JSON.stringify(isInOrder(value) ? value : inOrder(value));
    return text.includes('\\ud') ? undefined : text; // perhaps a lone surrogate, which it writes as an escape
  } catch {
    return undefined;
  }
}

/** Were the members of every object put in by their UTF-16 code units? @throws Error where JSON.stringify would not keep the value */
function isInOrder(value: unknown): boolean {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error('not a number of JSON');
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every(isInOrder);
  if (Object.getPrototypeOf(value) !== Object.prototype || 'toJSON' in value) throw new Error('not a plain object');
  let last: string | undefined;
  for (const [key, member] of Object.entries(value)) {
    if ((last !== undefined && key <= last) || !isInOrder(member)) return false;
    last = key;
  }
  return true;
}

/** The members of every object by their UTF-16 code units. @throws Error where JSON.stringify would not keep value or order */
function inOrder(value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error('not a number of JSON');
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(inOrder);
  if (Object.getPrototypeOf(value) !== Object.prototype || 'toJSON' in value) throw new Error('not a plain object');
  const sorted: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value).sort(byKey)) {
    if (ORDERED_BY_NUMBER.test(key) || key === '__proto__') throw new Error('a key with a place of its own');
    sorted[key] = inOrder(member);
  }
  return sorted;
}

const ORDERED_BY_NUMBER = /^\d/;
const byKey = ([one]: [string, unknown], [other]: [string, unknown]): number => (one < other ? -1 : 1);

/** The text of a leaf; its UTF-8 is what the tree hashes. @throws Refusal CORDON-9004 */
export const encodeLeaf = (record: LogRecord): string => canonicalJson(record);

/** Reads a leaf back. @throws Refusal CORDON-9011 when it is not the JSON of a record of this log format */
export function decodeLeaf(leaf: Uint8Array): LogRecord {
  const json = parseJson(leaf, BOUNDS);
  if (isLogRecord(json)) return json;
  throw new Refusal('CORDON-9011', 'log entry is not a record of this format', { expected: [...SCHEMAS].join(', ') });
}

/** By schema alone: `encodeLeaf` wrote it from a LogRecord, and whether it was changed since is the tree's to say. */
const isLogRecord = (json: unknown): json is LogRecord =>
  typeof json === 'object' && json !== null && 'schema' in json && SCHEMAS.has(json.schema);

const noForm = (cause: unknown): Refusal =>
  new Refusal('CORDON-9004', 'record has no canonical JSON form', {
    expected: 'finite numbers, well-formed text; whole numbers beyond 2^53 as text',
    cause,
  });
