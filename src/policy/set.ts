// A loaded policy set behind its door.
import { type Catalog, catalogOf, isCovered } from './schema/catalog.ts';
import { decide } from './decide.ts';
import { explain, trace } from './explain.ts';
import type { Loaded } from './loaded.ts';
import { visibleTools } from './outline.ts';
import type { PolicySet, PolicySource, PolicyWarning } from './policy-set.ts';
import { reach } from './reach.ts';

export function setOf(set: Loaded, hash: string, sources: readonly PolicySource[], warnings: readonly PolicyWarning[]): PolicySet {
  return {
    version: set.version,
    hash,
    sources,
    policies: [...set.policies.values()].map(({ id, effect, source, annotations, mode, text }) => ({
      id,
      effect,
      source,
      annotations,
      mode,
      text,
    })),
    warnings,
    covers: (world) => covers(set.catalog, catalogOf(world)),
    decide: (request, world, principal = 'agent') => decide(set, request, world, principal),
    visibleTools: (agent, resource, world, delegation) => visibleTools(set, agent, resource, world, delegation),
    explain: (request, world, principal = 'agent') => explain(set, request, world, principal),
    trace: (request, world, principal = 'agent') => trace(set, request, world, principal),
    reach: (wanted, world) => reach(set, wanted, world),
    watch: (check) => set.oversight.watch(check),
    failOver: () => set.oversight.failOver(),
  };
}

const covers = (admitted: Catalog, now: Catalog): boolean =>
  admitted === now || (admitted.size === now.size && [...now.keys()].every((id) => isCovered(admitted, now, id)));
