// A map that holds so many values, of which those that were not used for longest make room.

interface Bounded<V> {
  readonly most: number;
  readonly make: () => V;
  readonly drop: Drop<V>;
}
type Drop<V> = (key: string, value: V) => void;

/** The value of `key`, which is now the newest; the oldest makes room. */
export function used<V>(map: Map<string, V>, key: string, { most, make, drop }: Bounded<V>): V {
  const value = map.get(key) ?? make();
  map.delete(key);
  if (map.size >= most) dropOldest(map, drop);
  map.set(key, value);
  return value;
}

export function dropOldest<V>(map: Map<string, V>, drop: Drop<V>): void {
  const [oldest] = map;
  if (oldest === undefined) return;
  map.delete(oldest[0]);
  drop(...oldest);
}
