// Values that an input schema lists: `enum` and `const`.
import type { Json } from '../../domain/json.ts';
import type { Shape } from './shape.ts';

const isExactWhole = (value: Json): value is number | bigint =>
  typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value));

/** A shape for each JSON type among the values; none when one of them is an object or an array: then they say nothing. */
export function ofLiterals(literals: readonly Json[]): readonly Shape[] {
  if (literals.some((literal) => typeof literal === 'object' && literal !== null)) return [];
  const strings = literals.filter((literal) => typeof literal === 'string');
  const numbers = literals.filter((literal) => typeof literal === 'number' || typeof literal === 'bigint');
  const shapes: (Shape | false)[] = [
    strings.length > 0 && { kind: 'string', allowed: new Set(strings) },
    numbers.length > 0 && (numbers.every(isExactWhole) ? { kind: 'long', allowed: new Set(numbers.map(BigInt)) } : { kind: 'decimal' }),
    literals.some((literal) => typeof literal === 'boolean') && { kind: 'boolean' },
    literals.includes(null) && { kind: 'null' },
  ];
  return shapes.filter((shape) => shape !== false);
}
