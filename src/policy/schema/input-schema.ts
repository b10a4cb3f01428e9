// What the input schema of a tool (JSON Schema 2020-12 or draft-07) says about its arguments, as far as Cedar can type it.
// attacker-controlled: the schema comes from a server. It is walked within bounds, `$ref` never leaves the document, and whatever
// Cedar has no type for stays visible as an opaque value instead of vanishing (see schema.ts, "Untyped").
//
// Keywords of JSON Schema are conjunctive: ignoring one (`pattern`, `not`, `anyOf` beside `properties`) accepts more than the server
// does, never gives a value another type. The server remains the judge of those.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { Refusal } from '../../domain/refusal.ts';
import { checkSize } from './bounds.ts';
import { ofLiterals } from './literals.ts';
import { localTarget } from './ref.ts';
import { admitsNull, type Maker, recordOf, united, withNull, withoutNull } from './union.ts';
import type { Field, RecordShape, Shape } from './shape.ts';
import { isFormat } from './string-formats.ts';

/** Sub-schemas that may still be read; shared by all tools of one server, so that no server can starve another. */
export interface TypingBudget {
  left: number;
}

/** Sub-schemas that all tools of one server may have together, references expanded. */
export const SUBSCHEMAS_PER_SERVER = 4096;
/** Sub-schemas of one tool. */
const SUBSCHEMAS_PER_TOOL = 512;
/** Records and arrays nested deeper are opaque. */
const MAX_DEPTH = 8;
const MAX_LISTED_VALUES = 2048;
const MAX_ALTERNATIVES = 64;

const OPAQUE: Shape = { kind: 'opaque' };
const STRUCTURE = ['type', 'properties', 'required', 'additionalProperties', 'items', 'enum', 'const', 'anyOf', 'oneOf', 'allOf'];
/** Keys with which Cedar's JSON format escapes entities and extension values. */
const ESCAPES = new Set(['__entity', '__extn', '__expr']);

/**
 * The record of a tool's arguments. `id`: what the entity types of open records are named after.
 * @throws Refusal CORDON-3006 when the schema as a whole cannot be typed
 */
export function argumentsShape(id: string, inputSchema: JsonObject, budget: TypingBudget): RecordShape {
  checkSize(inputSchema);
  const typing = new Typing(id, inputSchema, Math.min(budget.left, SUBSCHEMAS_PER_TOOL));
  try {
    // MCP says that it is an object, so one without a `type` is meant as one
    const shape = typing.typed(describesNothing(inputSchema) ? { ...inputSchema, type: 'object' } : inputSchema, 0);
    // never open: policies for many tools ask `context.input has …`, and a property that is a tag alone would be absent to them
    if (shape.kind === 'record') return { kind: 'record', fields: shape.fields };
  } finally {
    budget.left -= typing.read;
  }
  throw untypable('the input schema does not describe an object', 'an object with `properties`');
}

const untypable = (message: string, expected: string): Refusal => new Refusal('CORDON-3006', message, { expected });

const describesNothing = (schema: JsonObject): boolean =>
  !['type', '$ref', 'anyOf', 'oneOf', 'allOf'].some((key) => Object.hasOwn(schema, key));

class Typing implements Maker {
  read = 0;
  readonly #id: string;
  readonly #root: JsonObject;
  readonly #limit: number;
  readonly #entered = new Set<JsonObject>();
  #entityTypes = 0;

  constructor(id: string, root: JsonObject, limit: number) {
    this.#id = id;
    this.#root = root;
    this.#limit = limit;
  }

