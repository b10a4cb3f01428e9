// Checkpoints: the signed head of a log. Standard: C2SP tlog-checkpoint. Promises: no extension lines, sizes without leading zeroes,
// and no size that a number would round.
import { Refusal } from '../domain/refusal.ts';
import type { Ed25519Signer } from '../crypto/ed25519.ts';
import { HASH_BYTES, sameHash, EMPTY_ROOT, verifyConsistency, type Hash } from './merkle.ts';
import { decodeBase64, parseNote, signNote, verifyNote, type Note, type VerifierKey } from './note.ts';

export interface TreeHead {
  readonly size: number;
  readonly root: Hash;
}

export interface Checkpoint extends TreeHead {
  readonly origin: string;
}

/** Signs a head under the log's own name, which is its origin. The caller answers for its extending every head signed before. */
export function signCheckpoint({ origin, size, root }: Checkpoint, signer: Ed25519Signer): string {
  return signNote(`${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`, origin, signer);
}

/** Reads the text of a checkpoint note; the signatures are not looked at. attacker-controlled. @throws Refusal CORDON-9011 */
export function parseCheckpoint(note: Note): Checkpoint {
  const [origin = '', sizeText = '', rootText = '', end, ...rest] = note.text.split('\n');
  if (origin === '' || end !== '' || rest.length > 0) throw malformed('expected three lines: origin, size, root');
  const size = Number(sizeText);
  if (!/^(0|[1-9]\d{0,15})$/.test(sizeText) || !Number.isSafeInteger(size)) throw malformed(`size \`${sizeText.slice(0, 40)}\``);
  const root = decodeBase64(rootText);
  if (root?.byteLength !== HASH_BYTES) throw malformed('root is not base64 of 32 bytes');
  if (size === 0 && !sameHash(root, EMPTY_ROOT)) throw malformed('root of an empty tree is not that of no leaves');
  return { origin, size, root };
}

/**
 * Reads a checkpoint that must be signed by `key` and of the log that the key is named after.
 * @throws Refusal CORDON-9011 when it is malformed or not so signed
 */
export function openCheckpoint(bytes: Uint8Array, key: VerifierKey): Checkpoint {
  const note = parseNote(bytes);
  const verdict = verifyNote(note, key);
  if (verdict !== 'valid') {
    const observed = verdict === 'absent' ? `signed by ${signersOf(note)}` : 'signature does not fit the text';
    throw new Refusal('CORDON-9011', 'checkpoint is not signed by the log', {
      observed,
      expected: `\`${key.name}+${key.id}\``,
    });
  }
  const checkpoint = parseCheckpoint(note);
  if (checkpoint.origin === key.name) return checkpoint;
  throw new Refusal('CORDON-9011', 'checkpoint is of another log', {
    observed: `\`${checkpoint.origin}\``,
    expected: `\`${key.name}\``,
  });
}

/** The keys that signed a note, as `name+id`. */
export const signersOf = ({ signatures }: Note): string =>
  signatures
    .slice(0, 4)
    .map(({ name, id }) => `\`${name}+${id}\``)
    .join(', ');

/**
 * Whether the proof shows that `newer` extends `older`. Every log extends the empty one, and the proof of that is empty
 * (C2SP tlog-witness, old size 0); from size 1 on it is the proof of RFC 6962 §2.1.2.
 */
export function extendsCheckpoint(older: TreeHead, newer: TreeHead, proof: readonly Hash[]): boolean {
  if (older.size === 0) return sameHash(older.root, EMPTY_ROOT) && proof.length === 0;
  return verifyConsistency({ size1: older.size, size2: newer.size, root1: older.root, root2: newer.root, proof });
}

const malformed = (why: string): Refusal => new Refusal('CORDON-9011', `malformed checkpoint: ${why}`);
