// Enumerations and unions of scalars in an input schema: `enum`, `const`, and branches that are all of one kind.
import type { Json } from '../domain/json.ts';
import type { Field, Shape } from './shape.ts';

const isExactWhole = (value: Json): value is number | bigint =>
  typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value));

/** All strings, or all whole numbers (exact ones); `null` among them makes the value nullable. Anything else is no type of its own. */
export function ofLiterals(literals: readonly Json[]): Omit<Field, 'required'> | undefined {
  const present = literals.filter((literal) => literal !== null);
  const nullable = present.length < literals.length;
  const strings = present.filter((literal) => typeof literal === 'string');
  if (strings.length === present.length && strings.length > 0) return { shape: { kind: 'string', allowed: new Set(strings) }, nullable };
  const whole = present.filter(isExactWhole);
  if (whole.length < present.length || whole.length === 0) return undefined;
  return { shape: { kind: 'long', allowed: new Set(whole.map((literal) => BigInt(literal))) }, nullable };
}

/** The one scalar kind of all branches, with the values that any of them admits. */
export function merged(shapes: readonly Shape[]): Shape | undefined {
  const kinds = new Set(shapes.map((shape) => shape.kind));
  const [kind] = kinds;
  if (kinds.size !== 1 || kind === undefined) return undefined;
  if (kind === 'decimal' || kind === 'boolean' || kind === 'long') return { kind };
  if (kind !== 'string') return undefined;
  const allowed = shapes.flatMap((shape) => (shape.kind === 'string' && shape.allowed !== undefined ? [shape.allowed] : []));
  return allowed.length === shapes.length ? { kind, allowed: new Set(allowed.flatMap((set) => [...set])) } : { kind };
}
