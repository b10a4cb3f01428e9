// Manifests of the pinned tools as people review them: what counts, beside what was drafted.
import type { EFFECTS, OUTPUTS, ROLES } from '../domain/manifest.ts';
import { Refusal } from '../domain/refusal.ts';
import { definitionDigest, manifestOf, type Standing } from '../pdp/tool-manifest.ts';
import type { Control } from './control.ts';

type ManifestView = {
  readonly name: string;
  /** Of the pinned definition. */
  readonly definition: string;
  readonly standing: Standing;
  readonly effect: (typeof EFFECTS)[number];
  readonly output: (typeof OUTPUTS)[number];
  readonly arguments: readonly { readonly name: string; readonly role: (typeof ROLES)[number]; readonly drafted: (typeof ROLES)[number] }[];
};

type ManifestsView = {
  readonly schema: 'cordon.manifests/v1';
  readonly resource: string;
  readonly tools: readonly ManifestView[];
  /** Reviewed, and not pinned: tools that are gone, or misspelt. */
  readonly unknown: readonly string[];
};

/** @throws Refusal CORDON-3003 no such resource */
export function manifestsView({ publisher }: Control, name: string): ManifestsView {
  const { resources, tools: listings } = publisher.world();
  const resource = resources.find((one) => one.name === name);
  if (resource === undefined) throw new Refusal('CORDON-3003', `no resource is registered as \`${name}\``);
  const tools = listings.get(name) ?? [];
  return {
    schema: 'cordon.manifests/v1',
    resource: name,
    tools: tools.map((tool): ManifestView => {
      const { manifest, draft, standing } = manifestOf(tool, resource);
      const roles = Object.entries(manifest.roles).map(([argument, role]) => ({
        name: argument,
        role,
        drafted: draft.roles[argument] ?? role,
      }));
      return {
        name: tool.name,
        definition: definitionDigest(tool),
        standing,
        effect: manifest.effect,
        output: manifest.output,
        arguments: roles,
      };
    }),
    unknown: Object.keys(resource.manifests ?? {}).filter((one) => !tools.some((tool) => tool.name === one)),
  };
}
