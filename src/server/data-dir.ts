// The data directory: everything Cordon keeps, and nothing anywhere else. Owner only.
import { chmod, link, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomId } from '../crypto/random.ts';
import { Refusal, errorCodeOf } from '../domain/refusal.ts';

export interface DataDir {
  readonly root: string;
  readonly database: string;
  /** Log of one PEP. */
  log(pep: string): string;
  /** Credentials and address that the CLI of this machine's operator uses. */
  readonly operator: string;
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
  };
}

/** Writes a file whole and durably, for its owner alone: a reader sees the old content or the new, never a part. */
export async function writePrivate(path: string, text: string): Promise<void> {
  const temporary = await writeBeside(path, text);
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

/** The same for a file that must not replace one: of two processes that start at once, one makes it and both use that. */
export async function createPrivate(path: string, text: string): Promise<void> {
  const temporary = await writeBeside(path, text);
  try {
    await link(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    if (errorCodeOf(error) !== 'EEXIST') throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function writeBeside(path: string, text: string): Promise<string> {
  const temporary = `${path}.${randomId(8)}.tmp`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  return temporary;
}

/** Makes the name of a new file durable too; not every file system can, and none loses more than the name. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  await directory.sync().catch(() => undefined);
  await directory.close();
}
