// The published half of a log directory: checkpoint, tiles, entry bundles, and the small files that stand beside them. Standard: C2SP
// tlog-tiles, so the directory can be served as it is. Promises: a file that can be seen is whole and on the disk.
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Refusal } from '../domain/refusal.ts';
import { CHECKPOINT_PATH, MAX_BUNDLE_BYTES, parseTilePath, type ReadTiles } from '../audit/tiles.ts';

/** Reads a log directory by tlog-tiles paths; any other path is not there, so a path may come from the network. */
export function tilesAt(dir: string): ReadTiles {
  return {
    async read(path) {
      if (path !== CHECKPOINT_PATH && parseTilePath(path) === undefined) return undefined;
      return readBounded(join(dir, path));
    },
  };
}

/** Reads a whole file, at most one full entry bundle long; undefined = not there. @throws Refusal CORDON-9004 */
export async function readBounded(file: string): Promise<Uint8Array | undefined> {
  try {
    const { size } = await stat(file);
    if (size > MAX_BUNDLE_BYTES) {
      throw new Refusal('CORDON-9004', 'log file is too large', {
        observed: `\`${file}\` ${size} bytes`,
        expected: `at most ${MAX_BUNDLE_BYTES}`,
      });
    }
    return await readFile(file);
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    if (errorCode(cause) === 'ENOENT' || errorCode(cause) === 'ENOTDIR') return undefined;
    throw new Refusal('CORDON-9004', 'log file cannot be read', { observed: `\`${file}\` ${errorCode(cause)}`, cause });
  }
}

/** Puts a file in place as a whole: temporary file, fsync, rename, fsync of the directory. @throws Refusal CORDON-9004 */
export async function publishFile(dir: string, path: string, bytes: Uint8Array): Promise<void> {
  const file = join(dir, path);
  try {
    const made = await mkdir(dirname(file), { recursive: true });
    await writeDurably(`${file}.tmp`, bytes);
    // a crash here leaves the old file, or none, and a temporary one that the next attempt overwrites
    await rename(`${file}.tmp`, file);
    // a crash here shows the old or the new file, each whole
    await syncDirectories(dirname(file), made === undefined ? dirname(file) : dirname(made));
  } catch (cause) {
    throw new Refusal('CORDON-9004', 'log file cannot be written', {
      observed: `\`${file}\` ${errorCode(cause)}`,
      cause,
    });
  }
}

/** Removes the partial tiles that a full tile has replaced (tlog-tiles, partial tiles). */
export const removePartials = (dir: string, fullTilePath: string): Promise<void> =>
  rm(join(dir, `${fullTilePath}.p`), { recursive: true, force: true });

/** `ENOSPC`, `EFBIG`, …, or the message when there is no code. */
export function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}

async function writeDurably(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, 'w', 0o644);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } catch (error) {
    // half a file on a full disk would only keep the space that is missing
    await rm(file, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

/** Makes names durable from `leaf` up to `top`, its ancestor. */
async function syncDirectories(leaf: string, top: string): Promise<void> {
  // Windows has no fsync for directories; its file system journals names itself
  if (process.platform === 'win32') return;
  for (let dir = leaf; ; dir = dirname(dir)) {
    const handle = await open(dir, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (dir === top || dir === dirname(dir)) return;
  }
}
