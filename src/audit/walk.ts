// The walk over all entries and tiles of a log that `verify.ts` judges. Two trees grow side by side, one from the entries and one from
// the published leaf hashes, so that when something was changed it can be told which of the two still fits the signature.
import type { Checkpoint, TreeHead } from './checkpoint.ts';
import { HASH_BYTES, leafHash, sameHash, type Hash } from './merkle.ts';
import { decodeBundle, hashAt, MAX_BUNDLE_BYTES, readTile, TILE_WIDTH, tilePath, tileWidth, type ReadTiles, type Tile } from './tiles.ts';
import { Tree } from './tree.ts';

const MAX_FINDINGS = 100;

/** One thing that is wrong. At most 100 are listed; `Verification.wrong` counts all. */
export interface Finding {
  readonly message: string;
  /** Number of the entry concerned, from 0. */
  readonly seq?: number;
  readonly path?: string;
  /** Hex hashes, sizes or keys. */
  readonly expected?: string;
  readonly observed?: string;
}

interface Mismatch {
  readonly seq: number;
  readonly path: string;
  readonly entry: string;
  readonly tile: string;
}

export class LogWalk {
  readonly #from: ReadTiles;
  readonly #head: Checkpoint;
  readonly #pin: TreeHead | undefined;
  readonly #entries = new Tree();
  readonly #tiles = new Tree();
  readonly #mismatches: Mismatch[] = [];
  #mismatched = 0;
  #pinnedRoot: Hash | undefined;

  readonly checked = { entries: 0, bundles: 0, tiles: 0 };
  readonly findings: Finding[] = [];
  readonly notChecked: string[] = [];
  /** Findings that are no mere missing tail. */
  altered = 0;
  truncated = false;
  wrong = 0;

  constructor(from: ReadTiles, head: Checkpoint, pin: TreeHead | undefined) {
    this.#from = from;
    this.#head = head;
    this.#pin = pin;
  }

  note(finding: Finding): void {
    this.wrong += 1;
    if (this.findings.length < MAX_FINDINGS) this.findings.push(finding);
  }

