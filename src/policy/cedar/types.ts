// The types that a schema gives to attributes, tags and contexts, and the values that are of them.
import { CedarInputError, type Step } from './input-error.ts';
import { isLong } from './long.ts';
import { type CedarRecord, CedarSet, EntityUid, Extension, type ExtensionName, isRecord, type Value } from './value.ts';

export type CedarType =
  | { readonly kind: 'boolean' | 'long' | 'string' }
  | { readonly kind: 'extension'; readonly name: ExtensionName }
  | { readonly kind: 'entity'; readonly type: string }
  | { readonly kind: 'set'; readonly element: CedarType }
  | RecordType;

/** Closed: what is not an attribute may not be there. */
export interface RecordType {
  readonly kind: 'record';
  readonly attributes: ReadonlyMap<string, Attribute>;
}

export interface Attribute {
  readonly type: CedarType;
  readonly required: boolean;
}

/** Says what is wrong with an entity that a value names; undefined when nothing is. */
export type CheckUid = (uid: EntityUid) => string | undefined;

/** @throws CedarInputError when `value` is not of `type`, or an entity in it fails `check`; `at` is where the value stands */
export function mustConform(value: Value, type: CedarType, check: CheckUid, ...at: readonly Step[]): void {
  const problem = problemIn(value, type, check);
  if (problem !== undefined) throw new CedarInputError([...at, ...problem.path], problem.what);
}

interface Problem {
  /** Made on the way out, so that a value without one costs no path. */
  readonly path: Step[];
  readonly what: string;
}

function problemIn(value: Value, type: CedarType, check: CheckUid): Problem | undefined {
  switch (type.kind) {
    case 'boolean':
      return typeof value === 'boolean' ? undefined : expected('a boolean');
    case 'long':
      return isLong(value) ? undefined : expected('an integer');
    case 'string':
      return typeof value === 'string' ? undefined : expected('a string');
    case 'extension':
      return value instanceof Extension && value.name === type.name ? undefined : expected(`a value of \`${type.name}\``);
    case 'entity': {
      if (!(value instanceof EntityUid) || value.type !== type.type) return expected(`an entity of type \`${type.type}\``);
      const what = check(value);
      return what === undefined ? undefined : { path: [], what };
    }
    case 'set':
      return value instanceof CedarSet ? problemInSet(value, type.element, check) : expected('a set');
    case 'record':
      return isRecord(value) ? problemInRecord(value, type, check) : expected('a record');
  }
}

function problemInSet({ elements }: CedarSet, type: CedarType, check: CheckUid): Problem | undefined {
  for (const [at, element] of elements.entries()) {
    const problem = problemIn(element, type, check);
    if (problem !== undefined) return inside(at, problem);
  }
  return undefined;
}

function problemInRecord(record: CedarRecord, { attributes }: RecordType, check: CheckUid): Problem | undefined {
  for (const [name, value] of record) {
    const attribute = attributes.get(name);
    const problem = attribute === undefined ? unknown : problemIn(value, attribute.type, check);
    if (problem !== undefined) return inside(name, problem);
  }
  for (const [name, { required }] of attributes) if (required && !record.has(name)) return inside(name, missing);
  return undefined;
}

const expected = (type: string): Problem => ({ path: [], what: `expected ${type}` });
const unknown: Problem = { path: [], what: 'not in the schema' };
const missing: Problem = { path: [], what: 'required by the schema' };
const inside = (step: Step, { path, what }: Problem): Problem => ({ path: [step, ...path], what });
