// Values as Cedar text, whole and exact, for policies that compare with them.
import { Datetime, isWritable } from '../../src/policy/cedar/datetime.ts';
import { CedarSet, EntityUid, Extension, isRecord, type Value } from '../../src/policy/cedar/value.ts';

/** An expression whose value is `value`. */
export function cedarText(value: Value): string {
  if (typeof value === 'string') return quoted(value);
  if (value instanceof EntityUid) return `${value.type}::${quoted(value.id)}`;
  if (value instanceof CedarSet) return `[${value.elements.map(cedarText).join(', ')}]`;
  if (value instanceof Datetime && !isWritable(value.ms)) return `datetime("1970-01-01").offset(duration("${value.ms}ms"))`;
  if (value instanceof Extension) return `${value.name}(${quoted(value.key)})`;
  if (isRecord(value)) return `{${[...value].map(([name, member]) => `${quoted(name)}: ${cedarText(member)}`).join(', ')}}`;
  return String(value);
}

const quoted = (text: string): string =>
  `"${text.replaceAll(/["\\]|\p{C}/gu, (c) => (c === '"' || c === '\\' ? `\\${c}` : `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`))}"`;
