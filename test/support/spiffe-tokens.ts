// Tokens by the recipes of the published SPIFFE cases: made and signed here by node:crypto alone, and read by Cordon.
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { readJws } from '../../src/crypto/jws.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject, writeJson } from '../../src/domain/json.ts';
import { parseTrustDomain } from '../../src/domain/spiffe-id.ts';
import { readBundle } from '../../src/identity/bundle.ts';
import { validateJwtSvid } from '../../src/identity/jwt-svid.ts';
import { readWitSvid, validateWitSvid } from '../../src/identity/wit-svid.ts';
import type { SpiffeCase } from './spiffe-vectors.ts';

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

interface TokenKey {
  readonly pair: Pair;
  readonly alg: string;
  readonly signature: (bytes: Buffer, key: KeyObject) => Buffer;
}

const ec = (curve: string, hash: string, alg: string): TokenKey => ({
  pair: generateKeyPairSync('ec', { namedCurve: curve }),
  alg,
  signature: (bytes, key) => sign(hash, bytes, { key, dsaEncoding: 'ieee-p1363' }),
});

/** By the names of the recipes. Each is made once. */
const KEYS: Readonly<Record<string, TokenKey>> = {
  ec: ec('P-384', 'sha384', 'ES384'),
  rsa: { pair: generateKeyPairSync('rsa', { modulusLength: 2048 }), alg: 'RS256', signature: (bytes, key) => sign('sha256', bytes, key) },
  ed25519: { pair: generateKeyPairSync('ed25519'), alg: 'EdDSA', signature: (bytes, key) => sign(null, bytes, key) },
  signing: ec('P-256', 'sha256', 'ES256'),
  'another P-256 key': ec('P-256', 'sha256', 'ES256'),
  cnf: ec('P-256', 'sha256', 'ES256'),
};

function keyCalled(name: string): TokenKey {
  const key = KEYS[name];
  if (key === undefined) throw new Error(`no key is called ${name}`);
  return key;
}

const objectIn = (json: Json | undefined): JsonObject => (isJsonObject(json) ? json : {});
const textIn = (json: Json | undefined, otherwise = ''): string => (typeof json === 'string' ? json : otherwise);
const textsIn = (json: Json | undefined): readonly string[] => (isJsonArray(json) ? json.map((one) => textIn(one)) : []);
const encoded = (json: JsonObject): string => Buffer.from(writeJson(json)).toString('base64url');

function jwkOf(key: KeyObject): JsonObject {
  const members = Object.entries(key.export({ format: 'jwk' }));
  return Object.fromEntries(members.filter((member): member is [string, string] => typeof member[1] === 'string'));
}

/** A token of a recipe: what `base` says, with what `row` puts in its place or takes out. */
function tokenOf(base: JsonObject, row: JsonObject, now: number): string {
  if (typeof row['token'] === 'string') return row['token'];
  const signWith = textIn(row['signWith'], textIn(base['signWith']));
  const key = KEYS[signWith];
  const header = without(
    { alg: key?.alg ?? 'none', ...objectIn(base['header']), ...objectIn(row['header']) },
    textsIn(row['removeHeader']),
  );
  // the algorithm of a recipe is that of its key, unless the case is about the algorithm
  const alg = textIn(objectIn(row['header'])['alg'], key?.alg ?? 'none');
  const claims = without({ ...objectIn(base['claims']), ...objectIn(row['claims']) }, textsIn(row['remove']));
  const signed = `${encoded({ ...header, alg })}.${encoded(objectIn(inTime(withKey(claims, row), now)))}`;
  const signature = key === undefined ? '' : key.signature(Buffer.from(signed), key.pair.privateKey).toString('base64url');
  if (row['serialization'] !== 'json') return `${signed}.${signature}`;
  const [head = '', payload = ''] = signed.split('.');
  return writeJson({ payload, protected: head, signature });
}

