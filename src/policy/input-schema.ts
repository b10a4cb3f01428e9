// What the input schema of a tool (JSON Schema 2020-12 or draft-07) says about its arguments, as far as Cedar can type it.
// attacker-controlled: the schema comes from a server. It is walked within bounds, `$ref` never leaves the document, and whatever
// Cedar has no type for stays visible as an opaque value instead of vanishing (see schema.ts, "What is not typed").
//
// Keywords of JSON Schema are conjunctive: ignoring one (`pattern`, `not`, `anyOf` beside `type`) accepts more than the server does,
// never gives a value another type. The server remains the judge of those.
import { isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { merged, ofLiterals } from './schema-literals.ts';
import { localTarget } from './schema-ref.ts';
import type { Field, RecordShape, Shape } from './shape.ts';

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

const OPAQUE = { shape: { kind: 'opaque' }, nullable: false } as const;
const STRUCTURE = ['type', 'properties', 'required', 'additionalProperties', 'items', 'enum', 'const', 'anyOf', 'oneOf', 'allOf'];
/** Keys with which Cedar's JSON format escapes entities and extension values. */
const ESCAPES = new Set(['__entity', '__extn', '__expr']);

type Typed = Omit<Field, 'required'>;

/** The record of a tool's arguments. @throws Refusal CORDON-3006 when the schema as a whole cannot be typed */
export function argumentsShape(inputSchema: JsonObject, budget: TypingBudget): RecordShape {
  const typing = new Typing(inputSchema, Math.min(budget.left, SUBSCHEMAS_PER_TOOL));
  try {
    const { shape } = typing.typed(inputSchema, 0);
    if (shape.kind === 'record') return shape;
  } finally {
    budget.left -= typing.read;
  }
  if (isEmptyObject(inputSchema)) return { kind: 'record', fields: new Map(), closed: inputSchema['additionalProperties'] === false };
  throw untypable('the input schema does not describe an object', 'an object with `properties`');
}

const untypable = (message: string, expected: string): Refusal => new Refusal('CORDON-3006', message, { expected });

/** A tool without arguments: `{ "type": "object" }` and nothing that would say more. */
const isEmptyObject = (schema: JsonObject): boolean =>
  (schema['type'] === 'object' || schema['type'] === undefined) &&
  !['$ref', 'anyOf', 'oneOf', 'allOf'].some((key) => Object.hasOwn(schema, key));

class Typing {
  read = 0;
  readonly #root: JsonObject;
  readonly #limit: number;
  readonly #open = new Set<JsonObject>();

  constructor(root: JsonObject, limit: number) {
    this.#root = root;
    this.#limit = limit;
  }

  #count(): void {
    if (++this.read <= this.#limit) return;
    throw untypable(
      'the input schema is too large',
      `at most ${SUBSCHEMAS_PER_TOOL} sub-schemas, ${SUBSCHEMAS_PER_SERVER} for all tools of a server`,
    );
  }

  typed(schema: Json | undefined, depth: number): Typed {
    this.#count();
    if (!isJsonObject(schema) || depth > MAX_DEPTH || this.#open.has(schema)) return OPAQUE;
    this.#open.add(schema);
    try {
      return this.#byKeyword(schema, depth);
    } finally {
      this.#open.delete(schema);
    }
  }

  #byKeyword(schema: JsonObject, depth: number): Typed {
    const nullable = schema['nullable'] === true; // OpenAPI 3.0, still written by many servers
    if (Object.hasOwn(schema, '$ref')) return or(this.#reference(schema, depth), nullable);
    const literals = Object.hasOwn(schema, 'const') ? [schema['const'] ?? null] : schema['enum'];
    if (isList(literals)) {
      const typed = ofLiterals(literals);
      if (typed !== undefined) return or(typed, nullable);
    }
    const type = schema['type'];
    const alternatives = listOf(type).map((one) => ({ ...schema, type: one }));
    if (alternatives.length > 0) return or(this.#union(alternatives, depth), nullable);
    if (typeof type === 'string') return or(this.#ofType(type, schema, depth), nullable);
    const branches = schema['anyOf'] ?? schema['oneOf'] ?? schema['allOf'];
    // `allOf` with one member is how pydantic attaches a description to a `$ref`
    if (isList(branches) && schema['properties'] === undefined && (schema['allOf'] === undefined || branches.length === 1)) {
      return or(this.#union(branches, depth), nullable);
    }
    return schema['properties'] === undefined ? OPAQUE : or({ shape: this.#record(schema, depth), nullable: false }, nullable);
  }

  #ofType(type: string, schema: JsonObject, depth: number): Typed {
    const scalar = SCALARS.get(type);
    if (type === 'number' && isWhole(schema['multipleOf'])) return { shape: { kind: 'long' }, nullable: false };
    if (scalar !== undefined) return { shape: scalar, nullable: false };
    if (type === 'array') {
      const { shape, nullable } = this.typed(schema['prefixItems'] === undefined ? schema['items'] : undefined, depth + 1);
      return shape.kind === 'opaque' || nullable ? OPAQUE : { shape: { kind: 'set', element: shape }, nullable: false };
    }
    if (type !== 'object') return OPAQUE;
    const record = this.#record(schema, depth);
    return record.fields.size > 0 || record.closed ? { shape: record, nullable: false } : OPAQUE;
  }

  #record(schema: JsonObject, depth: number): RecordShape {
    const declared = isJsonObject(schema['properties']) ? schema['properties'] : {};
    const required = new Set(listOf(schema['required']));
    const closed = schema['additionalProperties'] === false && schema['patternProperties'] === undefined;
    const fields = new Map<string, Field>();
    for (const [name, sub] of Object.entries(declared)) {
      fields.set(legal(name), { ...this.typed(sub, depth + 1), required: required.has(name) });
    }
    const others = closed ? [] : this.#conditional(schema, depth);
    for (const name of [...required, ...others]) {
      this.#count();
      if (typeof name === 'string' && !fields.has(name)) fields.set(legal(name), { ...OPAQUE, required: required.has(name) });
    }
    return { kind: 'record', fields, closed };
  }

  /** Names that only a branch (`anyOf`, `then`, …) declares: present or not, they must not be invisible. */
  #conditional(schema: JsonObject, depth: number): string[] {
    if (depth > MAX_DEPTH) return [];
    const { allOf, anyOf, oneOf, dependentSchemas } = schema;
    const dependent = isJsonObject(dependentSchemas) ? Object.values(dependentSchemas) : [];
    const single = [schema['if'], schema['then'], schema['else']];
    return [...[allOf, anyOf, oneOf].flatMap(listOf), ...dependent, ...single].flatMap((branch) => {
      if (!isJsonObject(branch)) return [];
      this.#count();
      const target = Object.hasOwn(branch, '$ref') ? localTarget(this.#root, branch['$ref']) : branch;
      if (target === undefined) return [];
      return [...(isJsonObject(target['properties']) ? Object.keys(target['properties']) : []), ...this.#conditional(target, depth + 1)];
    });
  }

  #reference(schema: JsonObject, depth: number): Typed {
    const target = localTarget(this.#root, schema['$ref']);
    // draft-07 ignores what stands beside a `$ref`, 2020-12 does not: where they would disagree, the value stays opaque
    const siblings = STRUCTURE.some((key) => Object.hasOwn(schema, key) && !(key === 'type' && schema['type'] === target?.['type']));
    return target === undefined || siblings ? OPAQUE : this.typed(target, depth);
  }

  /** Branches of one scalar kind are that kind; a branch `null` makes it nullable; every other union is opaque. */
  #union(branches: readonly Json[], depth: number): Typed {
    const present = branches.filter((branch) => !isJsonObject(branch) || branch['type'] !== 'null');
    const typed = present.map((branch) => this.typed(branch, depth + 1));
    const nullable = present.length < branches.length || typed.some((one) => one.nullable);
    const [first, ...rest] = typed;
    if (first === undefined) return OPAQUE;
    if (rest.length === 0) return or(first, nullable);
    const shape = merged(typed.map((one) => one.shape));
    return shape === undefined ? OPAQUE : { shape, nullable };
  }
}

const SCALARS = new Map<string, Shape>([
  ['string', { kind: 'string' }],
  ['integer', { kind: 'long' }],
  ['number', { kind: 'decimal' }],
  ['boolean', { kind: 'boolean' }],
]);

const or = (typed: Typed, nullable: boolean): Typed => (nullable && typed.shape.kind !== 'opaque' ? { ...typed, nullable: true } : typed);
const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);
const listOf = (value: Json | undefined): readonly Json[] => (isList(value) ? value : []);
const isWhole = (value: Json | undefined): boolean => typeof value === 'number' && Number.isInteger(value);

function legal(name: string): string {
  if (ESCAPES.has(name)) throw untypable(`the property name \`${name}\` is an escape of Cedar's JSON format`, 'another name');
  if (!name.isWellFormed()) throw untypable('a property name is not well-formed Unicode', 'another name');
  return name;
}
