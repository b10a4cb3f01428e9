// Remembers what was found for three keys, each an object: nothing is kept alive by it, and when there is too much it starts anew.

const MAX_ENTRIES = 20_000;

export class TripleCache<K extends object, T> {
  #first = new WeakMap<K, WeakMap<K, WeakMap<K, T>>>();
  #entries = 0;

  get(one: K, two: K, three: K): T | undefined {
    return this.#first.get(one)?.get(two)?.get(three);
  }

  set(one: K, two: K, three: K, value: T): void {
    if (++this.#entries > MAX_ENTRIES) this.clear();
    const second = this.#first.get(one) ?? new WeakMap<K, WeakMap<K, T>>();
    const third = second.get(two) ?? new WeakMap<K, T>();
    this.#first.set(one, second.set(two, third.set(three, value)));
  }

  clear(): void {
    this.#first = new WeakMap();
    this.#entries = 0;
  }
}
