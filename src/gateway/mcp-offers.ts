// What an MCP server defines besides tools, asked for whole so that it can be pinned. attacker-controlled
import type { JsonObject } from '../domain/json.ts';
import type { OfferKind } from '../domain/registry.ts';
import { allOf } from './mcp-tools.ts';
import { ignoreNotifications, type McpUpstream } from './upstreams.ts';

interface Listing {
  /** Of the server, without which it is not asked. */
  readonly capability: string;
  readonly method: string;
  /** Of the result. */
  readonly member: string;
}

export const LISTINGS: Readonly<Record<OfferKind, Listing>> = {
  prompts: { capability: 'prompts', method: 'prompts/list', member: 'prompts' },
  resources: { capability: 'resources', method: 'resources/list', member: 'resources' },
  templates: { capability: 'resources', method: 'resources/templates/list', member: 'resourceTemplates' },
};

/** The lists, by kind; without those that the server does not have, or refuses: its tools are served all the same. @throws Refusal CORDON-9010 */
export async function listOffers(upstream: McpUpstream, signal: AbortSignal): Promise<JsonObject> {
  const lists: Record<string, readonly JsonObject[]> = {};
  for (const [kind, { capability, method, member }] of Object.entries(LISTINGS)) {
    if (upstream.offers()[capability] === undefined) continue;
    const found = await allOf(member, (params) => upstream.ask({ method, params, retry: true }, ignoreNotifications, signal));
    if (!('error' in found)) lists[kind] = found.items;
  }
  return lists;
}