  count(): void {
    if (++this.read <= this.#limit) return;
    throw untypable(
      'the input schema has too many parts',
      `at most ${SUBSCHEMAS_PER_TOOL} sub-schemas, ${SUBSCHEMAS_PER_SERVER} for all tools of a server`,
    );
  }

  entityType(): string {
    return `Input_${identifier(this.#id)}_${++this.#entityTypes}`;
  }

  typed(schema: Json | undefined, depth: number): Shape {
    this.count();
    if (!isJsonObject(schema) || depth > MAX_DEPTH || this.#entered.has(schema)) return OPAQUE;
    this.#entered.add(schema);
    try {
      const shape = this.#byKeyword(schema, depth);
      // OpenAPI 3.0, still written by many servers
      return schema['nullable'] === true ? withNull(shape, this) : shape;
    } finally {
      this.#entered.delete(schema);
    }
  }

  #byKeyword(schema: JsonObject, depth: number): Shape {
    if (Object.hasOwn(schema, '$ref')) return this.#reference(schema, depth);
    const literals = Object.hasOwn(schema, 'const') ? [schema['const'] ?? null] : listOf(schema['enum']);
    if (literals.length > MAX_LISTED_VALUES) throw untypable('an `enum` is too long', `at most ${MAX_LISTED_VALUES} values`);
    const listed = ofLiterals(literals);
    if (listed.length > 0) return united(listed, this);
    const { type } = schema;
    const types = listOf(type);
    if (types.length > 0)
      return this.#union(
        types.map((one) => ({ ...schema, type: one })),
        depth,
      );
    return type === undefined || type === 'object' ? this.#object(schema, depth) : this.#ofType(type, schema, depth);
  }

