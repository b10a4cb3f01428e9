// The public keys of issuers elsewhere: from a file, behind a URL, or found by OpenID Connect Discovery 1.0 §4. Fetched when first needed,
// kept for a while, asked again for a key that is not among them. Only what cordon.yaml names is ever asked. INVARIANT I10
import { readFile } from 'node:fs/promises';
import { readJwk, type VerificationKey } from '../crypto/jwk.ts';
import { isJsonArray, isJsonObject, parseJson, type Json, type JsonObject } from '../domain/json.ts';
import { asRefusal, Refusal } from '../domain/refusal.ts';
import type { KeyOwner } from './config.ts';
import { fetchJson } from './oidc-fetch.ts';

export interface IssuerKeys {
  /**
   * The keys of an issuer by `kid`. A `kid` that is not among those that are kept has them fetched again, within limits.
   * @throws Refusal CORDON-9010 they cannot be had, CORDON-9006 the file is not there or no key set
   */
  keysOf(owner: KeyOwner, kid: string | undefined): Promise<ReadonlyMap<string, VerificationKey>>;
}

export interface IssuerKeysOptions {
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly limits?: Partial<typeof LIMITS>;
}

/** Milliseconds, and bytes of one document. */
const LIMITS = {
  /** Kept without asking again. */
  fresh: 600_000,
  /** Kept although the issuer does not answer. */
  stale: 3_600_000,
  /** Between two questions to one issuer, whatever came of the first. */
  pause: 10_000,
  timeout: 5_000,
  bytes: 262_144,
};
const MAX_KEYS = 100;
const MAX_DEPTH = 16;

interface Kept {
  keys: ReadonlyMap<string, VerificationKey> | undefined;
  /** When they were fetched, and when they were last asked for. */
  fetchedAt: number;
  askedAt: number;
  failure: Refusal | undefined;
  asking: Promise<void> | undefined;
}

export function createIssuerKeys({ now, limits }: IssuerKeysOptions): IssuerKeys {
  const bounds = { ...LIMITS, ...limits };
  const all = new Map<string, Kept>();

  const ask = async (owner: KeyOwner, kept: Kept): Promise<void> => {
    kept.askedAt = now();
    try {
      kept.keys = await fetchKeys(owner, bounds);
      kept.fetchedAt = now();
      kept.failure = undefined;
    } catch (error) {
      kept.failure = asRefusal(error, 'CORDON-9010', `the keys of issuer \`${owner.issuer}\` cannot be had`);
    } finally {
      kept.asking = undefined;
    }
  };

  return {
    async keysOf(owner, kid) {
      const kept = keptOf(all, owner);
      const age = now() - kept.fetchedAt;
      const lacking = kid !== undefined && kept.keys?.has(kid) === false;
      const wanted = kept.keys === undefined || age < 0 || age >= bounds.fresh || lacking;
      const rested = now() - kept.askedAt >= bounds.pause || now() < kept.askedAt;
      // INVARIANT I10: whoever sends tokens with made-up key ids does not choose how often an issuer is asked
      if (wanted && (rested || kept.asking !== undefined)) await (kept.asking ??= ask(owner, kept));
      if (kept.keys !== undefined && now() - kept.fetchedAt < bounds.stale) return kept.keys;
      throw kept.failure ?? unreachable(owner);
    },
  };
}

function keptOf(all: Map<string, Kept>, { issuer, keys }: KeyOwner): Kept {
  const name = JSON.stringify([issuer, keys === undefined ? '' : 'file' in keys ? keys.file : keys.url.href]);
  const known = all.get(name);
  if (known !== undefined) return known;
  const kept: Kept = { keys: undefined, fetchedAt: -Infinity, askedAt: -Infinity, failure: undefined, asking: undefined };
  all.set(name, kept);
  return kept;
}

