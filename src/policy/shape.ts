// The types that arguments of a tool can have, between JSON Schema (input-schema.ts) and Cedar (schema.ts), and what each is called there.

export type Shape =
  | { readonly kind: 'string'; readonly allowed?: ReadonlySet<string> }
  | { readonly kind: 'long'; readonly allowed?: ReadonlySet<bigint> }
  | { readonly kind: 'decimal' }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'set'; readonly element: Shape }
  | RecordShape
  | { readonly kind: 'opaque' };

export interface RecordShape {
  readonly kind: 'record';
  readonly fields: ReadonlyMap<string, Field>;
  /** `additionalProperties: false`: an undeclared property is refused. */
  readonly closed: boolean;
}

export interface Field {
  readonly shape: Shape;
  readonly required: boolean;
  /** `null` is accepted and reads as absent: Cedar has no null. */
  readonly nullable: boolean;
}

/** The JSON Schema word for a shape, for messages. */
export const NAMES = {
  string: 'string',
  long: 'integer',
  decimal: 'number',
  boolean: 'boolean',
  set: 'array',
  record: 'object',
  opaque: 'value',
} as const satisfies Record<Shape['kind'], string>;
