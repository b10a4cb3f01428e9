// What `cordon mcp wrap` changes in the configuration of an MCP client, and how it is taken back: one entry at a time, each kept as the text
// that it was, so that a file which the client has rewritten meanwhile is put right too. Kept in the data directory, for its owner alone:
// clients write secrets into these files.
import { mkdir, open, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { sha256Hex } from '../crypto/hash.ts';
import { parseJson } from '../domain/json.ts';
import { errorCodeOf } from '../domain/refusal.ts';
import { writePrivate } from '../server/data-dir.ts';
import { replaced, serversIn, written, type Members, type ServerEntry } from './client-files.ts';
import { Failure } from './errors.ts';

const MAX_BYTES = 16_777_216;

export interface ClientFile {
  /** Where it really lies: a link is followed, and stays one. */
  readonly path: string;
  readonly text: string;
}

const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws Failure when it is too long or no text */
export async function readClientFile(named: string): Promise<ClientFile> {
  const path = await realpath(named);
  const bytes = await readFile(path);
  if (bytes.byteLength > MAX_BYTES) throw new Failure('usage', `\`${path}\` is too long for a configuration of a client`);
  try {
    return { path, text: text.decode(bytes) };
  } catch (cause) {
    throw new Failure('usage', `\`${path}\` is no text`, { cause });
  }
}

/** How `cordon mcp connect` is started: by its own Node, because programs with windows have no PATH. */
export interface Launcher {
  readonly command: string;
  readonly args: readonly string[];
}

/** Members of an entry that say how a client reaches a server; in place of them it starts `cordon mcp connect`. */
const REACHES = [
  'url',
  'serverUrl',
  'httpUrl',
  'headers',
  'http_headers',
  'env_http_headers',
  'bearer_token_env_var',
  'env',
  'envFile',
  'env_vars',
  'cwd',
];

const wrappedBy = ({ command, args }: Launcher, { value }: ServerEntry): Members => ({
  ...Object.fromEntries(REACHES.map((member) => [member, undefined])),
  ...(value['type'] === undefined ? {} : { type: 'stdio' }),
  command,
  args: [...args],
});

export const isWrapped = ({ value: { args } }: ServerEntry): boolean => {
  const words: readonly unknown[] = Array.isArray(args) ? args : [];
  return words.some((word, at) => word === 'mcp' && words[at + 1] === 'connect');
};

const KEPT = z.object({
  path: z.string(),
  /** By the name of the server: the text that it was, and what was put in its place. */
  entries: z.record(z.string(), z.object({ before: z.string(), after: z.record(z.string(), z.unknown()) })),
});
type Kept = z.infer<typeof KEPT>;

/** As it comes back from the file: a date of TOML is a text then. */
const asKept = (value: Members): Record<string, unknown> => z.record(z.string(), z.unknown()).parse(JSON.parse(JSON.stringify(value)));

const folderOf = (data: string): string => join(data, 'mcp-wrapped');
const keptPath = (data: string, path: string): string => join(folderOf(data), `${sha256Hex(path).slice(0, 16)}.json`);
const BOUNDS = { maxBytes: 4 * MAX_BYTES, maxDepth: 64 };

async function readKept(file: string): Promise<Kept | undefined> {
  try {
    return KEPT.parse(parseJson(await readFile(file), BOUNDS));
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined;
    throw new Failure('usage', `\`${file}\`, which says how to unwrap, cannot be read`, { cause: error });
  }
}

/** Files that have something wrapped, by path. */
export async function wrappedFiles(data: string): Promise<readonly string[]> {
  const names = await readdir(folderOf(data)).catch(() => []);
  const kept = await Promise.all(names.filter((name) => name.endsWith('.json')).map((name) => readKept(join(folderOf(data), name))));
  return kept.flatMap((each) => (each === undefined ? [] : [each.path])).toSorted();
}

/** Replaces these entries. What they were is kept before the file changes, so that no crash leaves one that cannot be put back. */
export async function wrap(data: string, file: ClientFile, launchers: ReadonlyMap<string, Launcher>): Promise<void> {
  const path = keptPath(data, file.path);
  const kept = await readKept(path);
  if (kept === undefined) await keepBackup(data, file);
  const entries: Kept['entries'] = { ...kept?.entries };
  let next = file.text;
  for (const [name, launcher] of launchers) {
    const entry = serversIn(file.path, next).find((each) => each.name === name);
    if (entry === undefined) continue;
    const before = next.slice(entry.start, entry.end);
    next = replaced(file.path, next, name, written(file.path, next, entry, wrappedBy(launcher, entry)));
    const after = serversIn(file.path, next).find((each) => each.name === name)?.value ?? {};
    entries[name] = { before, after: asKept(after) };
  }
  await writePrivate(path, JSON.stringify({ path: file.path, entries }));
  await exchange(file, next);
}

export type Unwrapped = 'restored' | 'gone' | 'changed';

/** Puts every entry back that is still as `wrap` left it. @returns what became of each */
export async function unwrap(data: string, named: string): Promise<ReadonlyMap<string, Unwrapped>> {
  const file = await readClientFile(named);
  const path = keptPath(data, file.path);
  const kept = await readKept(path);
  if (kept === undefined)
    throw new Failure('conflict', `nothing of \`${file.path}\` is wrapped`, {
      fix: ['see what a wrap would change: `cordon mcp wrap --as AGENT`'],
    });
  const became = new Map<string, Unwrapped>();
  let next = file.text;
  for (const [name, { before, after }] of Object.entries(kept.entries)) {
    const now = serversIn(file.path, next).find((entry) => entry.name === name);
    const same = now !== undefined && isDeepStrictEqual(asKept(now.value), after);
    if (same) next = replaced(file.path, next, name, before);
    const put = now !== undefined && next.slice(now.start, now.start + before.length) === before;
    became.set(name, put ? 'restored' : now === undefined ? 'gone' : 'changed');
  }
  if (next !== file.text) await exchange(file, next);
  const left = Object.entries(kept.entries).filter(([name]) => became.get(name) === 'changed');
  if (left.length > 0) await writePrivate(path, JSON.stringify({ path: file.path, entries: Object.fromEntries(left) }));
  else await rm(path);
  const backup = `${path}.backup`;
  if ((await readFile(backup, 'utf8').catch(() => undefined)) === next) await rm(backup); // nothing in it that the file has not
  return became;
}

/** The whole file as it was before anything of it was wrapped; left there, in case of need. */
async function keepBackup(data: string, file: ClientFile): Promise<void> {
  await mkdir(folderOf(data), { recursive: true, mode: 0o700 });
  await writePrivate(`${keptPath(data, file.path)}.backup`, file.text);
}

/** Whole or not at all, with the mode that it had; not over what somebody else has written meanwhile. @throws Failure */
async function exchange({ path, text: before }: ClientFile, next: string): Promise<void> {
  const { mode } = await stat(path);
  const temporary = `${path}.cordon.tmp`;
  const made = await open(temporary, 'w', mode & 0o777);
  try {
    await made.writeFile(next);
    await made.sync();
  } finally {
    await made.close();
  }
  if ((await readFile(path, 'utf8')) === before) return rename(temporary, path);
  await rm(temporary);
  throw new Failure('conflict', `\`${path}\` was written by somebody else just now`, { fix: ['do the same again'] });
}
