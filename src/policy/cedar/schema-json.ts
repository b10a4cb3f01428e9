// The JSON form of a Cedar schema, resolved (`schemaToJsonWithResolvedTypes`) or not (`schemaToJson`, what a person writes), read into types.
// A name without `::` is looked up in its own namespace, then in the empty one, then among the built-in types; Cedar refuses a schema in
// which the first two could differ.
import type { EntityTypes } from './json.ts';
import type { Attribute, CedarType, RecordType } from './types.ts';
import { type EntityUid, type ExtensionName, uid } from './value.ts';

export interface EntityType extends EntityTypes {
  readonly name: string;
  /** The only ids there are. */
  readonly ids: ReadonlySet<string> | undefined;
  /** The types that an ancestor may have. */
  readonly ancestors: ReadonlySet<string>;
}

export interface ActionType {
  readonly uid: EntityUid;
  readonly parents: readonly EntityUid[];
  readonly principals: ReadonlySet<string>;
  readonly resources: ReadonlySet<string>;
  readonly context: RecordType;
}

export interface SchemaParts {
  readonly types: readonly EntityType[];
  readonly actions: readonly ActionType[];
}

/** @throws Error for what the official engine does not accept as a schema */
export const readSchema = (schema: unknown): SchemaParts => new SchemaReader(objectIn(schema)).parts();

type Members = Readonly<Record<string, unknown>>;

interface Declared {
  readonly name: string;
  readonly namespace: string;
  readonly body: Members;
}

class SchemaReader {
  readonly #commonTypes: ReadonlyMap<string, Declared>;
  readonly #entityTypes: ReadonlyMap<string, Declared>;
  readonly #actions: ReadonlyMap<string, Declared & { readonly uid: EntityUid }>;
  /** Entity types by full name; a namespace with actions has the type `Action`. */
  readonly #entityNames: ReadonlySet<string>;
  /** Common types by full name: read, or being read. */
  readonly #read = new Map<string, CedarType | typeof BEING_READ>();

  constructor(schema: Members) {
    this.#commonTypes = declaredIn(schema, 'commonTypes');
    this.#entityTypes = declaredIn(schema, 'entityTypes');
    this.#actions = new Map(
      Object.entries(schema).flatMap(([namespace, body]) =>
        membersOf(objectIn(body), 'actions').map(([name, action]) => {
          const one = uid(within(namespace, 'Action'), name);
          return [one.key, { name, namespace, body: objectIn(action), uid: one }] as const;
        }),
      ),
    );
    this.#entityNames = new Set([...this.#entityTypes.keys(), ...Array.from(this.#actions.values(), (action) => action.uid.type)]);
  }

  parts(): SchemaParts {
    return {
      types: Array.from(this.#entityTypes.values(), (declared) => this.#entityType(declared)),
      actions: Array.from(this.#actions.values(), (declared) => this.#action(declared)),
    };
  }

  #entityType({ name, namespace, body }: Declared): EntityType {
    return {
      name,
      attributes: this.#record(body['shape'], namespace).attributes,
      tags: body['tags'] === undefined ? undefined : this.#type(body['tags'], namespace),
      ids: body['enum'] === undefined ? undefined : new Set(listIn(body['enum']).map(textIn)),
      ancestors: this.#typesAbove(name, new Set()),
    };
  }

  #typesAbove(name: string, above: Set<string>): ReadonlySet<string> {
    const { namespace = '', body = {} } = this.#entityTypes.get(name) ?? {};
    for (const parent of this.#entityTypesIn(body['memberOfTypes'], namespace)) {
      if (above.has(parent)) continue;
      above.add(parent);
      this.#typesAbove(parent, above);
    }
    return above;
  }

  #action({ uid: one, namespace, body }: Declared & { readonly uid: EntityUid }): ActionType {
    const { principalTypes, resourceTypes, context } = objectIn(body['appliesTo'] ?? {});
    return {
      uid: one,
      parents: listIn(body['memberOf'] ?? []).map((parent) => this.#parent(objectIn(parent), namespace)),
      principals: new Set(this.#entityTypesIn(principalTypes, namespace)),
      resources: new Set(this.#entityTypesIn(resourceTypes, namespace)),
      context: this.#record(context, namespace),
    };
  }

  #parent({ id, type }: Members, namespace: string): EntityUid {
    const found = candidates(typeof type === 'string' ? type : 'Action', namespace).find((name) =>
      this.#actions.has(uid(name, textIn(id)).key),
    );
    if (found === undefined) throw new Error(`the schema has no action \`${textIn(id)}\``);
    return uid(found, textIn(id));
  }

  #entityTypesIn(names: unknown, namespace: string): string[] {
    return listIn(names ?? []).map((name) => this.#entityName(textIn(name), namespace) ?? unresolved(name));
  }

  #entityName(name: string, namespace: string): string | undefined {
    return candidates(name, namespace).find((full) => this.#entityNames.has(full));
  }

  #record(body: unknown, namespace: string): RecordType {
    const type = body === undefined ? EMPTY : this.#type(body, namespace);
    if (type.kind !== 'record') throw malformed('a record');
    return type;
  }

  #type(body: unknown, namespace: string): CedarType {
    const { type, name, element, attributes, additionalAttributes } = objectIn(body);
    switch (type) {
      case 'Boolean':
      case 'Long':
      case 'String':
      case 'Extension':
        return BUILT_IN.get(textIn(type === 'Extension' ? name : type)) ?? unresolved(name);
      case 'Set':
        return { kind: 'set', element: this.#type(element, namespace) };
      case 'Record':
        if (additionalAttributes === true) throw malformed('a closed record');
        return { kind: 'record', attributes: this.#attributes(objectIn(attributes), namespace) };
      case 'Entity':
        return this.#entity(textIn(name), namespace) ?? unresolved(name);
      case 'EntityOrCommon':
        return this.#common(textIn(name), namespace) ?? this.#entity(textIn(name), namespace) ?? builtIn(textIn(name));
      default:
        return this.#common(textIn(type), namespace) ?? builtIn(textIn(type));
    }
  }

  #attributes(attributes: Members, namespace: string): ReadonlyMap<string, Attribute> {
    return new Map(
      Object.entries(attributes).map(([name, body]) => [
        name,
        { type: this.#type(body, namespace), required: objectIn(body)['required'] !== false },
      ]),
    );
  }

  #entity(name: string, namespace: string): CedarType | undefined {
    const type = this.#entityName(name, namespace);
    return type === undefined ? undefined : { kind: 'entity', type };
  }

  #common(name: string, namespace: string): CedarType | undefined {
    const full = candidates(name, namespace).find((candidate) => this.#commonTypes.has(candidate));
    const declared = full === undefined ? undefined : this.#commonTypes.get(full);
    if (declared === undefined) return undefined;
    const known = this.#read.get(declared.name);
    if (known === BEING_READ) throw new Error(`the type \`${declared.name}\` contains itself`);
    if (known !== undefined) return known;
    this.#read.set(declared.name, BEING_READ);
    const type = this.#type(declared.body, declared.namespace);
    this.#read.set(declared.name, type);
    return type;
  }
}

