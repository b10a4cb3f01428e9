// Ed25519 (RFC 8032 §5.1), the signature of log checkpoints. Keys travel as 32 raw bytes, as PKCS#8 / SPKI PEM (RFC 8410), or stay
// inside a signer: nothing outside this folder holds a private key object.
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto';
import { Refusal } from '../domain/refusal.ts';

/** A private key that can only be used, not read. */
export interface Ed25519Signer {
  /** 32 bytes, RFC 8032 §5.1.5. */
  readonly publicKey: Uint8Array;
  /** Signs the message itself (pure Ed25519, no pre-hash): 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

// RFC 8410 §7: the DER around a raw key never varies, so raw keys are framed instead of walking ASN.1
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/** A new key pair, as PKCS#8 PEM for safe keeping and as a signer. */
export function generateEd25519(): { readonly pem: string; readonly signer: Ed25519Signer } {
  const { privateKey } = generateKeyPairSync('ed25519');
  return { pem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), signer: signerOf(privateKey) };
}

/** The signer of a PKCS#8 PEM. @throws Refusal CORDON-9006 when it is not an unencrypted Ed25519 key */
export function ed25519FromPem(pem: string): Ed25519Signer {
  return signerOf(importKey(() => createPrivateKey({ key: pem, format: 'pem' }), 'a PKCS#8 PEM with an Ed25519 key'));
}

/** The signer of a 32-byte seed (RFC 8032 §5.1.5 private key). @throws Refusal CORDON-9006 */
export function ed25519FromSeed(seed: Uint8Array): Ed25519Signer {
  const key = Buffer.concat([PKCS8_PREFIX, raw32(seed, 'seed')]);
  return signerOf(importKey(() => createPrivateKey({ key, format: 'der', type: 'pkcs8' }), 'a 32-byte seed'));
}

/** SPKI PEM of a raw public key. @throws Refusal CORDON-9006 when it is not 32 bytes */
export const ed25519PublicToPem = (publicKey: Uint8Array): string =>
  publicKeyOf(publicKey).export({ format: 'pem', type: 'spki' }).toString();

/** The 32 raw bytes of an SPKI PEM. @throws Refusal CORDON-9006 when it is not an Ed25519 public key */
export function ed25519PublicFromPem(pem: string): Uint8Array {
  return rawPublic(importKey(() => createPublicKey({ key: pem, format: 'pem' }), 'an SPKI PEM with an Ed25519 key'));
}

/** Whether the signature is that of this key over this message. Wrong lengths are `false`. @throws Refusal CORDON-9006 on a bad key */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return signature.byteLength === 64 && verify(null, message, publicKeyOf(publicKey), signature);
}

function signerOf(key: KeyObject): Ed25519Signer {
  return { publicKey: rawPublic(createPublicKey(key)), sign: (message) => sign(null, message, key) };
}

const rawPublic = (key: KeyObject): Uint8Array => key.export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX.length);

const publicKeyOf = (publicKey: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw32(publicKey, 'public key')]), format: 'der', type: 'spki' });

function raw32(bytes: Uint8Array, what: string): Uint8Array {
  if (bytes.byteLength === 32) return bytes;
  throw new Refusal('CORDON-9006', `not an Ed25519 ${what}`, {
    observed: `${bytes.byteLength} bytes`,
    expected: '32 bytes',
  });
}

function importKey(read: () => KeyObject, expected: string): KeyObject {
  let key: KeyObject;
  try {
    key = read();
  } catch (cause) {
    throw new Refusal('CORDON-9006', 'key cannot be read', { expected, cause });
  }
  if (key.asymmetricKeyType === 'ed25519') return key;
  throw new Refusal('CORDON-9006', 'key is of the wrong type', { observed: `${key.asymmetricKeyType}`, expected });
}
