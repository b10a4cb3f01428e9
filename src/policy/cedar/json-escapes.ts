// Objects in Cedar JSON that stand for an entity or for a call of an extension function.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';

export interface EntityEscape {
  readonly kind: 'entity';
  readonly type: string;
  readonly id: string;
}

export interface CallEscape {
  readonly kind: 'call';
  readonly fn: string;
  readonly args: readonly Json[];
}

export type Escape = EntityEscape | CallEscape | { readonly kind: 'removed' };

/** The escape that an object is, if it is one: it has one member. */
export function escapeIn(object: JsonObject): Escape | undefined {
  const [member, ...more] = Object.entries(object);
  if (member === undefined || more.length > 0) return undefined;
  const [name, inner] = member;
  if (name === '__entity') return entityIn(inner);
  if (name === '__extn') return callIn(inner);
  return name === '__expr' && typeof inner === 'string' ? { kind: 'removed' } : undefined;
}

/** `{"type", "id"}` */
export function entityIn(json: Json | undefined): EntityEscape | undefined {
  if (!isJsonObject(json)) return undefined;
  const { type, id } = json;
  return typeof type === 'string' && typeof id === 'string' ? { kind: 'entity', type, id } : undefined;
}

/** `{"fn", "arg"}` or `{"fn", "args"}` */
export function callIn(json: Json | undefined): CallEscape | undefined {
  if (!isJsonObject(json)) return undefined;
  const { fn, arg, args } = json;
  if (typeof fn !== 'string') return undefined;
  if (arg !== undefined) return { kind: 'call', fn, args: [arg] };
  return isJsonArray(args) ? { kind: 'call', fn, args } : undefined;
}

const RESERVED = new Set(['true', 'false', 'if', 'then', 'else', 'in', 'is', 'like', 'has', '__cedar']);
const IDENTIFIER = /^[A-Za-z_]\w*$/;

/** `Namespace::Type`, of identifiers that are no words of the language. */
export const isTypeName = (name: string): boolean => name.split('::').every((part) => IDENTIFIER.test(part) && !RESERVED.has(part));
