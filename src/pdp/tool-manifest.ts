// The manifest of a pinned tool: drafted from its definition, then as cordon.yaml and a review say. A review is of one definition: when that
// changes, or names an argument that it does not have, the draft counts again, and whoever looks is told.
import { sha256Hex } from '../crypto/hash.ts';
import { isJsonObject, type JsonObject, writeJson } from '../domain/json.ts';
import type { Reviewed, Role } from '../domain/manifest.ts';
import type { Resource, Tool } from '../domain/registry.ts';
import { draftManifest, type Manifest, type ToolSchema } from '../trust/manifest.ts';

/** `outdated`: reviewed, but another definition. `misfit`: the review names arguments that the definition does not have. */
export const STANDINGS = ['drafted', 'reviewed', 'outdated', 'misfit'] as const;
export type Standing = (typeof STANDINGS)[number];

export interface ToolManifest {
  readonly manifest: Manifest;
  /** As it would be without a review. */
  readonly draft: Manifest;
  readonly standing: Standing;
}

export function manifestOf(tool: Tool, { reads, manifests = {} }: Resource): ToolManifest {
  const drafted = draftManifest(schemaOf(tool));
  const draft: Manifest = reads.includes(tool.name) ? { ...drafted, effect: 'read' } : drafted;
  const reviewed = Object.hasOwn(manifests, tool.name) ? manifests[tool.name] : undefined;
  const standing = standingOf(tool, draft, reviewed);
  return { draft, standing, manifest: standing === 'reviewed' && reviewed !== undefined ? withReview(draft, reviewed) : draft };
}

/** Of a definition as it is pinned: what a review is bound to. */
export const definitionDigest = ({ definition }: Tool): string => `sha256:${sha256Hex(writeJson(definition))}`;

function standingOf(tool: Tool, { roles }: Manifest, reviewed: Reviewed | undefined): Standing {
  if (reviewed === undefined) return 'drafted';
  if (reviewed.definition !== definitionDigest(tool)) return 'outdated';
  return Object.keys(reviewed.arguments).every((name) => Object.hasOwn(roles, name)) ? 'reviewed' : 'misfit';
}

const withReview = (draft: Manifest, { effect, output, arguments: said }: Reviewed): Manifest => ({
  ...draft,
  effect: effect ?? draft.effect,
  output: output ?? draft.output,
  roles: Object.fromEntries(Object.entries(draft.roles).map(([name, role]): [string, Role] => [name, said[name] ?? role])),
});

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
