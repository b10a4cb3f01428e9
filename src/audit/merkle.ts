// Merkle tree hashing and proof verification. Standard: RFC 6962 §2.1; verification walks as in RFC 9162 §2.1.3.2 and §2.1.4.2.
// Promises: a proof of any other length, index or size than the right one is refused; nothing throws on hostile input.
import { sha256 } from '../crypto/hash.ts';

/** 32 bytes of SHA-256. */
export type Hash = Uint8Array;

export const HASH_BYTES = 32;

/** Root of the tree with no leaves: SHA-256 of nothing (RFC 6962 §2.1). */
export const EMPTY_ROOT: Hash = sha256(new Uint8Array(0));

/** SHA-256(0x00 ‖ leaf). */
export function leafHash(leaf: Uint8Array): Hash {
  const prefixed = new Uint8Array(1 + leaf.byteLength);
  prefixed.set(leaf, 1);
  return sha256(prefixed);
}

// one buffer for all node hashes: hashing is synchronous, so it is never shared
const node = new Uint8Array(1 + 2 * HASH_BYTES);
node[0] = 0x01;

/** SHA-256(0x01 ‖ left ‖ right). Both are 32 bytes. */
export function nodeHash(left: Hash, right: Hash): Hash {
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return sha256(node);
}

/**
 * Root over consecutive hashes, each of an equally large complete subtree except that the last may be smaller: `hashes` is
 * n × 32 bytes. Pairing level by level and carrying an odd last one up gives the split of RFC 6962 §2.1.
 */
export function rootOf(hashes: Uint8Array): Hash {
  const work = Uint8Array.from(hashes);
  const at = (i: number): Hash => work.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
  let count = work.byteLength / HASH_BYTES;
  if (count === 0) return EMPTY_ROOT;
  while (count > 1) {
    const pairs = Math.floor(count / 2);
    for (let i = 0; i < pairs; i++) work.set(nodeHash(at(2 * i), at(2 * i + 1)), i * HASH_BYTES);
    if (count % 2 === 1) work.copyWithin(pairs * HASH_BYTES, (count - 1) * HASH_BYTES, count * HASH_BYTES);
    count = Math.ceil(count / 2);
  }
  return work.slice(0, HASH_BYTES);
}

/** Largest power of two below `n` (n ≥ 2): where RFC 6962 §2.1 splits a tree. */
export function splitPoint(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

export const sameHash = (a: Hash, b: Hash): boolean => Buffer.compare(a, b) === 0;

const isSize = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;
const isHash = (h: Hash): boolean => h.byteLength === HASH_BYTES;

export interface Inclusion {
  readonly index: number;
  readonly size: number;
  readonly leafHash: Hash;
  /** Sibling hashes from the leaf up. attacker-controlled */
  readonly proof: readonly Hash[];
  readonly root: Hash;
}

/** Whether the leaf is at `index` of the tree with this size and root (RFC 9162 §2.1.3.2). Sizes from 2^53 on are refused. */
export function verifyInclusion({ index, size, leafHash: leaf, proof, root }: Inclusion): boolean {
  if (!isSize(index) || !isSize(size) || index >= size) return false;
  if (![leaf, root, ...proof].every(isHash)) return false;
  let position = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (position % 2 === 1 || position === last) {
      hash = nodeHash(sibling, hash);
      // a right edge without a sibling at this level is carried up unhashed
      while (position % 2 === 0 && position !== 0) [position, last] = [position / 2, Math.floor(last / 2)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [position, last] = [Math.floor(position / 2), Math.floor(last / 2)];
  }
  return last === 0 && sameHash(hash, root);
}

export interface Consistency {
  readonly size1: number;
  readonly size2: number;
  readonly root1: Hash;
  readonly root2: Hash;
  /** attacker-controlled */
  readonly proof: readonly Hash[];
}

/**
 * Whether the tree of `size1` is a prefix of the tree of `size2` (RFC 9162 §2.1.4.2). An old size of 0 is refused, for there is
 * nothing to prove; protocols that allow it do so in `extendsCheckpoint`.
 */
export function verifyConsistency({ size1, size2, root1, root2, proof }: Consistency): boolean {
  if (!isSize(size1) || !isSize(size2) || size1 === 0 || size1 > size2) return false;
  if (size1 === size2) return proof.length === 0 && sameHash(root1, root2);
  if (![root1, root2, ...proof].every(isHash)) return false;
  let [position, last] = [size1 - 1, size2 - 1];
  while (position % 2 === 1) [position, last] = [(position - 1) / 2, Math.floor(last / 2)];
  // an old tree that is one complete subtree is its own starting point and is left out of the proof
  const path = position === 0 ? [root1, ...proof] : proof;
  let old = path[0];
  if (old === undefined) return false;
  let now = old;
  for (const sibling of path.slice(1)) {
    if (last === 0) return false;
    if (position % 2 === 1 || position === last) {
      old = nodeHash(sibling, old);
      now = nodeHash(sibling, now);
      while (position % 2 === 0 && position !== 0) [position, last] = [position / 2, Math.floor(last / 2)];
    } else {
      now = nodeHash(now, sibling);
    }
    [position, last] = [Math.floor(position / 2), Math.floor(last / 2)];
  }
  return last === 0 && sameHash(old, root1) && sameHash(now, root2);
}
