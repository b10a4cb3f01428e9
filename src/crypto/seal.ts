// Sealing of bytes at rest: AES-256-GCM (NIST SP 800-38D) under keys derived with HKDF-SHA-256 (RFC 5869).
// Promises: what opens was sealed under this key and this name, bit for bit; no message, cause or envelope holds a secret.
//
// Envelope:  version (1) ‖ key id (8) ‖ nonce (12) ‖ ciphertext ‖ tag (16)
// Version 1: every name has a key of its own, so the bound of 2^32 seals with random nonces (SP 800-38D §8.3) is per name, not per root
// key: a busy gateway seals that many decision inputs in days. Version 2: many names share the key of their group, which is derived once.
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { Refusal } from '../domain/refusal.ts';
import { randomNonce } from './random.ts';

const OWN_KEY = 1;
const GROUP_KEY = 2;
const KEY_BYTES = 32;
const ID_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const NONCE_AT = 1 + ID_BYTES;
const TEXT_AT = NONCE_AT + NONCE_BYTES;
const CIPHER = 'aes-256-gcm';

const HEX = /^[0-9a-fA-F]{64}$/;
// 43 characters hold 258 bits: the last one may only use its upper four
const BASE64 = /^[A-Za-z0-9+/_-]{42}[AEIMQUYcgkosw048]=?$/;
const MAKE_ONE = 'make a key with `openssl rand -base64 32`';

/** Seals under one root key. `name` says what the bytes are (`ca/intermediate`); it is bound, so an envelope cannot be moved to another name. */
export interface Box {
  /** @returns the envelope, 37 bytes longer than the plaintext. @throws Refusal CORDON-9006 when the name is not well-formed Unicode */
  seal(name: string, plaintext: Uint8Array): Uint8Array;
  /** @throws Refusal CORDON-9006 when the key or the name is another, or a bit was changed */
  open(name: string, sealed: Uint8Array): Uint8Array;
}

export interface Sealer extends Box {
  /** One key for many names; the caller keeps a group below 2^32 of them. It opens what was sealed under a key of its own, too. */
  group(group: string): Box;
}

/**
 * Reads the text of a root key: 32 bytes in base64, base64url or 64 hex digits, white space around it allowed.
 * @throws Refusal CORDON-9006, never repeating the text
 */
export function parseKey(text: string): Uint8Array {
  const trimmed = text.trim();
  const encoding = HEX.test(trimmed) ? 'hex' : BASE64.test(trimmed) ? 'base64' : undefined;
  if (encoding === undefined) {
    throw new Refusal('CORDON-9006', 'not a root key', {
      observed: `${trimmed.length} characters`,
      expected: '32 bytes in base64 or hex',
      fix: MAKE_ONE,
    });
  }
  const key = new Uint8Array(Buffer.from(trimmed, encoding));
  // a placeholder left in a template (`0000…`, `ABAB…`); 32 random bytes have fewer than 8 values once in 2^120
  if (new Set(key).size < 8) throw new Refusal('CORDON-9006', 'root key is a placeholder', { expected: '32 random bytes', fix: MAKE_ONE });
  return key;
}

/** A key of its own for each purpose of one root key (`upstream-secrets`); from one of them neither the root nor another can be found. */
export const deriveKey = (root: Uint8Array, purpose: string): Uint8Array => derive(rootKey(root), `cordon/key/v1/${purpose}`, KEY_BYTES);

