// Tiles and entry bundles: names and bytes. Standard: C2SP tlog-tiles. Promises: what it encodes it decodes, and a path that it
// parses is one that the standard allows, so nothing else can be asked of a directory or a server.
import { Refusal } from '../domain/refusal.ts';
import { HASH_BYTES, type Hash } from './merkle.ts';

/** Hashes in a full tile, entries in a full bundle. */
export const TILE_WIDTH = 256;
/** The length prefix of an entry is a uint16. */
export const MAX_ENTRY_BYTES = 65_535;
export const MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES);

/** Level 0 to 63 holds hashes; `entries` holds the entries themselves. */
export type TileLevel = number | 'entries';

export interface TileName {
  readonly level: TileLevel;
  readonly index: number;
  /** 1 to 256; below 256 the tile is partial. */
  readonly width: number;
}

export interface Tile extends TileName {
  readonly bytes: Uint8Array;
}

/** Reads one file of a log by its path relative to the log's prefix; undefined = not there. */
export interface ReadTiles {
  read(path: string): Promise<Uint8Array | undefined>;
}

export const CHECKPOINT_PATH = 'checkpoint';

/** `tile/<L>/<N>[.p/<W>]`: N in groups of three digits, all but the last marked with `x` (`x001/x234/067`). */
export function tilePath({ level, index, width }: TileName): string {
  const groups = [String(index % 1000).padStart(3, '0')];
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    groups.unshift(`x${String(rest % 1000).padStart(3, '0')}`);
  }
  return `tile/${level}/${groups.join('/')}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

const PATH = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** The tile a path names, or undefined when the path is not in the one form that `tilePath` writes. attacker-controlled */
export function parseTilePath(path: string): TileName | undefined {
  const match = PATH.exec(path);
  if (match === null) return undefined;
  const [, level = '', groups = '', width] = match;
  const name = {
    level: level === 'entries' ? level : Number(level),
    index: Number(groups.replaceAll(/[x/]/g, '')),
    width: width === undefined ? TILE_WIDTH : Number(width),
  } as const;
  const ranged = (name.level === 'entries' || name.level <= 63) && Number.isSafeInteger(name.index);
  return ranged && tilePath(name) === path ? name : undefined;
}

/** How wide tile `index` of `level` is in a tree of `size` leaves: 0 (not there) to 256. */
export function tileWidth(level: TileLevel, index: number, size: number): number {
  const hashes = Math.floor(size / TILE_WIDTH ** (level === 'entries' ? 0 : level));
  return Math.min(TILE_WIDTH, Math.max(0, hashes - index * TILE_WIDTH));
}

export const hashAt = (hashes: Uint8Array, i: number): Hash => hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);

/** Entry bundle: each entry after its uint16 big-endian length. @throws Refusal CORDON-9004 when an entry is too large */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(entries.reduce((sum, entry) => sum + 2 + entry.byteLength, 0));
  let at = 0;
  for (const entry of entries) {
    assertEntrySize(entry.byteLength);
    at = bytes.writeUInt16BE(entry.byteLength, at);
    bytes.set(entry, at);
    at += entry.byteLength;
  }
  return bytes;
}

/** Reads up to `width` whole entries; fewer come back when the bundle ends early, has bytes left over, or is too large. */
export function decodeBundle(bytes: Uint8Array, width: number): { readonly entries: readonly Uint8Array[]; readonly whole: boolean } {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: Uint8Array[] = [];
  let at = 0;
  while (entries.length < width && at + 2 <= view.length) {
    const end = at + 2 + view.readUInt16BE(at);
    if (end > view.length) break;
    entries.push(view.subarray(at + 2, end));
    at = end;
  }
  return { entries, whole: entries.length === width && at === view.length };
}

/** @throws Refusal CORDON-9004 */
export function assertEntrySize(bytes: number): void {
  if (bytes <= MAX_ENTRY_BYTES) return;
  throw new Refusal('CORDON-9004', 'record too large for the log', {
    observed: `${bytes} bytes`,
    expected: `at most ${MAX_ENTRY_BYTES} bytes of canonical JSON`,
    fix: 'log a digest of the large value instead of the value',
  });
}

/**
 * Reads the first `width` hashes or entries of a tile as it stands in a tree of `size`: the partial tile of that size, or the full
 * one that has replaced it since (tlog-tiles, partial tiles). Undefined = neither is there.
 */
export async function readTile(from: ReadTiles, level: TileLevel, index: number, size: number): Promise<Tile | undefined> {
  const width = tileWidth(level, index, size);
  if (width === 0) return undefined;
  const bytes = await from.read(tilePath({ level, index, width }));
  if (bytes !== undefined) return { level, index, width, bytes };
  if (width === TILE_WIDTH) return undefined;
  const full = await from.read(tilePath({ level, index, width: TILE_WIDTH }));
  return full && { level, index, width: TILE_WIDTH, bytes: full };
}
