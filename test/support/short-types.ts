// Types of a Cedar schema in short, so that a table can say them: `Long`, `[element]`, `{ there: …, 'optional?': … }`, and for an entity
// its attributes with its tags as `...`.
import assert from 'node:assert/strict';
import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Catalog } from '../../src/policy/schema/catalog.ts';
import { schemaText } from '../../src/policy/schema/schema.ts';

export type Short = string | readonly Short[] | { readonly [name: string]: Short };

export const isRaw = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What a name stands for: a type in short, another type (`type` in it), or the declaration of an entity. */
export type Resolve = (name: string) => string | object;

/** The type of the arguments of a tool, by our own schema. */
export function inputType(catalog: Catalog, tool: string): Short {
  const { entityTypes, actions } = (JSON.parse(schemaText(catalog)) as SchemaJson<string>)[''] ?? assert.fail('no namespace');
  const own: Resolve = (name) => (name.startsWith('Input_') ? (entityTypes[name] ?? assert.fail(name)) : name);
  return shortType(inputOf(actions[tool]), own);
}

/** The type of `context.input` in an action. */
export function inputOf(action: unknown): unknown {
  const context = isRaw(action) && isRaw(action['appliesTo']) ? action['appliesTo']['context'] : undefined;
  return isRaw(context) && isRaw(context['attributes']) ? context['attributes']['input'] : assert.fail('no context');
}

export function shortType(type: unknown, resolve: Resolve): Short {
  if (!isRaw(type)) return assert.fail('no type');
  const { type: kind, name, element, attributes } = type;
  if (kind === 'Set') return [shortType(element, resolve)];
  if (kind === 'Record') return members(attributes, resolve);
  const meant = resolve(String(kind === 'Extension' || kind === 'Entity' || kind === 'EntityOrCommon' ? name : kind));
  if (typeof meant === 'string') return meant;
  return 'type' in meant ? shortType(meant, resolve) : entity(meant, resolve);
}

function entity(declared: object, resolve: Resolve): Short {
  const attributes = 'shape' in declared && isRaw(declared.shape) ? members(declared.shape['attributes'], resolve) : {};
  return 'tags' in declared ? { ...attributes, '...': shortType(declared.tags, resolve) } : attributes;
}

function members(attributes: unknown, resolve: Resolve): { readonly [name: string]: Short } {
  const named = Object.entries(isRaw(attributes) ? attributes : {});
  return Object.fromEntries(
    named.map(([name, type]) => [isRaw(type) && type['required'] === false ? `${name}?` : name, shortType(type, resolve)]),
  );
}
