// Tool definitions as MCP servers give them. Standard: MCP 2026-07-28, tools. attacker-controlled
import { isJsonArray, isJsonObject, writeJson, type Json, type JsonObject } from '../domain/json.ts';
import type { Defined, Tool } from '../domain/registry.ts';

const NAME = /^[^\u0000-\u001f\u007f/]{1,128}$/u;

/** Keeps what is a tool at all: a name and an object schema; one of each name, the first. Anything but a list has no tools. */
export function readTools(definitions: Json | readonly JsonObject[]): readonly Tool[] {
  const tools = new Map<string, Tool>();
  for (const definition of isJsonArray(definitions) ? definitions : []) {
    if (!isJsonObject(definition)) continue;
    const { name, inputSchema } = definition;
    if (typeof name !== 'string' || !NAME.test(name) || !isJsonObject(inputSchema)) continue;
    if (!tools.has(name)) tools.set(name, { name, definition, inputSchema });
  }
  return [...tools.values()];
}

/** Names of those whose definition is not, byte for byte, the pinned one of that name. */
export function changedTools(found: readonly Defined[], pinned: readonly Defined[]): readonly string[] {
  const known = new Map(pinned.map((tool) => [tool.name, writeJson(tool.definition)]));
  return found.filter((tool) => known.get(tool.name) !== writeJson(tool.definition)).map((tool) => tool.name);
}

/** The definitions as one text, for digests and comparison. */
export const textOf = (tools: readonly Defined[]): string => writeJson(tools.map((tool) => tool.definition));