/** @throws Refusal CORDON-9006 when the key is not 32 bytes */
export function sealer(key: Uint8Array): Sealer {
  const root = rootKey(key);
  const id = derive(root, 'cordon/seal/v1/id', ID_BYTES);
  // a KeyObject, because node:crypto takes 20 µs longer over a key given as bytes
  const keyOf = (kind: 'name' | 'group', name: string): KeyObject =>
    createSecretKey(derive(root, `cordon/seal/v1/${kind}/${name}`, KEY_BYTES));
  const own: Box = {
    seal: (name, plaintext) => encrypt({ version: OWN_KEY, id, key: keyOf('name', name) }, name, plaintext),
    open: (name, sealed) => decrypt({ version: OWN_KEY, id, key: () => keyOf('name', name) }, name, sealed),
  };
  let last: { readonly group: string; readonly box: Box } | undefined;
  return {
    ...own,
    group(group): Box {
      if (last?.group === group) return last.box;
      const shared = keyOf('group', group);
      const box: Box = {
        seal: (name, plaintext) => encrypt({ version: GROUP_KEY, id, key: shared }, name, plaintext),
        open: (name, sealed) =>
          sealed[0] === OWN_KEY ? own.open(name, sealed) : decrypt({ version: GROUP_KEY, id, key: () => shared }, name, sealed),
      };
      last = { group, box };
      return box;
    },
  };
}

interface Under<K> {
  readonly version: number;
  /** Of the root key. */
  readonly id: Uint8Array;
  readonly key: K;
}

function encrypt({ version, id, key }: Under<KeyObject>, name: string, plaintext: Uint8Array): Uint8Array {
  const nonce = randomNonce();
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(boundTo(version, id, name));
  return concat([Uint8Array.of(version), id, nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function decrypt({ version, id, key }: Under<() => KeyObject>, name: string, sealed: Uint8Array): Uint8Array {
  checkHeader(version, id, name, sealed);
  const decipher = createDecipheriv(CIPHER, key(), sealed.subarray(NONCE_AT, TEXT_AT), { authTagLength: TAG_BYTES })
    .setAAD(boundTo(version, id, name))
    .setAuthTag(sealed.subarray(-TAG_BYTES));
  const plaintext = decipher.update(sealed.subarray(TEXT_AT, -TAG_BYTES));
  try {
    decipher.final();
  } catch {
    // one message for every cause: whoever changes envelopes learns nothing from it
    throw bad(name, 'changed, or sealed under another name', 'restore a backup of the store, or enter the secret again');
  }
  return plaintext;
}

function rootKey(key: Uint8Array): KeyObject {
  if (key.byteLength === KEY_BYTES) return createSecretKey(key);
  throw new Refusal('CORDON-9006', 'root key has the wrong length', {
    observed: `${key.byteLength} bytes`,
    expected: `${KEY_BYTES} bytes`,
    fix: MAKE_ONE,
  });
}

function derive(root: KeyObject, info: string, bytes: number): Uint8Array {
  // UTF-8 would write two names that differ in half a surrogate pair alike
  if (!info.isWellFormed()) throw new Refusal('CORDON-9006', 'name of sealed bytes is not well-formed Unicode');
  return new Uint8Array(hkdfSync('sha256', root, new Uint8Array(), Buffer.from(info), bytes));
}

/** UTF-8 would write two names that differ in half a surrogate pair alike. */
function boundTo(version: number, id: Uint8Array, name: string): Uint8Array {
  if (!name.isWellFormed()) throw new Refusal('CORDON-9006', 'name of sealed bytes is not well-formed Unicode');
  return concat([Uint8Array.of(version), id, Buffer.from(name)]);
}

function checkHeader(version: number, id: Uint8Array, name: string, sealed: Uint8Array): void {
  if (sealed.byteLength < TEXT_AT + TAG_BYTES) throw bad(name, 'truncated', 'restore a backup of the store');
  if (sealed[0] !== version)
    throw bad(name, `envelope version ${sealed[0]} is not known`, 'start the Cordon that sealed them, or restore a backup of the store');
  if (Buffer.compare(sealed.subarray(1, NONCE_AT), id) !== 0)
    throw bad(name, 'sealed under another root key', 'give Cordon the root key it was set up with');
}

const bad = (name: string, why: string, fix: string): Refusal =>
  new Refusal('CORDON-9006', `sealed bytes of \`${name.slice(0, 120)}\` do not open: ${why}`, { fix });

const concat = (parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts);