  #ofType(type: Json, schema: JsonObject, depth: number): Shape {
    const { format, multipleOf } = schema;
    switch (type) {
      case 'string':
        return isFormat(format) ? { kind: 'formatted', format } : { kind: 'string' };
      case 'integer':
        return { kind: 'long' };
      case 'number':
        return { kind: isWhole(multipleOf) ? 'long' : 'decimal' };
      case 'boolean':
      case 'null':
        return { kind: type };
      case 'array':
        return this.#array(schema, depth);
      default:
        return OPAQUE;
    }
  }

  #array(schema: JsonObject, depth: number): Shape {
    const { prefixItems, items, additionalItems, minItems, maxItems } = schema;
    const listed = listOf(prefixItems ?? items); // draft-07 lists them under `items`
    if (listed.length === 0) return { kind: 'set', element: this.typed(items, depth + 1) };
    const further = prefixItems === undefined ? additionalItems : items;
    const closed = further === false || (typeof maxItems === 'number' && maxItems <= listed.length);
    const required = typeof minItems === 'number' ? Math.min(minItems, listed.length) : closed ? listed.length : 0;
    const tuple = { kind: 'tuple', items: listed.map((item) => this.typed(item, depth + 1)), required } as const;
    return closed ? tuple : { ...tuple, rest: this.typed(further, depth + 1) };
  }

  /** What has no `type`, or is an object. */
  #object(schema: JsonObject, depth: number): Shape {
    const { type, properties, anyOf, oneOf, allOf } = schema;
    const alternatives = listOf(anyOf ?? oneOf);
    if (properties === undefined && alternatives.length > 0) {
      const shape = this.#union(alternatives, depth);
      if (type === undefined || shape.kind === 'record') return shape;
    }
    // all of them hold, so the first that says something is right
    const parts = listOf(allOf).map((part) => this.typed(part, depth + 1));
    const known = parts.find(({ kind }) => kind !== 'opaque');
    if (type === undefined && properties === undefined && known?.kind !== 'record') return known ?? OPAQUE;
    const records = parts.filter((part) => part.kind === 'record');
    return this.#record(schema, records, depth);
  }

  /** `parts`: what `allOf` adds. */
  #record(schema: JsonObject, parts: readonly RecordShape[], depth: number): RecordShape {
    const fields = new Map<string, Field>();
    const required = new Set(listOf(schema['required']));
    for (const [name, sub] of Object.entries(isJsonObject(schema['properties']) ? schema['properties'] : {})) {
      fields.set(legal(name), this.#field(sub, required.has(name), depth));
    }
    for (const [name, field] of parts.flatMap((part) => [...part.fields])) {
      fields.set(name, this.#both(fields.get(name) ?? UNKNOWN, field, required.has(name)));
    }
    for (const name of [...required, ...this.#conditional(schema, depth)]) {
      this.count();
      if (typeof name === 'string' && !fields.has(name)) fields.set(legal(name), { ...UNKNOWN, required: required.has(name) });
    }
    return recordOf(fields, this.#rest(schema, parts, depth), this);
  }

  #field(schema: Json, required: boolean, depth: number): Field {
    const shape = this.typed(schema, depth + 1);
    const nullIsAbsent = !required && isJsonObject(schema) && schema['default'] === null && admitsNull(shape);
    return { shape: nullIsAbsent ? withoutNull(shape) : shape, required, nullIsAbsent };
  }

  /** Both hold: the first that says something is right. */
  #both(own: Field, other: Field, isRequired: boolean): Field {
    const required = isRequired || own.required || other.required;
    const { shape, nullIsAbsent } = own.shape.kind === 'opaque' ? other : own;
    return required && nullIsAbsent ? { shape: withNull(shape, this), required, nullIsAbsent: false } : { shape, required, nullIsAbsent };
  }

  /**
   * What properties that are not listed have to be; undefined where there are to be none. JSON Schema admits any when nothing is said.
   * Here an object that lists properties has those alone: what no policy could name is not forwarded by mere omission of a keyword.
   */
  #rest(schema: JsonObject, parts: readonly RecordShape[], depth: number): Shape | undefined {
    const { properties, additionalProperties: additional, patternProperties } = schema;
    const rests = isJsonObject(patternProperties) ? Object.values(patternProperties) : [];
    if (additional === undefined && properties === undefined && rests.length === 0 && parts.length > 0) {
      return parts.every(({ open }) => open !== undefined) ? parts[0]?.open?.rest : undefined;
    }
    const open = additional === undefined ? properties === undefined && rests.length === 0 : additional !== false;
    const shapes = [...rests, ...(open ? [additional ?? true] : [])].map((rest) => this.typed(rest, depth + 1));
    return shapes.length === 0 ? undefined : united(shapes, this);
  }

  /** Names that only a branch (`anyOf`, `then`, …) declares: present or not, they must not be invisible. */
  #conditional(schema: JsonObject, depth: number): string[] {
    if (depth > MAX_DEPTH) return [];
    const { allOf, anyOf, oneOf, dependentSchemas } = schema;
    const dependent = isJsonObject(dependentSchemas) ? Object.values(dependentSchemas) : [];
    const single = [schema['if'], schema['then'], schema['else']];
    return [...[allOf, anyOf, oneOf].flatMap(listOf), ...dependent, ...single].flatMap((branch) => {
      if (!isJsonObject(branch)) return [];
      this.count();
      const target = Object.hasOwn(branch, '$ref') ? localTarget(this.#root, branch['$ref']) : branch;
      if (target === undefined) return [];
      return [...(isJsonObject(target['properties']) ? Object.keys(target['properties']) : []), ...this.#conditional(target, depth + 1)];
    });
  }

  #reference(schema: JsonObject, depth: number): Shape {
    const target = localTarget(this.#root, schema['$ref']);
    // draft-07 ignores what stands beside a `$ref`, 2020-12 does not: where they would disagree, the value stays opaque
    const siblings = STRUCTURE.some((key) => Object.hasOwn(schema, key) && !(key === 'type' && schema['type'] === target?.['type']));
    return target === undefined || siblings ? OPAQUE : this.typed(target, depth);
  }

  #union(alternatives: readonly Json[], depth: number): Shape {
    if (alternatives.length > MAX_ALTERNATIVES) throw untypable('a union has too many alternatives', `at most ${MAX_ALTERNATIVES}`);
    return united(
      alternatives.map((one) => this.typed(one, depth)),
      this,
    );
  }
}

const UNKNOWN: Field = { shape: OPAQUE, required: false, nullIsAbsent: false };
const isWhole = (value: Json | undefined): boolean => typeof value === 'number' && Number.isInteger(value);
const listOf = (value: Json | undefined): readonly Json[] => (isJsonArray(value) ? value : []);

function legal(name: string): string {
  if (ESCAPES.has(name)) throw untypable(`the property name \`${name}\` is an escape of Cedar's JSON format`, 'another name');
  if (!name.isWellFormed()) throw untypable('a property name is not well-formed Unicode', 'another name');
  return name;
}

/** An identifier of Cedar, another for every id: what it cannot hold is `_x2f_`, its code point. */
const identifier = (id: string): string =>
  id.replaceAll(/[^A-Za-z0-9_]|_(?=x)/gu, (character) => `_x${(character.codePointAt(0) ?? 0).toString(16)}_`);
