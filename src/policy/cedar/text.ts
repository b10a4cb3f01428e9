// Values and paths in Cedar syntax, for people. attacker-controlled: long values are cut, and what a terminal would obey is escaped.
import { CedarSet, EntityUid, Extension, isRecord, type Value } from './value.ts';

const SHOWN = 120;

/** `Agent::"clerk"`, `[1, 2]`, `decimal("1.00")` */
export function toText(value: Value): string {
  const text = literal(value).replaceAll(/\p{C}/gu, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

function literal(value: Value): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, SHOWN));
  if (value instanceof EntityUid) return `${value.type}::${JSON.stringify(value.id)}`;
  if (value instanceof Extension) return `${value.name}(${JSON.stringify(value.key)})`;
  if (value instanceof CedarSet) return `[${value.elements.slice(0, SHOWN).map(literal).join(', ')}]`;
  if (isRecord(value)) return `{${[...value].map(([key, v]) => `${JSON.stringify(key)}: ${literal(v)}`).join(', ')}}`;
  return String(value);
}

/** `.name`, or `["a name"]` for what is no identifier. */
export const step = (name: string): string => (/^[A-Za-z_]\w*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`);
