// Cedar JSON → values, plain or guided by a schema. Plainly, `{"__entity": {"type", "id"}}` is an entity and `{"__extn": {"fn", "arg"}}`
// (or `args`) a value of an extension type; where the schema says so, `{"type", "id"}`, `{"fn", "arg"}` and a constructor's text alone
// are too. What merely resembles an escape is a record. A null and a number with a fraction are no values of Cedar.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import type { EntityRecord } from './entity.ts';
import { EvaluationError } from './evaluation-error.ts';
import { EXTENSIONS, type ParameterType } from './extensions.ts';
import { CedarInputError, type Step } from './input-error.ts';
import { type CallEscape, callIn, type EntityEscape, entityIn, type Escape, escapeIn, isTypeName } from './json-escapes.ts';
import { type Long, LONG_MAX, LONG_MIN, longOf } from './long.ts';
import type { CedarType, RecordType } from './types.ts';
import { type CedarRecord, CedarSet, EMPTY_RECORD, type EntityUid, isRecord, uid, type Value } from './value.ts';

/** Deeper is refused: readers and writers recurse. */
const MAX_DEPTH = 64;
const NOT_DECLARED = 'not in the schema';

/** attacker-controlled. @throws CedarInputError */
export const valueFromJson = (json: Json): Value => new Reader([]).value(json);

/** The context of a request. attacker-controlled. @throws CedarInputError */
export const contextFromJson = (json: Json): CedarRecord => recordFromJson(json);

/** A record, of a type if one is given: nothing required is missing and nothing is there that it has not. The types of its members are not checked. @throws CedarInputError */
export function recordFromJson(json: Json, type?: CedarType): CedarRecord {
  const record = new Reader([]).value(json, type);
  if (!isRecord(record)) throw new CedarInputError([], 'expected a record');
  return record;
}

/** What an entity may have: attributes, and tags if they have a type. */
export interface EntityTypes {
  readonly attributes: RecordType['attributes'];
  readonly tags: CedarType | undefined;
}

/**
 * Entities as they stand, those of one name too: the store says what they are together. `typesOf` gives what an entity may have, or
 * undefined for one that may not be there. attacker-controlled. @throws CedarInputError
 */
export function entitiesFromJson(json: Json, typesOf?: (one: EntityUid) => EntityTypes | undefined): EntityRecord[] {
  if (!isJsonArray(json)) throw new CedarInputError([], 'expected a list of entities');
  return json.map((one, at) => new Reader([at]).entity(one, typesOf));
}

class Reader {
  readonly #path: Step[];

  constructor(path: Step[]) {
    this.#path = path;
  }

  problem(what: string): CedarInputError {
    return new CedarInputError(this.#path, what);
  }

  /** What `read` reads, one step further in. */
  in<T>(step: Step, read: () => T): T {
    if (this.#path.push(step) > MAX_DEPTH) throw this.problem(`nested deeper than ${MAX_DEPTH}`);
    const value = read();
    this.#path.pop();
    return value;
  }

  entity(json: Json, typesOf?: (one: EntityUid) => EntityTypes | undefined): EntityRecord {
    const { uid: name, attrs, tags = {}, parents } = this.object(json);
    const one = this.in('uid', () => this.uid(name));
    const types = typesOf?.(one);
    if (typesOf !== undefined && types === undefined) throw this.problem(NOT_DECLARED);
    return {
      uid: one,
      attrs: this.in('attrs', () => this.members(attrs, types && ((member) => types.attributes.get(member)?.type))),
      tags: this.in('tags', () => this.members(tags, types && (() => types.tags))),
      parents: this.in('parents', () => this.parents(parents, one)),
    };
  }

  value(json: Json, type?: CedarType): Value {
    switch (type?.kind) {
      case 'entity':
        return this.uid(json);
      case 'extension':
        return this.#extension(json, type.name);
      case 'set':
        if (!isJsonArray(json)) throw this.problem('expected a set');
        return this.#set(json, type.element);
      case 'record': {
        const record = this.members(json, (name) => type.attributes.get(name)?.type);
        for (const [name, { required }] of type.attributes) {
          if (required && !record.has(name)) throw this.in(name, () => this.problem('required by the schema'));
        }
        return record;
      }
      default:
        return this.#plain(json);
    }
  }

  #plain(json: Json): Value {
    if (typeof json === 'boolean' || typeof json === 'string') return json;
    if (typeof json === 'number' || typeof json === 'bigint') return this.#long(json);
    if (json === null) throw this.problem('`null` is no value of Cedar');
    if (isJsonArray(json)) return this.#set(json);
    const escape = escapeIn(json);
    return escape === undefined ? this.members(json) : this.#escaped(escape);
  }

  /** A number that is not exact in JavaScript comes as a bigint from a strict parser; −0 is 0. */
  #long(json: number | bigint): Long {
    if (typeof json === 'number') {
      if (Number.isSafeInteger(json)) return json + 0;
      throw this.problem('a number must be an integer');
    }
    if (json < LONG_MIN || json > LONG_MAX) throw this.problem('an integer must fit 64 bits');
    return longOf(json);
  }

