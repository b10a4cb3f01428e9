// The registered world as JSON, `cordon.world/v1`: what policies are checked and tested against where no server runs. Both directions.
import * as z from 'zod';
import { LEVELS } from '../domain/access.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { RESOURCE_KINDS, type Tool, type World } from '../domain/registry.ts';
import type { Control } from './control.ts';
import { readTools } from './tools.ts';

const name = z.string().min(1).max(300);
const names = z.array(name);
/** Read by the strict JSON parser, so it is JSON all the way down. */
const definition = z.custom<JsonObject>((value) => typeof value === 'object' && value !== null && !Array.isArray(value));

export const WORLD = z.object({
  schema: z.literal('cordon.world/v1'),
  segments: z.array(z.object({ name, links: names })),
  agents: z.array(z.object({ name, segment: name, owner: z.string(), purpose: z.string() })),
  resources: z.array(
    z.object({ name, segment: name, reads: names, tags: z.record(z.string(), z.string()), kind: z.enum(RESOURCE_KINDS).exactOptional() }),
  ),
  /** Names and input schemas as pinned, by resource. */
  tools: z.record(z.string(), z.array(definition)),
  /** Other than `normal`, by agent. */
  levels: z.record(z.string(), z.enum(LEVELS)),
});

export type WorldJson = z.infer<typeof WORLD>;

/** The world as it is enforced now. */
export const worldView = ({ publisher }: Control): WorldJson => worldJson(publisher.world());

export const worldJson = ({ segments, agents, resources, tools, levels }: World): WorldJson => ({
  schema: 'cordon.world/v1',
  segments: segments.map((segment) => ({ name: segment.name, links: [...segment.links] })),
  agents: agents.map(({ name: agent, segment, owner, purpose }) => ({ name: agent, segment, owner, purpose })),
  resources: resources.map(({ name: resource, segment, reads, tags, kind }) => ({
    name: resource,
    segment,
    reads: [...reads],
    tags: { ...tags },
    ...(kind === undefined || kind === 'mcp' ? {} : { kind }),
  })),
  tools: Object.fromEntries([...tools].map(([resource, listing]) => [resource, listing.map(toolJson)])),
  levels: Object.fromEntries(levels),
});

export const worldOf = ({ segments, agents, resources, tools, levels }: WorldJson): World => ({
  segments,
  agents,
  resources,
  tools: new Map(Object.entries(tools).map(([resource, listing]) => [resource, readTools(listing).map(withRoute)])),
  levels: new Map(Object.entries(levels)),
});

/** Of a route of an HTTP API. */
function withRoute(tool: Tool): Tool {
  const { route } = tool.definition;
  if (!isJsonObject(route) || typeof route['method'] !== 'string' || typeof route['path'] !== 'string') return tool;
  return { ...tool, route: { method: route['method'], path: route['path'] } };
}

/** What policy sees of a tool. What its server says to models (attacker-controlled) is not handed on. */
const toolJson = ({ name: tool, inputSchema, route }: Tool): JsonObject => ({
  name: tool,
  inputSchema: withoutProse(inputSchema),
  ...(route === undefined ? {} : { route }),
});

/** Keywords of JSON Schema that say nothing about values. */
const PROSE = new Set(['title', 'description', 'examples', '$comment']);
/** Keywords whose members are named by the author of the schema. */
const NAMED = new Set(['properties', 'patternProperties', 'dependentSchemas', '$defs', 'definitions']);
/** Keywords that hold values. */
const VALUES = new Set(['const', 'enum', 'default']);

const withoutProse = (schema: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(schema)
      .filter(([keyword]) => !PROSE.has(keyword))
      .map(([keyword, value]) => [keyword, VALUES.has(keyword) ? value : NAMED.has(keyword) ? eachMember(value) : subschema(value)]),
  );

const eachMember = (value: Json): Json =>
  isJsonObject(value) ? Object.fromEntries(Object.entries(value).map(([member, schema]) => [member, subschema(schema)])) : value;

function subschema(value: Json): Json {
  if (isJsonArray(value)) return value.map(subschema);
  return isJsonObject(value) ? withoutProse(value) : value;
}
