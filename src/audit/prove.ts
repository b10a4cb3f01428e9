// Builds proofs from a log's tiles. Standard: RFC 6962 §2.1.1 (PATH) and §2.1.2 (PROOF) over C2SP tlog-tiles.
// Promises nothing about the tiles: whoever hands a proof out verifies it against a signed root first.
import { HASH_BYTES, nodeHash, rootOf, splitPoint, type Hash } from './merkle.ts';
import { damagedTile } from './tree.ts';
import { hashAt, readTile, TILE_WIDTH, type ReadTiles } from './tiles.ts';

/** Audit path of leaf `index` in the tree of `size` leaves, sibling first. @throws Refusal CORDON-9004 on missing tiles */
export async function inclusionProof(from: ReadTiles, index: number, size: number): Promise<Hash[]> {
  const tiles = new TileHashes(from, size);
  const path: Hash[] = [];
  let [low, high] = [0, size];
  while (high - low > 1) {
    const middle = low + splitPoint(high - low);
    if (index < middle) {
      path.unshift(await tiles.range(middle, high));
      high = middle;
    } else {
      path.unshift(await tiles.range(low, middle));
      low = middle;
    }
  }
  return path;
}

/** Proof that the tree of `size1` leaves (≥ 1) is a prefix of that of `size2`. @throws Refusal CORDON-9004 on missing tiles */
export async function consistencyProof(from: ReadTiles, size1: number, size2: number): Promise<Hash[]> {
  const tiles = new TileHashes(from, size2);
  const path: Hash[] = [];
  let [low, high] = [0, size2];
  while (size1 !== high) {
    const middle = low + splitPoint(high - low);
    if (size1 <= middle) {
      path.unshift(await tiles.range(middle, high));
      high = middle;
    } else {
      path.unshift(await tiles.range(low, middle));
      low = middle;
    }
  }
  // the old tree's last subtree leads the proof unless the verifier has it already: it is the whole old tree
  if (low > 0) path.unshift(await tiles.range(low, high));
  return path;
}

/** Hashes of subtrees, out of tiles; each tile is read once. */
class TileHashes {
  readonly #from: ReadTiles;
  readonly #size: number;
  readonly #tiles = new Map<string, Uint8Array>();

  constructor(from: ReadTiles, size: number) {
    this.#from = from;
    this.#size = size;
  }

  /** MTH(D[low:high]); `low` is a multiple of the largest power of two below the length, as in every split of RFC 6962. */
  async range(low: number, high: number): Promise<Hash> {
    const count = high - low;
    if (Number.isInteger(Math.log2(count))) return this.#complete(low, count);
    const middle = low + splitPoint(count);
    return nodeHash(await this.range(low, middle), await this.range(middle, high));
  }

  /** Root of the complete subtree of `count` = 2^k leaves from `low` on. */
  async #complete(low: number, count: number): Promise<Hash> {
    let [level, unit] = [0, 1];
    while (unit * TILE_WIDTH <= count) [level, unit] = [level + 1, unit * TILE_WIDTH];
    const first = low / unit;
    const index = Math.floor(first / TILE_WIDTH);
    const start = first % TILE_WIDTH;
    const tile = await this.#tile(level, index);
    const hashes = tile.subarray(start * HASH_BYTES, (start + count / unit) * HASH_BYTES);
    if (hashes.byteLength !== (count / unit) * HASH_BYTES) throw damagedTile(level, index, `${tile.byteLength} bytes`);
    return count === unit ? hashAt(hashes, 0) : rootOf(hashes);
  }

  async #tile(level: number, index: number): Promise<Uint8Array> {
    const key = `${level}/${index}`;
    const known = this.#tiles.get(key);
    if (known !== undefined) return known;
    const tile = await readTile(this.#from, level, index, this.#size);
    if (tile === undefined) throw damagedTile(level, index, 'missing');
    this.#tiles.set(key, tile.bytes);
    return tile.bytes;
  }
}
