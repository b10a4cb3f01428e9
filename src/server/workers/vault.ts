// The secrets of upstreams in a worker: in its memory alone, sealed under a key that ends with it, so that what opens them is the same code
// as in the main process. INVARIANT I8
import { randomKey } from '../../crypto/random.ts';
import { sealer as sealerOf, type Sealer } from '../../crypto/seal.ts';
import type { Sealed } from '../../store/ports.ts';

export interface Vault {
  readonly store: Sealed;
  readonly sealer: Sealer;
}

export async function vaultOf(secrets: ReadonlyMap<string, string>): Promise<Vault> {
  const sealer = sealerOf(randomKey());
  const sealed = new Map([...secrets].map(([name, secret]) => [name, sealer.seal(name, Buffer.from(secret))]));
  const store: Sealed = {
    putSealed: async (name, bytes) => void sealed.set(name, bytes),
    getSealed: async (name) => sealed.get(name),
  };
  return Promise.resolve({ store, sealer });
}

/** The same vault, and which secrets of upstreams were asked of it. */
export function noting({ store, sealer }: Vault): Vault & { readonly secrets: () => Promise<ReadonlyMap<string, string>> } {
  const names = new Set<string>();
  const note = (name: string): void => void (name.startsWith('secret/') && names.add(name));
  return {
    sealer,
    store: {
      putSealed: (name, bytes) => {
        note(name);
        return store.putSealed(name, bytes);
      },
      getSealed: (name) => {
        note(name);
        return store.getSealed(name);
      },
    },
    async secrets(): Promise<ReadonlyMap<string, string>> {
      const found = new Map<string, string>();
      for (const name of names) {
        const sealed = await store.getSealed(name);
        if (sealed !== undefined) found.set(name, Buffer.from(sealer.open(name, sealed)).toString('utf8'));
      }
      return found;
    },
  };
}
