// What each tool does and which arguments name someone or somewhere, drafted from its pinned definition when it is first asked for.
// `reads` is the operator's word and counts more than what a tool says of itself.
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import type { Resource, Tool, World } from '../domain/registry.ts';
import { draftManifest, type Manifest, type ToolSchema } from '../trust/manifest.ts';

export interface Manifests extends ReadonlyMap<string, Manifest> {
  /** From now on the tools are those of this world. */
  see(world: World): void;
}

export const createManifests = (): Manifests => new DraftedManifests();

class DraftedManifests extends Map<string, Manifest> implements Manifests {
  readonly #drafts = new WeakMap<Tool, Manifest>();
  #world: World | undefined;

  see(world: World): void {
    this.#world = world;
  }

  /** By `server/tool`. */
  override get(id: string): Manifest | undefined {
    const at = id.indexOf('/');
    const [server, name] = [id.slice(0, at), id.slice(at + 1)];
    const tool = this.#world?.tools.get(server)?.find((one) => one.name === name);
    const resource = this.#world?.resources.find((one) => one.name === server);
    return tool && resource && this.#drafted(tool, resource);
  }

  #drafted(tool: Tool, resource: Resource): Manifest {
    const known = this.#drafts.get(tool) ?? draftOf(tool, resource);
    this.#drafts.set(tool, known);
    return known;
  }
}

function draftOf(tool: Tool, { reads }: Resource): Manifest {
  const drafted = draftManifest(schemaOf(tool));
  return reads.includes(tool.name) ? { ...drafted, effect: 'read' } : drafted;
}

function schemaOf({ name, definition, inputSchema }: Tool): ToolSchema {
  const { description, annotations } = definition;
  const { properties } = inputSchema;
  const hints = isJsonObject(annotations) ? annotations : {};
  return {
    name,
    description: typeof description === 'string' ? description : '',
    parameters: Object.fromEntries(
      Object.entries(isJsonObject(properties) ? properties : {}).map(([key, value]) => [key, parameterOf(value)]),
    ),
    annotations: {
      ...(typeof hints['readOnlyHint'] === 'boolean' ? { readOnlyHint: hints['readOnlyHint'] } : {}),
      ...(typeof hints['destructiveHint'] === 'boolean' ? { destructiveHint: hints['destructiveHint'] } : {}),
    },
  };
}

function parameterOf(schema: unknown): ToolSchema['parameters'][string] {
  const { type, description, enum: values } = isObject(schema) ? schema : {};
  return {
    type: values === undefined ? (typeof type === 'string' ? type : '') : 'enum',
    description: typeof description === 'string' ? description : '',
  };
}

const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
