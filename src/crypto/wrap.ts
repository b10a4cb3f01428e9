// Wrapping of a key for the holder of an RSA key: RSAES-OAEP (RFC 8017 §7.1), with the hash in its mask too.
import { constants, createPublicKey, publicEncrypt } from 'node:crypto';
import { Refusal } from '../domain/refusal.ts';

/** In the order in which they are wanted. OAEP with SHA-1 is sound still, and all that some tokens have. */
export const OAEP_HASHES = ['sha256', 'sha1'] as const;
export type OaepHash = (typeof OAEP_HASHES)[number];
const LEAST_BITS = 2048;

/** `publicKey`: SPKI DER. @throws Refusal CORDON-9006 when it is not an RSA key of at least 2,048 bits */
export function wrapKey(publicKey: Uint8Array, secret: Uint8Array, oaepHash: OaepHash): Uint8Array {
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
    const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
    if (key.asymmetricKeyType === 'rsa' && bits >= LEAST_BITS) {
      return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, secret);
    }
  } catch (cause) {
    throw new Refusal('CORDON-9006', 'the public key that should wrap cannot be used', { cause });
  }
  throw new Refusal('CORDON-9006', 'the key that should wrap is not an RSA key', { expected: `RSA, at least ${LEAST_BITS} bits` });
}
