// Where the key comes from that seals everything: a file beside the data, another file, the environment, or a key that never leaves an
// HSM. `CORDON_SEAL_KEY` says which.
import { join } from 'node:path';
import { randomKey } from '../crypto/random.ts';
import { parseKey } from '../crypto/seal.ts';
import { createPrivate, type DataDir } from './data-dir.ts';
import { openHsmKey } from './seal-key-hsm.ts';
import { isThere, readSecret, refuseOverData } from './secret-file.ts';

const FILE = 'file:';
const HSM = 'pkcs11:';

/**
 * Opens the seal key, or makes one at the first start.
 * @param from `CORDON_SEAL_KEY`: the key itself, `file:<path>`, `pkcs11:<RFC 7512>`, or undefined for a file beside the data
 * @throws Refusal CORDON-9006 when it is missing, cannot be read, or can be read by others
 */
export async function openSealKey(data: DataDir, from = process.env['CORDON_SEAL_KEY']): Promise<Uint8Array> {
  if (from === undefined) return besideKey(data);
  if (from.startsWith(FILE)) return parseKey(await readSecret(from.slice(FILE.length), 'the seal key'));
  return from.startsWith(HSM) ? openHsmKey(data, from) : parseKey(from);
}

async function besideKey(data: DataDir): Promise<Uint8Array> {
  const path = join(data.root, 'seal.key');
  if (!(await isThere(path))) await makeKey(data, path);
  return parseKey(await readSecret(path, 'the seal key'));
}

async function makeKey(data: DataDir, path: string): Promise<void> {
  await refuseOverData(data, path);
  await createPrivate(path, `${Buffer.from(randomKey()).toString('base64')}\n`);
}
