// Keys of the trust domain: made once, sealed in the store, opened when they are needed. The root signs an intermediate and is put away
// again.
import type { SigningCertificate, Authority, CreateOptions } from '../identity/authority.ts';
import { createIntermediate, createRoot, needsRenewal } from '../identity/authority.ts';
import type { Sealer } from '../crypto/seal.ts';
import { isJsonObject, parseJson, writeJson } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Sealed } from '../store/ports.ts';

const ROOT = 'ca/root';
const INTERMEDIATE = 'ca/intermediate';
const BOUNDS = { maxBytes: 65_536, maxDepth: 1 };

/** The certificate authority of a running Cordon. */
export interface AuthorityKeeper {
  /** As it signed last. */
  readonly current: () => Authority;
  /** As it signs now: an intermediate past half its life is replaced first, however long this process has run. @throws Refusal CORDON-9004 */
  readonly fresh: () => Promise<Authority>;
}

export interface AuthorityOptions extends Omit<CreateOptions, 'now'> {
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** Opens the authority, or makes it when the store has none. @throws Refusal CORDON-9006 when the seal key is not the right one */
export async function openAuthority(store: Sealed, sealer: Sealer, options: AuthorityOptions): Promise<AuthorityKeeper> {
  let current = await load(store, sealer, options);
  let renewing: Promise<Authority> | undefined;
  const renew = async (): Promise<Authority> => {
    try {
      current = await load(store, sealer, options);
      return current;
    } finally {
      renewing = undefined;
    }
  };
  return {
    current: () => current,
    fresh: async () => (needsRenewal(current.intermediate, options.now()) ? (renewing ??= renew()) : current),
  };
}

async function load(store: Sealed, sealer: Sealer, { trustDomain, serial, now }: AuthorityOptions): Promise<Authority> {
  const options: CreateOptions = { trustDomain, serial, now: now() };
  const root = (await open(store, sealer, ROOT)) ?? (await save(store, sealer, ROOT, await createRoot(options)));
  const kept = await open(store, sealer, INTERMEDIATE);
  const intermediate =
    kept !== undefined && !needsRenewal(kept, options.now)
      ? kept
      : await save(store, sealer, INTERMEDIATE, await createIntermediate(root, options));
  return { trustDomain, root: root.certificate, intermediate };
}

async function open(store: Sealed, sealer: Sealer, name: string): Promise<SigningCertificate | undefined> {
  const sealed = await store.getSealed(name);
  if (sealed === undefined) return undefined;
  const json = parseJson(sealer.open(name, sealed), BOUNDS);
  const { certificate, privateKey } = isJsonObject(json) ? json : {};
  if (typeof certificate === 'string' && typeof privateKey === 'string') return { certificate, privateKey };
  throw new Refusal('CORDON-9006', `sealed \`${name}\` is no certificate with its key`, { fix: 'restore a backup of the store' });
}

async function save(store: Sealed, sealer: Sealer, name: string, made: SigningCertificate): Promise<SigningCertificate> {
  const { certificate, privateKey } = made;
  await store.putSealed(name, sealer.seal(name, Buffer.from(writeJson({ certificate, privateKey }))));
  return made;
}
