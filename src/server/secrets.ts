// The credentials of upstreams: read once from where the configuration says, sealed, and opened again at every later start. INVARIANT I8
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { SecretSource } from '../control/config.ts';
import type { Sealer } from '../crypto/seal.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Sealed } from '../store/ports.ts';

export interface SecretParts {
  /** Directory that relative paths start from. */
  readonly base: string;
  readonly store: Sealed;
  readonly sealer: Sealer;
}

/** Reads the secret of a resource from its source when that has one, and otherwise opens what was sealed before. @throws Refusal CORDON-9006 */
export async function secretOf(parts: SecretParts, resource: string, source: SecretSource): Promise<string> {
  const { store, sealer } = parts;
  const name = `secret/${resource}`;
  const fresh = await readSource(parts.base, source);
  if (fresh !== undefined) {
    await store.putSealed(name, sealer.seal(name, Buffer.from(fresh)));
    return checked(fresh, resource);
  }
  const sealed = await store.getSealed(name);
  if (sealed !== undefined) return checked(Buffer.from(sealer.open(name, sealed)).toString('utf8'), resource);
  const where = 'env' in source ? `the environment variable \`${source.env}\`` : `the file \`${source.file}\``;
  throw new Refusal('CORDON-9006', `the credential of \`${resource}\` is missing`, {
    expected: `${where}, at the first start`,
    fix: `provide ${where} and start again`,
  });
}

/** What cannot stand in a header would fail every call, without a word why. */
function checked(secret: string, resource: string): string {
  if (/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(secret)) return secret;
  throw new Refusal('CORDON-9006', `the credential of \`${resource}\` cannot be sent in a header`, {
    expected: 'one line of visible ASCII',
  });
}

async function readSource(base: string, source: SecretSource): Promise<string | undefined> {
  const text = 'env' in source ? process.env[source.env] : await readText(resolve(base, source.file));
  const trimmed = text?.trim();
  return trimmed === '' ? undefined : trimmed;
}

/** A file that is gone after the first start is the operator's good practice. */
const readText = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);
