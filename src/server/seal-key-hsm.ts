// A seal key that rests wrapped by an RSA key of an HSM: beside the data lies what only the token can open.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomKey } from '../crypto/random.ts';
import { OAEP_HASHES, wrapKey, type OaepHash } from '../crypto/wrap.ts';
import { isJsonObject, parseJson, writeJson } from '../domain/json.ts';
import { asRefusal, Refusal } from '../domain/refusal.ts';
import { createPrivate, type DataDir } from './data-dir.ts';
import { findPair, isPinRefused, parseHsmUri, unwrap, type HsmPair } from './hsm-tool.ts';
import { isThere, readSecret, refuseOverData } from './secret-file.ts';

const KEY_BYTES = 32;
const BOUNDS = { maxBytes: 8192, maxDepth: 1 };

interface Wrapped {
  readonly oaep: OaepHash;
  readonly bytes: Uint8Array;
}

/** Opens it, or makes and wraps one at the first start. @throws Refusal CORDON-9006 */
export async function openHsmKey(data: DataDir, uri: string): Promise<Uint8Array> {
  const named = parseHsmUri(uri);
  const pin = (await readSecret(named.pinSource, 'the PIN')).trim();
  const hsm = await findPair(named);
  const path = join(data.root, 'seal.key.wrapped');
  if (!(await isThere(path))) {
    await refuseOverData(data, path);
    await createPrivate(path, textOf(await makeWrapped(hsm, pin)));
  }
  const { oaep, bytes } = await readWrapped(path);
  const key = await unwrap(hsm, pin, bytes, oaep);
  if (key.byteLength === KEY_BYTES) return key;
  throw new Refusal('CORDON-9006', 'the token opened something that is not a seal key', { observed: `${key.byteLength} bytes` });
}

/** With the first hash that the token knows: it is asked to open what it will have to open. */
async function makeWrapped(hsm: HsmPair, pin: string): Promise<Wrapped> {
  const secret = randomKey();
  let last = new Refusal('CORDON-9006', 'the token does not open what its public key wraps');
  for (const oaep of OAEP_HASHES) {
    const bytes = wrapKey(hsm.publicKey, secret, oaep);
    try {
      const opened = await unwrap(hsm, pin, bytes, oaep);
      if (Buffer.compare(opened, secret) === 0) return { oaep, bytes };
    } catch (error) {
      last = asRefusal(error, 'CORDON-9006', 'the token cannot be asked');
      if (isPinRefused(last)) break;
    }
  }
  throw last;
}

const textOf = ({ oaep, bytes }: Wrapped): string => `${writeJson({ oaep, wrapped: Buffer.from(bytes).toString('base64') })}\n`;

async function readWrapped(path: string): Promise<Wrapped> {
  const json = parseJson(await readFile(path), BOUNDS);
  const { oaep: said, wrapped } = isJsonObject(json) ? json : {};
  const oaep = OAEP_HASHES.find((known) => known === said);
  if (oaep !== undefined && typeof wrapped === 'string') return { oaep, bytes: Buffer.from(wrapped, 'base64') };
  throw new Refusal('CORDON-9006', `\`${path}\` is no wrapped seal key`, { fix: 'restore it from its backup' });
}
