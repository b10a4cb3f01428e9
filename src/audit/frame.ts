// Frames of the journal: entries that are not yet in full tiles. Our own format; the leaf hash doubles as the checksum. Promises:
// `scanFrames` tells a write that never finished (torn: no whole frame follows) from damage (one does).
//
//   seq uint64 | leaf length uint16 | leaf hash 32 bytes | 0x00 | leaf          (integers big-endian)
//
// The 0x00 is the leaf prefix of RFC 6962, kept in front of the leaf so that both are hashed in place. It also makes it impossible
// for a leaf, which is JSON and holds no NUL, to look like a frame.
import { sha256 } from '../crypto/hash.ts';
import { HASH_BYTES, sameHash, type Hash } from './merkle.ts';
import { assertEntrySize, MAX_ENTRY_BYTES } from './tiles.ts';

const LENGTH_AT = 8;
const HASH_AT = 10;
const PREFIX_AT = HASH_AT + HASH_BYTES;
export const FRAME_HEADER_BYTES = PREFIX_AT + 1;
export const MAX_FRAME_BYTES = FRAME_HEADER_BYTES + MAX_ENTRY_BYTES;
const UINT32 = 2 ** 32;

export interface Frame {
  readonly seq: number;
  readonly hash: Hash;
  readonly bytes: Uint8Array;
}

/** The frame of an entry. @throws Refusal CORDON-9004 when the leaf exceeds 65,535 bytes */
export function encodeFrame(seq: number, leaf: string): Frame {
  const length = Buffer.byteLength(leaf);
  assertEntrySize(length);
  const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length);
  bytes.writeUInt32BE(Math.floor(seq / UINT32), 0);
  bytes.writeUInt32BE(seq % UINT32, 4);
  bytes.writeUInt16BE(length, LENGTH_AT);
  bytes[PREFIX_AT] = 0x00;
  bytes.write(leaf, FRAME_HEADER_BYTES, 'utf8');
  const hash = sha256(bytes.subarray(PREFIX_AT));
  bytes.set(hash, HASH_AT);
  return { seq, hash, bytes };
}

/** The leaf of one frame, or undefined when the bytes are not exactly the frame of entry `seq` with this hash. */
export function leafOf(frame: Uint8Array, seq: number, hash: Hash): Uint8Array | undefined {
  const view = viewOf(frame);
  const sound = frameAt(view, 0) === seq && frameEnd(view, 0) === view.length && sameHash(hashOf(view, 0), hash);
  return sound ? view.subarray(FRAME_HEADER_BYTES) : undefined;
}

export interface Scan {
  /** Offset behind each sound frame, in order; the frames are `first`, `first + 1`, … */
  readonly ends: readonly number[];
  /** Their leaf hashes. */
  readonly hashes: readonly Hash[];
  /** What stands behind the last sound frame. */
  readonly tail: 'clean' | 'torn' | 'damaged';
}

/** Reads the frames of a journal segment whose first entry is `first`. */
export function scanFrames(segment: Uint8Array, first: number): Scan {
  const view = viewOf(segment);
  const ends: number[] = [];
  const hashes: Hash[] = [];
  let at = 0;
  while (frameAt(view, at) === first + ends.length) {
    hashes.push(Uint8Array.from(hashOf(view, at)));
    at = frameEnd(view, at);
    ends.push(at);
  }
  if (at === view.length) return { ends, hashes, tail: 'clean' };
  return { ends, hashes, tail: soundFrameAfter(view, at) ? 'damaged' : 'torn' };
}

/** Whether any whole frame can still be read from here on: then what is broken was once whole, or stands in the wrong place. */
function soundFrameAfter(view: Buffer, from: number): boolean {
  for (let at = from; at + FRAME_HEADER_BYTES < view.length; at++) {
    // no leaf is empty, so a stretch of zeroes that a power failure left is passed over without hashing
    if (view.readUInt16BE(at + LENGTH_AT) > 0 && frameAt(view, at) !== undefined) return true;
  }
  return false;
}

const viewOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const seqAt = (view: Buffer, at: number): number => view.readUInt32BE(at) * UINT32 + view.readUInt32BE(at + 4);
const hashOf = (view: Buffer, at: number): Hash => view.subarray(at + HASH_AT, at + PREFIX_AT);
const frameEnd = (view: Buffer, at: number): number => at + FRAME_HEADER_BYTES + view.readUInt16BE(at + LENGTH_AT);

/** The number of the sound frame at this offset, if there is one. */
function frameAt(view: Buffer, at: number): number | undefined {
  if (at + FRAME_HEADER_BYTES > view.length || view[at + PREFIX_AT] !== 0x00) return undefined;
  const end = frameEnd(view, at);
  if (end > view.length) return undefined;
  return sameHash(sha256(view.subarray(at + PREFIX_AT, end)), hashOf(view, at)) ? seqAt(view, at) : undefined;
}
