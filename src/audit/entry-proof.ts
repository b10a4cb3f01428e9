// The proof that one entry is in a log, as a file of its own. Standard: C2SP tlog-proof (`c2sp.org/tlog-proof@v1`), without extra data.
// Promises: with the entry, this text and the log's verifier key anyone can check inclusion, with no network and no other file.
import { Refusal } from '../domain/refusal.ts';
import { openCheckpoint } from './checkpoint.ts';
import { HASH_BYTES, leafHash, verifyInclusion, type Hash } from './merkle.ts';
import { decodeBase64, type VerifierKey } from './note.ts';

const HEADER = 'c2sp.org/tlog-proof@v1';
const MAX_PROOF_BYTES = 262_144;
/** A tree of 2^63 leaves is 63 hashes high. */
const MAX_HASHES = 63;

export interface EntryProof {
  readonly index: number;
  /** Sibling hashes from the leaf up. */
  readonly hashes: readonly Hash[];
  /** The signed checkpoint, verbatim. */
  readonly checkpoint: string;
}

/** Writes a proof, by convention into a file `*.tlog-proof`. */
export function formatEntryProof({ index, hashes, checkpoint }: EntryProof): string {
  const lines = [HEADER, `index ${index}`, ...hashes.map((hash) => Buffer.from(hash).toString('base64'))];
  return `${lines.join('\n')}\n\n${checkpoint}`;
}

/** Reads a proof. attacker-controlled. @throws Refusal CORDON-9011 */
export function parseEntryProof(text: string): EntryProof {
  if (text.length > MAX_PROOF_BYTES) throw malformed(`${text.length} characters, expected at most ${MAX_PROOF_BYTES}`);
  const split = text.indexOf('\n\n');
  const [header, indexLine = '', ...lines] = text.slice(0, Math.max(split, 0)).split('\n');
  if (header !== HEADER) throw malformed(`first line is not \`${HEADER}\``);
  const index = Number(indexLine.slice('index '.length));
  if (!/^index (0|[1-9]\d{0,15})$/.test(indexLine) || !Number.isSafeInteger(index)) throw malformed('no `index` line');
  if (lines.length > MAX_HASHES) throw malformed(`${lines.length} hashes, expected at most ${MAX_HASHES}`);
  return { index, hashes: lines.map(parseHash), checkpoint: text.slice(split + 2) };
}

/** Whether the entry is in the log that the key signs for, under the proof's checkpoint. @throws Refusal CORDON-9011 on a bad checkpoint */
export function verifyEntryProof({ index, hashes, checkpoint }: EntryProof, entry: Uint8Array, key: VerifierKey): boolean {
  const { size, root } = openCheckpoint(Buffer.from(checkpoint), key);
  return verifyInclusion({ index, size, leafHash: leafHash(entry), proof: hashes, root });
}

function parseHash(line: string): Hash {
  const hash = decodeBase64(line);
  if (hash?.byteLength === HASH_BYTES) return hash;
  throw malformed('a line is not base64 of 32 bytes');
}

const malformed = (why: string): Refusal => new Refusal('CORDON-9011', `malformed log proof: ${why}`);
