// The growing edge of a log's tree. Standard: RFC 6962 §2.1 cut into tiles of height 8 (C2SP tlog-tiles). Holds only the unfinished
// tile of each level, so memory is 8 KiB per level whatever the size, and hands out each tile when it is full.
import { Refusal } from '../domain/refusal.ts';
import { HASH_BYTES, rootOf, type Hash } from './merkle.ts';
import { readTile, TILE_WIDTH, type ReadTiles, type Tile } from './tiles.ts';

const TILE_BYTES = TILE_WIDTH * HASH_BYTES;

export class Tree {
  #size = 0;
  /** Per level the hashes of the rightmost tile; how many of them count follows from the size. */
  readonly #edge: Uint8Array[] = [];

  get size(): number {
    return this.#size;
  }

  /** A copy that grows on its own: work on it, and keep it only if what depends on it was stored. */
  clone(): Tree {
    const copy = new Tree();
    copy.#size = this.#size;
    for (const hashes of this.#edge) copy.#edge.push(Uint8Array.from(hashes));
    return copy;
  }

  /** Adds a leaf hash; `onFull` gets every tile that this leaf completes, lowest level first. */
  append(leaf: Hash, onFull?: (tile: Tile) => void): void {
    let hash: Hash | undefined = leaf;
    for (let level = 0; hash !== undefined; level++) {
      const tile = (this.#edge[level] ??= new Uint8Array(TILE_BYTES));
      const index = Math.floor(this.#size / TILE_WIDTH ** level);
      tile.set(hash, (index % TILE_WIDTH) * HASH_BYTES);
      hash = undefined;
      if (index % TILE_WIDTH === TILE_WIDTH - 1) {
        onFull?.({ level, index: Math.floor(index / TILE_WIDTH), width: TILE_WIDTH, bytes: Uint8Array.from(tile) });
        hash = rootOf(tile);
      }
    }
    this.#size += 1;
  }

  /** The partial tiles of the tree as it stands (none for a level whose last tile is full), lowest level first. */
  partialTiles(): Tile[] {
    const tiles: Tile[] = [];
    for (const [level, hashes] of this.#edge.entries()) {
      const count = Math.floor(this.#size / TILE_WIDTH ** level);
      const width = count % TILE_WIDTH;
      if (width === 0) continue;
      tiles.push({ level, index: Math.floor(count / TILE_WIDTH), width, bytes: hashes.slice(0, width * HASH_BYTES) });
    }
    return tiles;
  }

  /** MTH of all leaves (RFC 6962 §2.1). */
  root(): Hash {
    let right: Hash | undefined;
    for (const { bytes } of this.partialTiles()) {
      right = rootOf(right === undefined ? bytes : Buffer.concat([bytes, right]));
    }
    return right ?? rootOf(new Uint8Array(0));
  }

  /**
   * Rebuilds the edge at `size` from the tiles of a tree that has at least `published` leaves, `size` ≤ `published`.
   * @throws Refusal CORDON-9004 when a tile is missing or short
   */
  static async load(from: ReadTiles, size: number, published: number): Promise<Tree> {
    const tree = new Tree();
    tree.#size = size;
    for (let level = 0, count = size; count > 0; level++, count = Math.floor(count / TILE_WIDTH)) {
      const hashes = new Uint8Array(TILE_BYTES);
      tree.#edge.push(hashes);
      const needed = count % TILE_WIDTH;
      if (needed === 0) continue;
      hashes.set(await edgeHashes(from, level, Math.floor(count / TILE_WIDTH), needed, published));
    }
    return tree;
  }
}

async function edgeHashes(from: ReadTiles, level: number, index: number, needed: number, published: number): Promise<Uint8Array> {
  const tile = await readTile(from, level, index, published);
  if (tile === undefined) throw damagedTile(level, index, 'missing');
  if (tile.bytes.byteLength !== tile.width * HASH_BYTES) throw damagedTile(level, index, `${tile.bytes.byteLength} bytes`);
  return tile.bytes.subarray(0, needed * HASH_BYTES);
}

export const damagedTile = (level: number, index: number, observed: string): Refusal =>
  new Refusal('CORDON-9004', `tile ${index} of level ${level} of the log is missing or damaged`, {
    observed,
    fix: 'restore the log directory from a backup, or start a new log in another directory; `cordon audit verify` shows the extent',
  });
