// Opening a log directory: whose log it is, what was signed last, and whether what is there still extends that.
// Promises: INVARIANT: no log is opened for writing unless its entries contain the last signed checkpoint, so that none that
// contradicts it can ever be signed; a directory that is missing a part is refused, never begun anew.
import { join } from 'node:path';
import type { Ed25519Signer } from '../crypto/ed25519.ts';
import { isJsonObject, parseJson, writeJson } from '../domain/json.ts';
import { asRefusal, Refusal } from '../domain/refusal.ts';
import { openCheckpoint, signCheckpoint, type TreeHead } from '../audit/checkpoint.ts';
import { EMPTY_ROOT, sameHash, type Hash } from '../audit/merkle.ts';
import { formatVerifierKey, type VerifierKey } from '../audit/note.ts';
import { CHECKPOINT_PATH, TILE_WIDTH, tilePath, type ReadTiles } from '../audit/tiles.ts';
import { Tree } from '../audit/tree.ts';
import type { Journal } from './log-journal.ts';
import { Publisher, type Signed } from './log-publish.ts';
import { publishFile, readBounded, tilesAt } from './log-tiles.ts';

const IDENTITY = 'log.json';
const SCHEMA = 'cordon.log/v1';
const NEW_LOG = 'restore the log directory from a backup, or keep it as evidence and start a new log in another directory';

/** Makes `log.json` (origin and verifier key) and an empty signed tree in a new directory, or checks that they are ours. */
export async function claimDirectory(dir: string, key: VerifierKey, signer: Ed25519Signer, journal: Journal): Promise<void> {
  const identity = await readBounded(join(dir, IDENTITY));
  const ours = { schema: SCHEMA, origin: key.name, vkey: formatVerifierKey(key) };
  if (identity !== undefined) {
    assertIdentity(identity, ours.vkey);
    return;
  }
  // entries or tiles without their identity are not a new log
  if (journal.size > 0 || (await tilesAt(dir).read(tilePath({ level: 'entries', index: 0, width: TILE_WIDTH }))) !== undefined) {
    throw refuse('`log.json` is missing from a log that has entries', join(dir, IDENTITY));
  }
  journal.create();
  const empty = signCheckpoint({ origin: key.name, size: 0, root: EMPTY_ROOT }, signer);
  await publishFile(dir, CHECKPOINT_PATH, Buffer.from(empty));
  // last, because it is what makes the directory a log: a crash before leaves one that is set up again
  await publishFile(dir, IDENTITY, Buffer.from(`${writeJson(ours)}\n`));
}

function assertIdentity(bytes: Uint8Array, vkey: string): void {
  let observed: unknown;
  try {
    const json = parseJson(bytes, { maxBytes: 4096, maxDepth: 2 });
    observed = isJsonObject(json) && json['schema'] === SCHEMA ? json['vkey'] : undefined;
  } catch (error) {
    throw asRefusal(error, 'CORDON-9006', '`log.json` cannot be read');
  }
  if (observed === vkey) return;
  throw new Refusal('CORDON-9006', 'log belongs to another origin or key', {
    observed: typeof observed === 'string' ? `\`${observed}\`` : '`log.json` without a key',
    expected: `\`${vkey}\``,
    fix: 'use the origin and key that the log was begun with, or start a new log in another directory',
  });
}

/** The publisher of a recovered log. @throws Refusal CORDON-9004 when the files do not extend what was signed */
export async function resume(dir: string, key: VerifierKey, signer: Ed25519Signer, journal: Journal, pinned?: string): Promise<Publisher> {
  const files = tilesAt(dir);
  const signed = await lastSigned(files, key, dir);
  if (!journal.exists) throw refuse('the journal is missing', join(dir, 'journal'));
  if (journal.first > signed.size) throw refuse('the journal begins after the last signed checkpoint', span(journal, signed));
  const published = await Tree.load(files, journal.first, signed.size);
  const parts = { files, journal, published, signedSize: signed.size };
  await assertContains(signed, 'the last signed checkpoint', parts);
  if (pinned !== undefined) await assertContains(openCheckpoint(Buffer.from(pinned), key), 'the pinned checkpoint', parts);
  grow(published, journal, Math.floor(signed.size / TILE_WIDTH) * TILE_WIDTH);
  journal.cutTornTail();
  await journal.release(signed.size);
  return new Publisher(dir, journal, signer, published, signed);
}

async function lastSigned(files: ReadTiles, key: VerifierKey, dir: string): Promise<Signed> {
  const bytes = await files.read(CHECKPOINT_PATH);
  if (bytes === undefined) throw refuse('the checkpoint is missing', join(dir, CHECKPOINT_PATH));
  try {
    return { ...openCheckpoint(bytes, key), text: Buffer.from(bytes).toString('utf8') };
  } catch (cause) {
    throw new Refusal('CORDON-9004', 'log cannot be continued: the checkpoint is damaged', {
      observed: cause instanceof Error ? cause.message : 'unreadable',
      fix: NEW_LOG,
      cause,
    });
  }
}

interface Parts {
  readonly files: ReadTiles;
  readonly journal: Journal;
  /** The tree where the journal begins. */
  readonly published: Tree;
  readonly signedSize: number;
}

/** Throws unless the tree that we have, at the size of `head`, has its root. */
async function assertContains(head: TreeHead, what: string, parts: Parts): Promise<void> {
  if (head.size > parts.journal.size) throw refuse(`entries that ${what} speaks for are missing`, span(parts.journal, head));
  const root = await rootAt(head.size, parts);
  if (!sameHash(root, head.root)) throw refuse(`the entries do not have the root of ${what}`, `another root at size ${head.size}`);
}

async function rootAt(size: number, { files, journal, published, signedSize }: Parts): Promise<Hash> {
  if (size < published.size) return (await Tree.load(files, size, signedSize)).root();
  const tree = published.clone();
  grow(tree, journal, size);
  return tree.root();
}

function grow(tree: Tree, journal: Journal, size: number): void {
  while (tree.size < size) tree.append(journal.hash(tree.size));
}

const span = (journal: Journal, head: TreeHead): string =>
  `journal has entries ${journal.first} to ${journal.size - 1}, the checkpoint speaks for ${head.size}`;

const refuse = (why: string, observed: string): Refusal =>
  new Refusal('CORDON-9004', `log cannot be continued: ${why}`, { observed, fix: NEW_LOG });
