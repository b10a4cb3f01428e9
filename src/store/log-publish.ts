// Turns journal entries into what the world sees: entry bundles, tiles, a signed checkpoint. Standard: C2SP tlog-tiles, tlog-checkpoint.
// Promises: a checkpoint is published after everything it speaks for is on the disk, and each signed one extends the one before.
import type { Ed25519Signer } from '../crypto/ed25519.ts';
import { openCheckpoint, signCheckpoint, type Checkpoint } from '../audit/checkpoint.ts';
import { verifierKey } from '../audit/note.ts';
import { CHECKPOINT_PATH, encodeBundle, TILE_WIDTH, tilePath, type Tile, type TileLevel } from '../audit/tiles.ts';
import type { Tree } from '../audit/tree.ts';
import type { Journal } from './log-journal.ts';
import { publishFile, removePartials } from './log-tiles.ts';

export interface Signed extends Checkpoint {
  /** The checkpoint note. */
  readonly text: string;
}

export class Publisher {
  readonly #dir: string;
  readonly #journal: Journal;
  readonly #signer: Ed25519Signer;
  /** Stands at the end of the last full bundle that was published. */
  #tree: Tree;
  #signed: Signed;
  #work: Promise<unknown> = Promise.resolve();
  /** Partial tiles by level as last published; a path of one log never changes what it holds. */
  readonly #partials = new Map<TileLevel, string>();

  constructor(dir: string, journal: Journal, signer: Ed25519Signer, tree: Tree, signed: Signed) {
    this.#dir = dir;
    this.#journal = journal;
    this.#signer = signer;
    this.#tree = tree;
    this.#signed = signed;
  }

  /** The last published checkpoint. */
  get signed(): Signed {
    return this.#signed;
  }

  /** Publishes everything that is recorded now; one run at a time. @throws Refusal CORDON-9004, and the next run tries again */
  publish(): Promise<Signed> {
    const run = this.#work.then(() => this.#publish());
    this.#work = run.catch(() => undefined);
    return run;
  }

  async #publish(): Promise<Signed> {
    const { size } = this.#journal;
    if (size === this.#signed.size) return this.#signed;
    await this.#journal.sync();
    // a crash up to the last step but one leaves tiles that no checkpoint speaks for; the journal still has their entries, and the
    // next run writes the same bytes to the same paths
    while (this.#tree.size + TILE_WIDTH <= size) await this.#fullBundle();
    const root = await this.#edge(size);
    const signed = await this.#sign({ origin: this.#journal.origin, size, root });
    // a crash here leaves journal segments that are no longer needed; opening the log removes them
    await this.#journal.release(size);
    return signed;
  }

  /** Publishes the next full bundle and the tiles it completes; nothing moves on before they are on the disk. */
  async #fullBundle(): Promise<void> {
    const { tree, full } = this.#grown(TILE_WIDTH);
    const entries = await this.#bundle(TILE_WIDTH);
    const tiles = [entries, ...full];
    await Promise.all(tiles.map((tile) => publishFile(this.#dir, tilePath(tile), tile.bytes)));
    await Promise.all(tiles.map((tile) => removePartials(this.#dir, tilePath(tile))));
    this.#tree = tree;
  }

  /** Publishes the partial tiles of a tree of `size` and gives its root. */
  async #edge(size: number): Promise<Uint8Array> {
    const count = size - this.#tree.size;
    const { tree } = this.#grown(count);
    const tiles = [...(count > 0 ? [await this.#bundle(count)] : []), ...tree.partialTiles()];
    await Promise.all(tiles.map((tile) => this.#partial(tile)));
    return tree.root();
  }

  async #partial(tile: Tile): Promise<void> {
    const path = tilePath(tile);
    if (this.#partials.get(tile.level) === path) return;
    await publishFile(this.#dir, path, tile.bytes);
    this.#partials.set(tile.level, path);
  }

  /** Signs, checks with the verifier's code what was signed, publishes. INVARIANT: every head extends the one before. */
  async #sign(head: Checkpoint): Promise<Signed> {
    const text = signCheckpoint(head, this.#signer);
    const checked = openCheckpoint(Buffer.from(text), verifierKey(head.origin, this.#signer.publicKey));
    await publishFile(this.#dir, CHECKPOINT_PATH, Buffer.from(text));
    this.#signed = { ...checked, text };
    return this.#signed;
  }

  /** A copy of the tree with the next `count` journal entries, and the tiles that they filled. */
  #grown(count: number): { readonly tree: Tree; readonly full: readonly Tile[] } {
    const tree = this.#tree.clone();
    const full: Tile[] = [];
    for (let i = 0; i < count; i++) {
      tree.append(this.#journal.hash(tree.size), (tile) => full.push(tile));
    }
    return { tree, full };
  }

  async #bundle(count: number): Promise<Tile> {
    const bytes = encodeBundle(await this.#journal.leaves(this.#tree.size, count));
    return { level: 'entries', index: Math.floor(this.#tree.size / TILE_WIDTH), width: count, bytes };
  }
}
