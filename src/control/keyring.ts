// A ring of keys as it rests: sealed in the store under a name of its own, and replaced whole, so that a process that ends between two
// steps leaves the ring before or the ring after.
import type { Sealer } from '../crypto/seal.ts';
import { isJsonArray, isJsonObject, parseJson, writeJson, type Json } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { STAGES, type Ring, type Staged } from '../identity/stages.ts';
import type { Sealed } from '../store/ports.ts';

export interface KeptKey extends Staged {
  /** Names it in the log and to operators: `kid`, or the fingerprint of a certificate. */
  readonly id: string;
  /** A certificate, PEM, or a JSON Web Key. */
  readonly publicPart: string;
  /** PKCS#8 PEM; gone once it signs no more. */
  readonly privateKey?: string;
}

const BOUNDS = { maxBytes: 262_144, maxDepth: 3 };

export class Keyring {
  readonly name: string;
  readonly #store: Sealed;
  readonly #sealer: Sealer;
  #keys: Ring<KeptKey> = [];
  #revision = 0;

  private constructor(store: Sealed, sealer: Sealer, name: string) {
    this.#store = store;
    this.#sealer = sealer;
    this.name = name;
  }

  /** An empty one when the store has none of this name. @throws Refusal CORDON-9006 when it does not open, CORDON-9004 */
  static async open(store: Sealed, sealer: Sealer, name: string): Promise<Keyring> {
    const ring = new Keyring(store, sealer, name);
    const sealed = await store.getSealed(name);
    if (sealed === undefined) return ring;
    const json = parseJson(sealer.open(name, sealed), BOUNDS);
    const { revision, keys } = isJsonObject(json) ? json : {};
    if (typeof revision !== 'number' || keys === undefined || !isJsonArray(keys)) throw damaged(name);
    ring.#revision = revision;
    ring.#keys = keys.map((key) => keyOf(key, name));
    return ring;
  }

  get keys(): Ring<KeptKey> {
    return this.#keys;
  }

  /** Grows with each change; 0 before the first. */
  get revision(): number {
    return this.#revision;
  }

  /** Keeps these in place of what was kept. @throws Refusal CORDON-9004; then nothing has changed */
  async replace(keys: Ring<KeptKey>): Promise<void> {
    const revision = this.#revision + 1;
    const text = writeJson({ revision, keys: keys.map((key) => ({ ...key })) });
    await this.#store.putSealed(this.name, this.#sealer.seal(this.name, Buffer.from(text)));
    this.#keys = keys;
    this.#revision = revision;
  }
}

function keyOf(json: Json, name: string): KeptKey {
  const { stage: said, since, id, publicPart, privateKey } = isJsonObject(json) ? json : {};
  const stage = STAGES.find((known) => known === said);
  if (stage === undefined || typeof since !== 'number' || typeof id !== 'string' || typeof publicPart !== 'string') throw damaged(name);
  if (privateKey !== undefined && typeof privateKey !== 'string') throw damaged(name);
  return { stage, since, id, publicPart, ...(privateKey === undefined ? {} : { privateKey }) };
}

const damaged = (name: string): Refusal =>
  new Refusal('CORDON-9006', `sealed \`${name}\` is no ring of keys`, { fix: 'restore a backup of the store' });