  /** Reads everything below the signed size and compares it with the signed root and the pinned one. */
  async run(): Promise<void> {
    const bundles = Math.ceil(this.#head.size / TILE_WIDTH);
    this.#seePin();
    for (let index = 0; index < bundles; index++) {
      if (!(await this.#bundle(index))) {
        const pin = this.#pin === undefined ? '' : ' and the pinned one';
        this.notChecked.push(`entries from ${this.#entries.size} on, the signed root${pin}: the walk ended at the first unreadable bundle`);
        this.#reportMismatches('unknown');
        return;
      }
    }
    await this.#upperTiles(this.#entries.partialTiles());
    this.#compareRoots();
  }

  #alter(finding: Finding): void {
    this.altered += 1;
    this.note(finding);
  }

  /** Takes in one entry bundle and its leaf hashes; false when the entries cannot be read. */
  async #bundle(index: number): Promise<boolean> {
    const { size } = this.#head;
    const first = index * TILE_WIDTH;
    const width = tileWidth('entries', index, size);
    const bundle = await readTile(this.#from, 'entries', index, size);
    if (bundle === undefined) return this.#missingBundle(index);
    const { entries, whole } = decodeBundle(bundle.bytes.subarray(0, MAX_BUNDLE_BYTES), bundle.width);
    const hashes = await this.#leafHashes(index, width);
    const full: Tile[] = [];
    for (const [i, entry] of entries.slice(0, width).entries()) {
      this.#leaf(first + i, leafHash(entry), hashes && hashAt(hashes, i), full);
    }
    if (!whole) {
      const seq = first + entries.length;
      this.#alter({
        seq,
        path: tilePath(bundle),
        message: 'entry bundle is cut off or malformed',
        expected: `${bundle.width} entries`,
      });
      return false;
    }
    this.checked.bundles += 1;
    await this.#upperTiles(full);
    return true;
  }

  #leaf(seq: number, entry: Hash, tile: Hash | undefined, full: Tile[]): void {
    if (tile !== undefined && !sameHash(entry, tile)) {
      this.#mismatched += 1;
      const path = tilePath({ level: 0, index: Math.floor(seq / TILE_WIDTH), width: TILE_WIDTH });
      if (this.#mismatches.length < MAX_FINDINGS) this.#mismatches.push({ seq, path, entry: hex(entry), tile: hex(tile) });
    }
    this.#entries.append(entry, (done) => full.push(done));
    this.#tiles.append(tile ?? entry);
    this.checked.entries += 1;
    this.#seePin();
  }

  /** Published leaf hashes of a bundle, when they are there and of the right length. */
  async #leafHashes(index: number, width: number): Promise<Uint8Array | undefined> {
    const tile = await readTile(this.#from, 0, index, this.#head.size);
    const path = tilePath({ level: 0, index, width });
    if (tile !== undefined && tile.bytes.byteLength === tile.width * HASH_BYTES) {
      this.checked.tiles += 1;
      return tile.bytes;
    }
    this.#alter({
      path,
      message: tile === undefined ? 'tile missing' : 'tile has the wrong length',
      expected: `${width * HASH_BYTES} bytes`,
    });
    return undefined;
  }

  /** A missing tail and a hole are told apart by whether the last bundle is there. */
  async #missingBundle(index: number): Promise<false> {
    const last = Math.ceil(this.#head.size / TILE_WIDTH) - 1;
    const hole = index < last && (await readTile(this.#from, 'entries', last, this.#head.size)) !== undefined;
    const path = tilePath({ level: 'entries', index, width: tileWidth('entries', index, this.#head.size) });
    const finding = { seq: index * TILE_WIDTH, path, expected: `${this.#head.size} entries` };
    if (hole) {
      this.#alter({ ...finding, message: 'entry bundle missing' });
    } else {
      this.truncated = true;
      this.note({ ...finding, message: 'entries missing at the end', observed: `${index * TILE_WIDTH} entries` });
    }
    return false;
  }

  /** Tiles above level 0 must hold what the leaves give. After a mismatch below they cannot, so they are left out then. */
  async #upperTiles(tiles: readonly Tile[]): Promise<void> {
    if (this.#mismatched > 0) return;
    for (const { level, index, bytes } of tiles) {
      if (level === 0) continue;
      const found = await readTile(this.#from, level, index, this.#head.size);
      const path = tilePath({ level, index, width: tileWidth(level, index, this.#head.size) });
      if (found !== undefined && Buffer.compare(found.bytes.subarray(0, bytes.byteLength), bytes) === 0) this.checked.tiles += 1;
      else this.#alter({ path, message: found === undefined ? 'tile missing' : 'tile does not fit the tiles below it' });
    }
  }

  #seePin(): void {
    if (this.#pin?.size === this.#entries.size) this.#pinnedRoot = this.#entries.root();
  }

  #compareRoots(): void {
    const { root, size } = this.#head;
    const entriesFit = sameHash(this.#entries.root(), root);
    this.#reportMismatches(entriesFit ? 'tile' : sameHash(this.#tiles.root(), root) ? 'entry' : 'unknown');
    if (!entriesFit && this.#mismatched === 0) {
      this.#alter({
        message: 'entries and tiles agree with each other but not with the signed root; which entry was changed cannot be told from them',
        expected: hex(root),
        observed: hex(this.#entries.root()),
      });
    }
    if (this.#pin === undefined || this.#pin.size > size) return;
    if (this.altered > 0) this.notChecked.push('the pinned checkpoint: the entries are altered already');
    else if (this.#pinnedRoot === undefined || !sameHash(this.#pinnedRoot, this.#pin.root)) this.#equivocation(this.#pin);
  }

  #equivocation(pin: TreeHead): void {
    const observed = this.#pinnedRoot && hex(this.#pinnedRoot);
    const message = `the log was rewritten: at size ${pin.size} it does not have the root it signed before`;
    this.#alter({ message, expected: hex(pin.root), ...(observed === undefined ? {} : { observed }) });
  }

  #reportMismatches(changed: 'entry' | 'tile' | 'unknown'): void {
    for (const { seq, path, entry, tile } of this.#mismatches)
      this.#alter({ seq, path, message: CHANGED[changed], expected: tile, observed: entry });
    const unlisted = this.#mismatched - this.#mismatches.length;
    this.altered += unlisted;
    this.wrong += unlisted;
    if (this.#mismatched > 0) this.notChecked.push('tiles above the changed entries or leaf hashes');
  }
}

const CHANGED = {
  entry: 'entry altered: the published leaf hash is the signed one',
  tile: 'leaf hash in the tile altered: the entry is the signed one',
  unknown: 'entry and published leaf hash differ',
} as const;

const hex = (hash: Hash): string => Buffer.from(hash).toString('hex');
