// Keys of the trust domain: made once, sealed in the store, opened at start. The root signs an intermediate and is put away again.
import type { SigningCertificate, Authority, CreateOptions } from '../identity/authority.ts';
import { createIntermediate, createRoot, needsRenewal } from '../identity/authority.ts';
import type { Sealer } from '../crypto/seal.ts';
import { isJsonObject, parseJson, writeJson } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Sealed } from '../store/ports.ts';

const ROOT = 'ca/root';
const INTERMEDIATE = 'ca/intermediate';
const BOUNDS = { maxBytes: 65_536, maxDepth: 1 };

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
