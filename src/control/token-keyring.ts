// Keys that sign tokens, ECDSA P-256: published before they sign, and for as long as what they signed lives (RFC 7517 §5).
import { readJwk, type VerificationKey } from '../crypto/jwk.ts';
import { generateJwsKey, jwsSignerFromPem, type JwsSigner } from '../crypto/jws.ts';
import { randomId } from '../crypto/random.ts';
import { isJsonObject, parseJson, writeJson, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { inStage } from '../identity/stages.ts';
import type { Keyring, KeptKey } from './keyring.ts';

/** What a service signs its tokens with, and what everybody else verifies them with. */
export interface TokenKeys {
  /** As it signs now. */
  readonly current: () => JwsSigner;
  /** By `kid`: of every token that may live, and of those that will be signed next. */
  readonly keys: () => ReadonlyMap<string, VerificationKey>;
  /** What signs now, for another process of this Cordon. */
  readonly handOut: () => { readonly kid: string; readonly pem: string };
  /** The same, as they are published. */
  readonly jwks: () => JsonObject;
}

export function makeTokenKey(now: number): KeptKey {
  const kid = randomId(12);
  const { pem, signer } = generateJwsKey(kid);
  return { stage: 'prepared', since: now, id: kid, publicPart: writeJson(signer.jwk), privateKey: pem };
}

/** Reads a ring once for each of its revisions. */
export function tokenKeysOf(ring: Keyring): TokenKeys {
  let read: Read | undefined;
  const now = (): Read => (read?.revision === ring.revision ? read : (read = readRing(ring)));
  return { current: () => now().signer, handOut: () => activeOf(ring), keys: () => now().keys, jwks: () => now().jwks };
}

interface Read {
  readonly revision: number;
  readonly signer: JwsSigner;
  readonly keys: ReadonlyMap<string, VerificationKey>;
  readonly jwks: JsonObject;
}

function readRing({ keys, revision, name }: Keyring): Read {
  const active = activeOf({ keys, name });
  const published = keys.map(({ publicPart }) => jwkOf(publicPart, name));
  return {
    revision,
    signer: jwsSignerFromPem(active.pem, active.kid),
    keys: new Map(keys.map(({ id }, at) => [id, readJwk(published[at] ?? {})])),
    jwks: { keys: published.map((jwk) => ({ ...jwk, use: 'sig' })) },
  };
}

function activeOf({ keys, name }: Pick<Keyring, 'keys' | 'name'>): { readonly kid: string; readonly pem: string } {
  const active = inStage(keys, 'active');
  if (active?.privateKey === undefined) throw damaged(name);
  return { kid: active.id, pem: active.privateKey };
}

function jwkOf(text: string, name: string): JsonObject {
  const json = parseJson(Buffer.from(text), { maxBytes: 4096, maxDepth: 1 });
  if (isJsonObject(json)) return json;
  throw damaged(name);
}

const damaged = (name: string): Refusal =>
  new Refusal('CORDON-9006', `sealed \`${name}\` has no key that signs`, { fix: 'restore a backup of the store' });
