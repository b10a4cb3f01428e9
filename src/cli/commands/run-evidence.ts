// What `cordon run` sees of what it is about to start: the executable, the script, the lock files that pin what the script loads, the user.
// It is what this process found on disk a moment before the start: the word of whoever runs it, as good as that operator's own.
import { access, constants, open, readlink, realpath, stat } from 'node:fs/promises';
import { basename, delimiter, dirname, extname, join, resolve } from 'node:path';
import { sha256OfStream } from '../../crypto/hash.ts';
import type { JsonObject } from '../../domain/json.ts';

/** Files that pin what a program loads, as package managers name them. */
const LOCKS = [
  'package-lock.json',
  'npm-shrinkwrap.json',
  'pnpm-lock.yaml',
  'yarn.lock',
  'bun.lock',
  'deno.lock',
  'uv.lock',
  'poetry.lock',
  'pdm.lock',
  'Pipfile.lock',
  'Cargo.lock',
  'go.sum',
  'Gemfile.lock',
  'composer.lock',
];
/** Folders above the script that are looked into. */
const LEVELS = 6;
/** Bytes of one file. */
const LARGEST = 1_073_741_824;

/** What is found; what is not is left out, and an entry that asks for it does not match. */
export async function evidenceOf(file: string, args: readonly string[]): Promise<JsonObject> {
  const executable = await executableOf(file);
  const script = await scriptOf(args);
  const [digest, scriptDigest, locks, parent] = await Promise.all([
    digestOf(executable),
    digestOf(script),
    locksNear(script ?? executable),
    parentOf(),
  ]);
  return {
    ...(process.getuid === undefined ? {} : { uid: process.getuid() }),
    ...(digest === undefined ? {} : { digest }),
    ...(scriptDigest === undefined ? {} : { script: scriptDigest }),
    locks,
    ...(parent === undefined ? {} : { parent }),
  };
}

/** As execvp(3) finds it. */
async function executableOf(file: string): Promise<string | undefined> {
  const places = file.includes('/') ? [resolve(file)] : (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, file));
  for (const place of places) {
    try {
      await access(place, constants.X_OK);
      if ((await stat(place)).isFile()) return await realpath(place);
    } catch {
      continue; // the next folder of the path
    }
  }
  return undefined;
}

/** The first argument that is a file: what an interpreter is given to run. */
async function scriptOf(args: readonly string[]): Promise<string | undefined> {
  for (const arg of args) {
    if (arg.startsWith('-') || extname(basename(arg)) === '') continue;
    try {
      if ((await stat(arg)).isFile()) return await realpath(arg);
    } catch {
      continue; // no file: an argument
    }
  }
  return undefined;
}

/** Of the nearest folder that has any. */
async function locksNear(start: string | undefined): Promise<readonly string[]> {
  let folder = start === undefined ? process.cwd() : dirname(start);
  for (let level = 0; level < LEVELS; level++) {
    const here = folder;
    const digests = await Promise.all(LOCKS.map((name) => digestOf(join(here, name))));
    const found = digests.filter((digest) => digest !== undefined);
    if (found.length > 0 || dirname(folder) === folder) return found;
    folder = dirname(folder);
  }
  return [];
}

async function digestOf(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    return size > LARGEST ? undefined : await sha256OfStream(file.createReadStream({ autoClose: false, highWaterMark: 1_048_576 }));
  } catch {
    return undefined;
  }
}

/** The executable of who started this command; Linux alone says it. */
async function parentOf(): Promise<string | undefined> {
  try {
    return await readlink(`/proc/${process.ppid}/exe`);
  } catch {
    return undefined;
  }
}
