// Reading a server's whole tool list, whatever its transport; bounded. attacker-controlled
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { RpcOutcome } from './upstreams.ts';

const MAX_PAGES = 50;
const MAX_TOOLS = 1000;

/** Follows `nextCursor` to the end. @throws Refusal CORDON-9010 when the list is refused, malformed, too long or endless */
export async function allTools(list: (params: JsonObject) => Promise<RpcOutcome>): Promise<readonly JsonObject[]> {
  const tools: JsonObject[] = [];
  let cursor: Json | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const outcome = await list(cursor === undefined ? {} : { cursor });
    if ('error' in outcome) throw new Refusal('CORDON-9010', 'the MCP server refuses `tools/list`');
    const { tools: found, nextCursor } = outcome.result;
    if (!isJsonArray(found)) throw new Refusal('CORDON-9010', 'the MCP server lists no `tools`');
    tools.push(...found.filter((tool) => isJsonObject(tool)));
    if (tools.length > MAX_TOOLS) throw new Refusal('CORDON-9010', `the MCP server lists more than ${MAX_TOOLS} tools`);
    if (typeof nextCursor !== 'string') return tools;
    cursor = nextCursor;
  }
  throw new Refusal('CORDON-9010', 'the tool list does not end');
}
