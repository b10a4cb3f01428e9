// Look-up by exact name in the lists of a world. A list is indexed once, however many worlds share it.

interface Named {
  readonly name: string;
}

const indexes = new WeakMap<readonly Named[], ReadonlyMap<string, number>>();

/** The element with this name; of two with one name, the last. */
export function byName<T extends Named>(list: readonly T[], name: string): T | undefined {
  let index = indexes.get(list);
  if (index === undefined) {
    index = new Map(list.map((element, at) => [element.name, at]));
    indexes.set(list, index);
  }
  const at = index.get(name);
  return at === undefined ? undefined : list[at];
}
