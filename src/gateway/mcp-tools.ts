// Reading a whole list of a server (tools, prompts, resources), whatever its transport; bounded. attacker-controlled
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { RpcOutcome } from './upstreams.ts';

const MAX_PAGES = 50;
const MAX_ITEMS = 1000;

export const allTools = async (list: (params: JsonObject) => Promise<RpcOutcome>): Promise<readonly JsonObject[]> => {
  const outcome = await allOf('tools', list);
  if ('error' in outcome) throw new Refusal('CORDON-9010', 'the MCP server refuses `tools/list`');
  return outcome.items;
};

type Listed = { readonly items: readonly JsonObject[] } | { readonly error: JsonObject };

/** Follows `nextCursor` to the end; what the server says when it refuses. @throws Refusal CORDON-9010 malformed, too long or endless */
export async function allOf(member: string, list: (params: JsonObject) => Promise<RpcOutcome>): Promise<Listed> {
  const items: JsonObject[] = [];
  let cursor: Json | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const outcome = await list(cursor === undefined ? {} : { cursor });
    if ('error' in outcome) return outcome;
    const { [member]: found, nextCursor } = outcome.result;
    if (!isJsonArray(found)) throw new Refusal('CORDON-9010', `the MCP server lists no \`${member}\``);
    items.push(...found.filter((item) => isJsonObject(item)));
    if (items.length > MAX_ITEMS) throw new Refusal('CORDON-9010', `the MCP server lists more than ${MAX_ITEMS} ${member}`);
    if (typeof nextCursor !== 'string') return { items };
    cursor = nextCursor;
  }
  throw new Refusal('CORDON-9010', 'the list does not end');
}
