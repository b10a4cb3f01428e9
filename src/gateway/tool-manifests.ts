// What each tool does and which arguments name someone or somewhere, worked out from its pinned definition when it is first asked for.
import type { Resource, Tool, World } from '../domain/registry.ts';
import { manifestOf } from '../pdp/tool-manifest.ts';
import type { Manifest } from '../trust/manifest.ts';

export interface Manifests extends ReadonlyMap<string, Manifest> {
  /** From now on the tools are those of this world. */
  see(world: World): void;
}

export const createManifests = (): Manifests => new PinnedManifests();

class PinnedManifests extends Map<string, Manifest> implements Manifests {
  readonly #known = new WeakMap<Tool, { readonly of: Resource; readonly manifest: Manifest }>();
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
    return tool && resource && this.#manifest(tool, resource);
  }

  #manifest(tool: Tool, resource: Resource): Manifest {
    const known = this.#known.get(tool);
    if (known?.of === resource) return known.manifest;
    const { manifest } = manifestOf(tool, resource);
    this.#known.set(tool, { of: resource, manifest });
    return manifest;
  }
}
