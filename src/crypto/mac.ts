// Short tags by which we know again what we have handed out: HMAC-SHA-256 (RFC 2104), cut to 144 bits (§5), under a key derived from a root key.
// Promises: without the key no tag of other parts can be made; the same parts have the same tag in every process that has the key.
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { deriveKey } from './seal.ts';

/** Of a tag, base64url. */
export const TAG_LENGTH = 24;

export interface Tagger {
  /** `parts` are told apart: `["a", "bc"]` and `["ab", "c"]` have different tags. */
  tag(parts: readonly string[]): string;
  isTagOf(tag: string, parts: readonly string[]): boolean;
  /** Tells tags of this key from others at a glance; no secret, and no proof. */
  readonly mark: string;
}

/** @throws Refusal CORDON-9006 when the root key is not 32 bytes */
export function tagger(root: Uint8Array, purpose: string): Tagger {
  const key = createSecretKey(deriveKey(root, purpose));
  const tag = (parts: readonly string[]): string =>
    createHmac('sha256', key).update(JSON.stringify(parts)).digest('base64url').slice(0, TAG_LENGTH);
  return {
    tag,
    isTagOf: (given, parts) =>
      given.length === TAG_LENGTH && timingSafeEqual(Buffer.from(given, 'latin1'), Buffer.from(tag(parts), 'latin1')),
    mark: tag(['mark']).slice(0, 4),
  };
}
