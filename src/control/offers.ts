// What MCP servers define besides tools: prompts, resources, resource templates. Standards: MCP 2026-07-28, MCP 2025-11-25.
// attacker-controlled
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { offerName, OFFER_KINDS, type Defined, type OfferKind, type Offers, type Tool } from '../domain/registry.ts';
import { readTools } from './tools.ts';

const NAME = /^[^\u0000-\u001f\u007f]{1,2048}$/u;

/** The member by which an item is used. */
const NAMED_BY: Readonly<Record<OfferKind, string>> = { prompts: 'name', resources: 'uri', templates: 'uriTemplate' };

/** All that a server defines. */
export interface Definitions {
  readonly tools: readonly Tool[];
  readonly offers: Offers;
}

/** Keeps what has a name at all; one of each, the first. Anything but a list is a kind that is not offered. */
export const readOffers = (lists: JsonObject): Offers =>
  Object.fromEntries(
    OFFER_KINDS.flatMap((kind): (readonly [OfferKind, readonly Defined[]])[] => {
      const { [kind]: list } = lists;
      return isJsonArray(list) ? [[kind, namedIn(list, NAMED_BY[kind])]] : [];
    }),
  );

function namedIn(list: readonly Json[], member: string): readonly Defined[] {
  const found = new Map<string, Defined>();
  for (const definition of list) {
    const name = isJsonObject(definition) ? definition[member] : undefined;
    if (!isJsonObject(definition) || typeof name !== 'string' || !NAME.test(name) || found.has(name)) continue;
    found.set(name, { name, definition });
  }
  return [...found.values()];
}

/** As they are pinned. */
export const writeOffers = (offers: Offers): JsonObject =>
  Object.fromEntries(Object.entries(offers).map(([kind, list]) => [kind, list.map(({ definition }) => definition)]));

/** All in one list, each under a name that no other has. */
export const listed = ({ tools, offers }: Definitions): readonly Defined[] => [
  ...tools,
  ...OFFER_KINDS.flatMap((kind) => (offers[kind] ?? []).map(({ name, definition }) => ({ name: offerName(kind, name), definition }))),
];

/** What `listed` made one list of; `of` says which kinds there are. */
export function unlisted(list: readonly Defined[], of: Offers): Definitions {
  const under = (kind: OfferKind): readonly Defined[] =>
    list
      .filter(({ name }) => name.startsWith(`${kind}/`))
      .map(({ name, definition }) => ({ name: name.slice(kind.length + 1), definition }));
  const kinds = OFFER_KINDS.filter((kind) => of[kind] !== undefined || under(kind).length > 0);
  return {
    tools: readTools(list.filter(({ name }) => !name.includes('/')).map(({ definition }) => definition)),
    offers: Object.fromEntries(kinds.map((kind) => [kind, under(kind)])),
  };
}
