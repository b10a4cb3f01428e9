// Keys of the trust domain: made once, sealed in the store, opened at start. The root signs an intermediate and is put away again.
import type { SigningCertificate, Authority, CreateOptions } from '../identity/authority.ts';
import { createIntermediate, createRoot, needsRenewal } from '../identity/authority.ts';
import type { Sealer } from '../crypto/seal.ts';
import type { Sealed } from '../store/ports.ts';

const ROOT = 'ca/root';
const INTERMEDIATE = 'ca/intermediate';

/** Opens the authority, or makes it when the store has none. @throws Refusal CORDON-9006 when the seal key is not the right one */
export async function openAuthority(store: Sealed, sealer: Sealer, options: CreateOptions): Promise<Authority> {
  const root = (await load(store, sealer, ROOT)) ?? (await save(store, sealer, ROOT, await createRoot(options)));
  const kept = await load(store, sealer, INTERMEDIATE);
  const intermediate =
    kept !== undefined && !needsRenewal(kept, options.now)
      ? kept
      : await save(store, sealer, INTERMEDIATE, await createIntermediate(root, options));
  return { trustDomain: options.trustDomain, root: root.certificate, intermediate };
}

async function load(store: Sealed, sealer: Sealer, name: string): Promise<SigningCertificate | undefined> {
  const sealed = await store.getSealed(name);
  if (sealed === undefined) return undefined;
  return JSON.parse(Buffer.from(sealer.open(name, sealed)).toString('utf8')) as SigningCertificate;
}

async function save(store: Sealed, sealer: Sealer, name: string, made: SigningCertificate): Promise<SigningCertificate> {
  await store.putSealed(name, sealer.seal(name, Buffer.from(JSON.stringify(made))));
  return made;
}