const without = (json: JsonObject, names: readonly string[]): JsonObject =>
  Object.fromEntries(Object.entries(json).filter(([name]) => !names.includes(name)));

/** `now`, `now+60`: seconds. */
function inTime(json: Json, now: number): Json {
  if (isJsonArray(json)) return json.map((one) => inTime(one, now));
  if (isJsonObject(json)) return Object.fromEntries(Object.entries(json).map(([name, one]) => [name, inTime(one, now)]));
  const [, shift] = (typeof json === 'string' ? /^now([+-]\d+)?$/.exec(json) : null) ?? [];
  return typeof json === 'string' && /^now([+-]\d+)?$/.test(json) ? Math.floor(now / 1000) + Number(shift ?? 0) : json;
}

const CNF_JWK = 'cnf.jwk.';

/** Puts the key that the token is bound to where the recipe has words for it. */
function withKey(claims: JsonObject, row: JsonObject): JsonObject {
  if (!('jwk' in objectIn(claims['cnf'])) || isJsonObject(objectIn(row['claims'])['cnf'])) return claims;
  const { publicKey, privateKey } = keyCalled('cnf').pair;
  const members: JsonObject = { ...jwkOf(row['cnfKey'] === 'private' ? privateKey : publicKey), alg: 'ES256', kid: 'cnf' };
  const set = Object.entries(objectIn(row['setPath'])).map(([path, value]) => [path.slice(CNF_JWK.length), value] as const);
  const removed = textsIn(row['removePath']).map((path) => path.slice(CNF_JWK.length));
  return { ...claims, cnf: { jwk: without({ ...members, ...Object.fromEntries(set) }, removed) } };
}

/** A bundle of a recipe, as it is configured: for one trust domain. */
function bundleOf(file: JsonObject, row: JsonObject, use: string): { readonly trustDomain: string; readonly json: JsonObject } {
  const bundle = { ...objectIn(file['bundle']), ...objectIn(row['bundle']) };
  const keys = Object.entries(objectIn(bundle['authorities'])).map(([kid, name]) => ({
    ...jwkOf(keyCalled(textIn(name)).pair.publicKey),
    kid,
    use,
  }));
  return { trustDomain: parseTrustDomain(textIn(bundle['trustDomain'])), json: { keys } };
}

export function jwtCase(file: JsonObject, row: JsonObject): JsonObject {
  const now = Date.now();
  const base = objectIn(file['base']);
  const { trustDomain, json } = bundleOf(file, row, 'jwt-svid');
  const { id } = validateJwtSvid(tokenOf(base, row, now), {
    keysOf: (domain) => (domain === trustDomain ? json : undefined),
    audiences: textsIn(row['expectedAudience'] ?? base['expectedAudience']),
    now,
  });
  return { spiffeId: id };
}

export function witCase(file: JsonObject, row: JsonObject): JsonObject {
  const now = Date.now();
  const { trustDomain, json } = bundleOf(file, row, 'wit-svid');
  const { witKeys } = readBundle(json);
  const keysOf = (domain: string): typeof witKeys | undefined => (domain === trustDomain ? witKeys : undefined);
  return { spiffeId: validateWitSvid(tokenOf(objectIn(file['base']), row, now), { keysOf, now }).id };
}

/** The one token of the specification: nobody published the key that signed it, so everything but the signature is checked. */
export function witExample({ token, payload }: JsonObject): Omit<SpiffeCase, 'name'> {
  const { sub = null, iat, cnf } = objectIn(payload);
  const { crv = null, kty = null, x = null, y = null } = objectIn(objectIn(cnf)['jwk']);
  return {
    expected: { facts: { spiffeId: sub, jwk: { crv, kty, x, y } } },
    read: () => {
      const { id, key } = readWitSvid(readJws(textIn(token)), Number(iat) * 1000);
      return { spiffeId: id, jwk: key.jwk };
    },
  };
}
