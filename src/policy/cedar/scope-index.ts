// Finds what a request's scope selects without looking at anything else: principal, then action, then resource, each by its scope keys.
import type { Constraint } from './scope.ts';

/** Where one thing is filed. */
export interface Place {
  readonly principal: Constraint;
  readonly action: Constraint;
  readonly resource: Constraint;
}

type Level<T> = Map<string, T>;

interface Filed<T> {
  readonly entry: T;
  /** Under several keys: a request may meet more than one of them. */
  readonly several: boolean;
}

export class ScopeIndex<T extends object> {
  readonly #byPrincipal: Level<Level<Level<Filed<T>[]>>> = new Map();

  add(entry: T, place: Place): void {
    const several = place.principal.keys.length * place.action.keys.length * place.resource.keys.length > 1;
    for (const [principal, action, resource] of pathsOf(place)) {
      const byAction = at(this.#byPrincipal, principal, () => new Map<string, Level<Filed<T>[]>>());
      const byResource = at(byAction, action, () => new Map<string, Filed<T>[]>());
      at(byResource, resource, (): Filed<T>[] => []).push({ entry, several });
    }
  }

  /** `place` as it was added. */
  remove(entry: T, place: Place): void {
    for (const [principal, action, resource] of pathsOf(place)) {
      const byAction = this.#byPrincipal.get(principal);
      const byResource = byAction?.get(action);
      const entries = byResource?.get(resource);
      if (entries === undefined) continue;
      const index = entries.findIndex((filed) => filed.entry === entry);
      if (index >= 0) entries.splice(index, 1);
      if (entries.length > 0) continue;
      byResource?.delete(resource);
      if (byResource?.size === 0) byAction?.delete(action);
      if (byAction?.size === 0) this.#byPrincipal.delete(principal);
    }
  }

  /** Everything filed under one of the keys of each, once. */
  find(principals: readonly string[], actions: readonly string[], resources: readonly string[]): T[] {
    const found: T[] = [];
    for (const principal of principals) {
      const byAction = this.#byPrincipal.get(principal);
      if (byAction === undefined) continue;
      for (const action of actions) {
        const byResource = byAction.get(action);
        if (byResource === undefined) continue;
        for (const resource of resources) {
          for (const { entry, several } of byResource.get(resource) ?? []) if (!several || !found.includes(entry)) found.push(entry);
        }
      }
    }
    return found;
  }
}

function at<K, V>(level: Map<K, V>, key: K, make: () => V): V {
  const known = level.get(key);
  if (known !== undefined) return known;
  const made = make();
  level.set(key, made);
  return made;
}

function* pathsOf({ principal, action, resource }: Place): Iterable<readonly [string, string, string]> {
  for (const one of principal.keys) for (const two of action.keys) for (const three of resource.keys) yield [one, two, three];
}