  #set(json: readonly Json[], element?: CedarType): CedarSet {
    return new CedarSet(json.map((one, at) => this.in(at, () => this.value(one, element))));
  }

  object(json: Json | undefined): JsonObject {
    if (!isJsonObject(json)) throw this.problem('expected an object');
    return json;
  }

  /** The members of an object; given `typeOf`, only those that have a type. */
  members(json: Json | undefined, typeOf?: (name: string) => CedarType | undefined): CedarRecord {
    const members = Object.entries(this.object(json)).map(([name, member]): [string, Value] => {
      const type = typeOf?.(name);
      return [
        name,
        this.in(name, () => {
          if (typeOf !== undefined && type === undefined) throw this.problem(NOT_DECLARED);
          return this.value(member, type);
        }),
      ];
    });
    return members.length === 0 ? EMPTY_RECORD : new Map(members);
  }

  #escaped(escape: Escape): Value {
    switch (escape.kind) {
      case 'entity':
        return this.#named(escape);
      case 'call':
        return this.#call(escape, (argument) => this.value(argument));
      case 'removed':
        throw this.#removed();
    }
  }

  #removed(): CedarInputError {
    return this.problem('the escape `__expr` is no longer part of Cedar');
  }

  /** Where an escape is expected, it has no business beside others either. */
  #withoutExpr(object: JsonObject): JsonObject {
    if (typeof object['__expr'] === 'string') throw this.#removed();
    return object;
  }

  /** `{"type", "id"}`, escaped or not. */
  uid(json: Json | undefined): EntityUid {
    const object = this.#withoutExpr(this.object(json));
    const escape = entityIn(object['__entity']) ?? entityIn(object);
    if (escape === undefined) throw this.problem('expected an entity');
    return this.#named(escape);
  }

  #named({ type, id }: EntityEscape): EntityUid {
    if (!isTypeName(type)) throw this.problem('the type of an entity must be a name');
    return uid(type, id);
  }

  parents(json: Json | undefined, of: EntityUid): EntityUid[] {
    if (!isJsonArray(json)) throw this.problem('expected a list of entities');
    return json.map((one, at) =>
      this.in(at, () => {
        const parent = this.uid(one);
        if (isAction(of) && !isAction(parent)) throw this.problem('the parent of an action must be an action');
        return parent;
      }),
    );
  }

  /** Where a value of an extension type is expected: a call, escaped or not, or the one argument of its constructor. */
  #extension(json: Json, name: ParameterType): Value {
    const object = isJsonObject(json) ? this.#withoutExpr(json) : undefined;
    const call = object && (callIn(object['__extn']) ?? callIn(object));
    return this.#call(call ?? { kind: 'call', fn: name, args: [json] }, (argument, type) =>
      type === undefined || type === 'string' ? this.value(argument) : this.#extension(argument, type),
    );
  }

  #call({ fn, args }: CallEscape, read: (argument: Json, type: ParameterType | undefined) => Value): Value {
    const called = EXTENSIONS.get(fn);
    if (called === undefined) throw this.problem('there is no such extension function');
    const values = args.map((argument, at) => this.in(at, () => read(argument, called.parameters[at])));
    try {
      return called.apply(values);
    } catch (error) {
      if (error instanceof EvaluationError) throw this.problem(error.message);
      throw error;
    }
  }
}

/** `Action`, in whatever namespace. */
export const isAction = ({ type }: EntityUid): boolean => type === 'Action' || type.endsWith('::Action');
