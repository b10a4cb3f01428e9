// Is what a request names defined as it was pinned? A tool by its resource; prompts, resources and templates by what the request says.
import type { AccessRequest } from '../domain/access.ts';
import { isJsonObject, type Json } from '../domain/json.ts';
import { offerName, type OfferKind } from '../domain/registry.ts';
import type { Snapshot } from './snapshot.ts';

/** By the action, the members of the input that name it. */
const NAMED: Readonly<Record<string, { readonly kind: OfferKind; readonly member: string }>> = {
  'prompts/get': { kind: 'prompts', member: 'name' },
  'resources/read': { kind: 'resources', member: 'uri' },
  'resources/subscribe': { kind: 'resources', member: 'uri' },
};

/** Does the request use a definition that is not the pinned one? */
export function isChanged({ changedTools }: Snapshot, request: AccessRequest): boolean {
  if (changedTools.size === 0) return false;
  const { resource } = request;
  return changedTools.has(resource.id) || offersIn(request).some((name) => changedTools.has(`${resource.id}/${name}`));
}

function offersIn({ action, resource, context }: AccessRequest): readonly string[] {
  const { input } = context;
  if (resource.type !== 'mcp_server' || !isJsonObject(input)) return [];
  if (action.name === 'completion/complete')
    return input['of'] === 'prompt'
      ? named('prompts', input['name'])
      : [...named('templates', input['name']), ...named('resources', input['name'])];
  const row = Object.hasOwn(NAMED, action.name) ? NAMED[action.name] : undefined;
  return row === undefined ? [] : named(row.kind, input[row.member]);
}

const named = (kind: OfferKind, name: Json | undefined): readonly string[] => (typeof name === 'string' ? [offerName(kind, name)] : []);
