// The data directory: everything Cordon keeps, and nothing anywhere else. Owner only.
import { chmod, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomKey } from '../crypto/random.ts';
import { parseKey } from '../crypto/seal.ts';
import { Refusal } from '../domain/refusal.ts';

export interface DataDir {
  readonly root: string;
  readonly database: string;
  /** Log of one PEP. */
  log(pep: string): string;
  /** Credentials and address that the CLI of this machine's operator uses. */
  readonly operator: string;
  /** The root key that seals what is kept. */
  sealKey(): Promise<Uint8Array>;
}

/** Opens or makes the directory. @throws Refusal CORDON-9006 when it can't be used */
export async function openDataDir(root: string): Promise<DataDir> {
  try {
    await mkdir(root, { recursive: true, mode: 0o700 });
    await chmod(root, 0o700);
    await mkdir(join(root, 'operator'), { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new Refusal('CORDON-9006', `cannot use \`${root}\` as data directory`, { cause, fix: 'choose another one with `--data DIR`' });
  }
  return {
    root,
    database: join(root, 'cordon.db'),
    log: (pep) => join(root, 'log', pep),
    operator: join(root, 'operator'),
    sealKey: () => sealKey(join(root, 'seal.key')),
  };
}

/** `CORDON_SEAL_KEY` (the key, or `file:<path>`), else a file beside the data, made at first start. */
async function sealKey(beside: string): Promise<Uint8Array> {
  const given = process.env['CORDON_SEAL_KEY'];
  if (given !== undefined && !given.startsWith('file:')) return parseKey(given);
  const path = given === undefined ? beside : given.slice('file:'.length);
  if (given === undefined && !(await exists(path))) await writePrivate(path, `${Buffer.from(randomKey()).toString('base64')}\n`);
  const { mode } = await statOf(path);
  if ((mode & 0o077) !== 0) {
    throw new Refusal('CORDON-9006', `the seal key \`${path}\` can be read by others`, { observed: `mode ${(mode & 0o777).toString(8)}`, expected: 'mode 600', fix: `chmod 600 ${path}` });
  }
  return parseKey(await readFile(path, 'utf8'));
}

async function statOf(path: string): Promise<{ mode: number }> {
  try {
    return await stat(path);
  } catch (cause) {
    throw new Refusal('CORDON-9006', `cannot read the seal key \`${path}\``, { cause });
  }
}

const exists = (path: string): Promise<boolean> => stat(path).then(() => true, () => false);

/** Writes a file whole, for its owner alone: a reader sees the old content or the new, never a part. */
export async function writePrivate(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, path);
}
