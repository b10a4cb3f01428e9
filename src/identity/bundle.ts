// The bundle of one trust domain as a document. Standard: SPIFFE Trust Domain and Bundle §4: a JWK Set, with a sequence and a refresh hint.
// Promises: what it holds can verify SVIDs; members of kinds that are not known here are passed over, known ones that are malformed refused.
import { publicJwkOf, readCertificate } from '../crypto/certificate.ts';
import { derOf, pem } from '../crypto/der.ts';
import { publicPart, readJwk, type VerificationKey } from '../crypto/jwk.ts';
import { isJsonArray, isJsonObject, parseJson, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { parseTrustDomain, type TrustDomain } from '../domain/spiffe-id.ts';
import { flaw } from './flaws.ts';

/** What a document says; of which domain it is, is for the reader to know. */
export interface Bundle {
  /** Certificates that SVIDs chain to, PEM. */
  readonly roots: readonly string[];
  /** Keys of JWT-SVIDs by `kid`. */
  readonly jwtKeys: ReadonlyMap<string, VerificationKey>;
  /** The same as they stand in the document. */
  readonly jwks: { readonly keys: readonly JsonObject[] };
  /** Keys of WIT-SVIDs by `kid`. */
  readonly witKeys: ReadonlyMap<string, VerificationKey>;
  /** Absent: the publisher does not count. */
  readonly sequence?: bigint;
  /** How often the publisher wishes to be asked. Seconds. */
  readonly refreshHint?: number;
}

/** Bytes of a document, and entries in it. */
export const MAX_BUNDLE = 1_048_576;
const MAX_KEYS = 256;
const MAX_DEPTH = 8;
const U64 = 2n ** 64n;

const malformed = (why: string, cause?: unknown): Refusal => new Refusal('CORDON-1006', `bundle malformed: ${why}`, { cause });

/** attacker-controlled @throws Refusal CORDON-1006, CORDON-9011 */
export const parseBundle = (bytes: Uint8Array): Bundle => readBundle(parseJson(bytes, { maxBytes: MAX_BUNDLE, maxDepth: MAX_DEPTH }));

/** Reads a document that was parsed. attacker-controlled @throws Refusal CORDON-1006 */
export function readBundle(json: Json): Bundle {
  if (!isJsonObject(json)) throw malformed('not an object');
  const { spiffe_sequence: sequence, spiffe_refresh_hint: hint } = json;
  const known = keysIn(json);
  const jwt = known.filter(({ use }) => use === 'jwt-svid');
  return {
    roots: known.filter(({ use }) => use === 'x509-svid').map(rootOf),
    jwtKeys: byKid(jwt),
    jwks: { keys: jwt },
    witKeys: byKid(known.filter(({ use }) => use === 'wit-svid')),
    ...(sequence === undefined ? {} : { sequence: sequenceOf(sequence) }),
    ...(hint === undefined ? {} : { refreshHint: hintOf(hint) }),
  };
}

/**
 * The keys of JWT-SVIDs in a JWK Set without uses, as the Workload API sends it; of what private members it holds, nothing is read.
 * attacker-controlled @throws Refusal CORDON-1006
 */
export const readJwtBundle = (jwks: JsonObject): ReadonlyMap<string, VerificationKey> => byKid(keysIn(jwks).map(publicPart));

/** The bundles of several domains (§4.3), by what the map calls them. attacker-controlled @throws Refusal CORDON-1004, CORDON-1006, CORDON-9011 */
export function parseBundleMap(bytes: Uint8Array): ReadonlyMap<TrustDomain, Bundle> {
  const json = parseJson(bytes, { maxBytes: MAX_BUNDLE, maxDepth: MAX_DEPTH });
  const domains = isJsonObject(json) ? json['trust_domains'] : undefined;
  if (!isJsonObject(domains)) throw malformed('`trust_domains` is no object');
  return new Map(Object.entries(domains).map(([name, bundle]) => [parseTrustDomain(name), readBundle(bundle)]));
}

/** Those of a kind that can sign SVIDs. */
function keysIn({ keys }: JsonObject): readonly JsonObject[] {
  if (!isJsonArray(keys)) throw flaw('no-keys');
  if (keys.length > MAX_KEYS) throw malformed(`more than ${MAX_KEYS} keys`);
  return keys.map((key) => (isJsonObject(key) ? key : {})).filter(({ kty }) => kty === 'EC' || kty === 'RSA');
}

function byKid(keys: readonly JsonObject[]): ReadonlyMap<string, VerificationKey> {
  const found = new Map(keys.map((key) => [kidOf(key), readKey(key)]));
  if (found.size !== keys.length) throw malformed('two keys have one `kid`');
  return found;
}

function sequenceOf(value: Json): bigint {
  const number = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof number === 'bigint' && number >= 0n && number < U64) return number;
  throw malformed('`spiffe_sequence` is no unsigned integer of 64 bits');
}

function hintOf(value: Json): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw malformed('`spiffe_refresh_hint` is no number of seconds');
}

function kidOf({ kid }: JsonObject): string {
  if (typeof kid === 'string' && kid !== '') return kid;
  throw flaw('no-kid');
}

function readKey(key: JsonObject): VerificationKey {
  try {
    return readJwk(key);
  } catch (cause) {
    throw malformed('a key of tokens', cause);
  }
}

function rootOf({ x5c }: JsonObject): string {
  const [der, ...more] = isJsonArray(x5c) ? x5c : [];
  if (typeof der !== 'string' || more.length > 0) throw flaw('x5c');
  const bytes = Buffer.from(der, 'base64');
  if (bytes.toString('base64') !== der) throw malformed('`x5c` is not base64');
  if (!readCertificate(bytes).authority) throw malformed('a root may not sign certificates');
  return pem('CERTIFICATE', bytes);
}

/** What a domain publishes of itself. */
export interface BundleContents {
  /** PEM each. */
  readonly roots: readonly string[];
  /** Of JWT-SVIDs, with `kid`. */
  readonly jwtKeys: readonly JsonObject[];
  readonly sequence: number;
  /** Seconds. */
  readonly refreshHint: number;
}

/** The document of a bundle. */
export const bundleDocument = ({ roots, jwtKeys, sequence, refreshHint }: BundleContents): JsonObject => ({
  keys: [
    ...roots.map((root) => ({ ...publicJwkOf(root), use: 'x509-svid', x5c: [Buffer.from(derOf(root)).toString('base64')] })),
    ...jwtKeys.map((key) => ({ ...key, use: 'jwt-svid' })),
  ],
  spiffe_sequence: sequence,
  spiffe_refresh_hint: refreshHint,
});