const unreachable = ({ issuer }: KeyOwner, why?: string): Refusal =>
  new Refusal('CORDON-9010', `the keys of issuer \`${issuer}\` cannot be had`, {
    ...(why === undefined ? {} : { observed: why }),
    fix: 'reach the issuer from this machine, or name its keys: `jwks: { file: .. }`',
  });

type Bounds = typeof LIMITS;

async function fetchKeys(owner: KeyOwner, bounds: Bounds): Promise<ReadonlyMap<string, VerificationKey>> {
  const { keys, issuer, plaintext = false } = owner;
  if (keys !== undefined && 'file' in keys) return keySetOf(await readKeyFile(keys.file, bounds), owner);
  const home = keys === undefined ? new URL(issuer) : keys.url;
  const ca = await ownCa(owner);
  const get = (url: URL): Promise<JsonObject> =>
    fetchJson(url, { ...bounds, ca, plaintext, home: home.hostname, what: `issuer \`${issuer}\`` });
  if (keys !== undefined) return keySetOf(await get(keys.url), owner);
  const document = await get(discoveryUrl(issuer));
  // OpenID Connect Discovery §4.3: the document must be that of the issuer, letter for letter
  if (document['issuer'] !== issuer) throw unreachable(owner, 'its discovery document names another issuer');
  const { jwks_uri: where } = document;
  if (typeof where !== 'string' || !URL.canParse(where)) throw unreachable(owner, 'its discovery document has no `jwks_uri`');
  return keySetOf(await get(new URL(where)), owner);
}

/** OpenID Connect Discovery §4.1: the well-known path comes after the path of the issuer. */
const discoveryUrl = (issuer: string): URL => new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);

/** The keys of a file, by `kid`. @throws Refusal CORDON-9006 */
export const readKeySet = async (path: string): Promise<ReadonlyMap<string, VerificationKey>> =>
  keySetOf(await readKeyFile(path, LIMITS), { issuer: path, keys: { file: path } });

async function readKeyFile(path: string, { bytes }: Bounds): Promise<JsonObject> {
  try {
    const json = parseJson(await readFile(path), { maxBytes: bytes, maxDepth: MAX_DEPTH });
    if (isJsonObject(json)) return json;
  } catch (cause) {
    throw new Refusal('CORDON-9006', `the key set \`${path}\` cannot be read`, { cause, fix: 'put a JWK Set there (RFC 7517 §5)' });
  }
  throw new Refusal('CORDON-9006', `\`${path}\` is no key set`, { expected: 'a JWK Set (RFC 7517 §5)' });
}

async function ownCa({ ca }: KeyOwner): Promise<string | undefined> {
  try {
    return ca === undefined ? undefined : await readFile(ca, 'utf8');
  } catch (cause) {
    throw new Refusal('CORDON-9006', `the certificate authority \`${ca ?? ''}\` cannot be read`, { cause });
  }
}

/** A key that is not for signatures, that has no name or that is of no type known here, is left out (RFC 7517 §5). attacker-controlled */
function keySetOf({ keys }: JsonObject, owner: KeyOwner): ReadonlyMap<string, VerificationKey> {
  if (keys === undefined || !isJsonArray(keys) || keys.length > MAX_KEYS) throw unreachable(owner, 'no key set, or one of too many keys');
  const named = new Map<string, VerificationKey>();
  for (const json of keys) {
    const key = signingKey(json);
    if (key?.kid === undefined) continue;
    // of two keys of one name nobody could say which a token means
    if (named.has(key.kid)) throw unreachable(owner, 'two keys of one name');
    named.set(key.kid, key);
  }
  if (named.size === 0) throw unreachable(owner, 'its key set has no key that can be used');
  return named;
}

function signingKey(json: Json): VerificationKey | undefined {
  if (!isJsonObject(json) || (json['use'] !== undefined && json['use'] !== 'sig')) return undefined;
  try {
    return readJwk(json);
  } catch {
    return undefined; // a kind of key that is not known here; tokens that it signed have no key
  }
}