const BEING_READ = Symbol('being read');

const EMPTY: RecordType = { kind: 'record', attributes: new Map() };

/** A type's name → the constructor of its values. */
const EXTENSION_TYPES: Readonly<Record<string, ExtensionName>> = {
  ipaddr: 'ip',
  decimal: 'decimal',
  datetime: 'datetime',
  duration: 'duration',
};

const BUILT_IN: ReadonlyMap<string, CedarType> = new Map<string, CedarType>([
  ['Bool', { kind: 'boolean' }],
  ['Boolean', { kind: 'boolean' }],
  ['Long', { kind: 'long' }],
  ['String', { kind: 'string' }],
  ...Object.entries(EXTENSION_TYPES).map(([type, name]): [string, CedarType] => [type, { kind: 'extension', name }]),
]);

const builtIn = (name: string): CedarType => BUILT_IN.get(name.replace(/^__cedar::/, '')) ?? unresolved(name);

const within = (namespace: string, name: string): string => (namespace === '' ? name : `${namespace}::${name}`);

/** What a name may stand for, nearest first. */
const candidates = (name: string, namespace: string): readonly string[] => (name.includes('::') ? [name] : [within(namespace, name), name]);

const membersOf = (body: Members, kind: string): [string, unknown][] => Object.entries(objectIn(body[kind] ?? {}));

/** All declarations of one kind, by full name. */
function declaredIn(schema: Members, kind: 'commonTypes' | 'entityTypes'): ReadonlyMap<string, Declared> {
  const declared = Object.entries(schema).flatMap(([namespace, body]) =>
    membersOf(objectIn(body), kind).map(([name, one]) => ({ name: within(namespace, name), namespace, body: objectIn(one) })),
  );
  return new Map(declared.map((one) => [one.name, one]));
}

function unresolved(name: unknown): never {
  throw new Error(`the schema has no type \`${textIn(name)}\``);
}

const malformed = (expected: string): Error => new Error(`the schema is malformed: expected ${expected}`);

const isObject = (value: unknown): value is Members => typeof value === 'object' && value !== null && !Array.isArray(value);

function objectIn(value: unknown): Members {
  if (!isObject(value)) throw malformed('an object');
  return value;
}

function listIn(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed('a list');
  return value;
}

function textIn(value: unknown): string {
  if (typeof value !== 'string') throw malformed('a string');
  return value;
}
