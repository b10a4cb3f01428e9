// The types that arguments of a tool can have, between JSON Schema (input-schema.ts) and Cedar (schema.ts), and what each is called there.
import type { Format } from './string-formats.ts';

export type Shape =
  | { readonly kind: 'string'; readonly allowed?: ReadonlySet<string> }
  | { readonly kind: 'formatted'; readonly format: Format }
  | { readonly kind: 'long'; readonly allowed?: ReadonlySet<bigint> }
  | { readonly kind: 'decimal' }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'null' }
  | SetShape
  | TupleShape
  | RecordShape
  | UnionShape
  | { readonly kind: 'opaque' };

export interface SetShape {
  readonly kind: 'set';
  readonly element: Shape;
}

/** An array whose first elements each have a type of their own. */
export interface TupleShape {
  readonly kind: 'tuple';
  readonly items: readonly Shape[];
  /** Shorter arrays are refused. */
  readonly required: number;
  /** What may follow; without it longer arrays are refused. */
  readonly rest?: Shape;
}

export interface RecordShape {
  readonly kind: 'record';
  readonly fields: ReadonlyMap<string, Field>;
  /** Properties beyond the fields; without it they are refused. */
  readonly open?: Open;
}

/**
 * An open record is an entity in Cedar: every property is a tag, and the fields are attributes besides. Were they not tags too,
 * `hasTag` would be false of a property that is there.
 */
export interface Open {
  /** Its entity type, which no other record has. */
  readonly type: string;
  /** A property that is not a field. */
  readonly rest: Shape;
  /** Any property: fields and rest in one. */
  readonly tag: Shape;
}

/** INVARIANT: a required field is there, so its null is never read as absent. */
export interface Field {
  readonly shape: Shape;
  readonly required: boolean;
  /** The schema says `"default": null`, so a null reads as absent; otherwise null is a value of its own (a union). */
  readonly nullIsAbsent: boolean;
}

/** INVARIANT: two members or more, none a union or opaque, and each of another JSON type. */
export interface UnionShape {
  readonly kind: 'union';
  readonly members: readonly Shape[];
}

/** The JSON Schema word for a shape: in messages, and as name of a member of a union. */
export const NAMES = {
  string: 'string',
  formatted: 'string',
  long: 'integer',
  decimal: 'number',
  boolean: 'boolean',
  null: 'null',
  set: 'array',
  tuple: 'array',
  record: 'object',
  union: 'value',
  opaque: 'value',
} as const satisfies Record<Shape['kind'], string>;

export type JsonType = 'string' | 'number' | 'boolean' | 'null' | 'array' | 'object';

/** The JSON type of the values of a shape; none for one that takes several. */
export function jsonType({ kind }: Shape): JsonType | undefined {
  const name = NAMES[kind];
  return name === 'integer' ? 'number' : name === 'value' ? undefined : name;
}

/** The member `item0` of a tuple's record. */
export const itemName = (index: number): string => `item${index}`;
/** The member that holds what follows the items of a tuple. */
export const REST = 'rest';

/** The arguments that are whole numbers: what a session adds up. */
export const summed = ({ fields }: RecordShape): readonly string[] =>
  [...fields].filter(([, { shape }]) => shape.kind === 'long').map(([name]) => name);
