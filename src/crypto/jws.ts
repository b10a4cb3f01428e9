// JSON Web Signatures in compact form (RFC 7515, RFC 8725), by node:crypto, synchronous: a token is verified on the path of a call.
// Promises: what `verifyJws` returns was signed by the key that was chosen for it, with an algorithm of that key; `alg: none`, HMAC,
// `crit`, `jku`, `x5u`, a `typ` that the verifier did not ask for, and any second encoding of the same bytes are refused.
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto';
import { isJsonObject, parseJson, writeJson, type JsonObject } from '../domain/json.ts';
import { asRefusal, Refusal } from '../domain/refusal.ts';
import { JWS_ALGORITHMS, readJwk, type JwsAlgorithm, type VerificationKey } from './jwk.ts';

/** Characters of a token. */
export const MAX_TOKEN = 16_384;
const BOUNDS = { maxBytes: MAX_TOKEN, maxDepth: 24 };

/** How node:crypto is to sign for an algorithm (RFC 7518 §3.3–3.5: RSA PSS salts are as long as the hash, ECDSA is r ‖ s). */
interface Scheme {
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
  readonly options: { readonly dsaEncoding: 'ieee-p1363' } | { readonly padding: number; readonly saltLength?: number } | object;
}

const PKCS1 = 1;
const PSS = 6;
const ec = (hash: Scheme['hash']): Scheme => ({ hash, options: { dsaEncoding: 'ieee-p1363' } });
const rsa = (hash: Scheme['hash']): Scheme => ({ hash, options: { padding: PKCS1 } });
const pss = (hash: Scheme['hash'], saltLength: number): Scheme => ({ hash, options: { padding: PSS, saltLength } });

const SCHEMES: Readonly<Record<JwsAlgorithm, Scheme>> = {
  ES256: ec('sha256'),
  ES384: ec('sha384'),
  ES512: ec('sha512'),
  RS256: rsa('sha256'),
  RS384: rsa('sha384'),
  RS512: rsa('sha512'),
  PS256: pss('sha256', 32),
  PS384: pss('sha384', 48),
  PS512: pss('sha512', 64),
  EdDSA: { hash: null, options: {} },
};

/** A private key that can only be used, not read. */
export interface JwsSigner {
  readonly kid: string;
  readonly algorithm: JwsAlgorithm;
  /** The public half, with `kid` and `alg`. */
  readonly jwk: JsonObject;
  /** Signs `payload`. @returns the compact form */
  sign(payload: JsonObject, typ?: string): string;
}

/** A new ECDSA P-256 key: as PKCS#8 PEM for safe keeping, and as a signer. */
export function generateJwsKey(kid: string): { readonly pem: string; readonly signer: JwsSigner } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { pem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), signer: signerOf(privateKey, kid) };
}

/** The signer of a PKCS#8 PEM: ECDSA P-256, P-384, P-521, Ed25519, or RSA (which then signs RS256). @throws Refusal CORDON-9006 */
export function jwsSignerFromPem(pem: string, kid: string): JwsSigner {
  try {
    return signerOf(createPrivateKey({ key: pem, format: 'pem' }), kid);
  } catch (cause) {
    throw new Refusal('CORDON-9006', 'the signing key cannot be read', { cause, expected: 'a PKCS#8 PEM' });
  }
}

function signerOf(privateKey: KeyObject, kid: string): JwsSigner {
  const exported = createPublicKey(privateKey).export({ format: 'jwk' });
  const members = Object.fromEntries(
    Object.entries(exported).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  );
  const { jwk, algorithms } = readJwk(members);
  const [algorithm] = algorithms;
  if (algorithm === undefined) throw new Refusal('CORDON-9006', 'the signing key fits no algorithm');
  const { hash, options } = SCHEMES[algorithm];
  const key = { key: privateKey, ...options };
  const heads = new Map<string | undefined, string>();
  const headOf = (typ: string | undefined): string => {
    const head = encoded(writeJson({ alg: algorithm, kid, ...(typ === undefined ? {} : { typ }) }));
    heads.set(typ, head);
    return head;
  };
  return {
    kid,
    algorithm,
    jwk: { ...jwk, kid, alg: algorithm },
    sign(payload, typ): string {
      const signed = `${heads.get(typ) ?? headOf(typ)}.${encoded(writeJson(payload))}`;
      return `${signed}.${sign(hash, Buffer.from(signed), key).toString('base64url')}`;
    },
  };
}

const encoded = (text: string): string => Buffer.from(text).toString('base64url');

/** A token that was read and not verified: nothing in it is a fact. attacker-controlled */
export interface UnverifiedJws {
  readonly header: JsonObject;
  readonly algorithm: JwsAlgorithm;
  readonly kid: string | undefined;
  readonly typ: string | undefined;
  readonly payload: JsonObject;
  readonly signed: string;
  readonly signature: Uint8Array;
}

/** Header members that would name a key, or ask for something that is not done here. */
const REFUSED_MEMBERS = ['crit', 'jku', 'x5u', 'b64', 'zip'];

/**
 * Reads the compact form, strictly. attacker-controlled
 * @throws Refusal CORDON-1009 malformed, too long, or of an algorithm that is not accepted
 */
export function readJws(token: string): UnverifiedJws {
  if (token.length > MAX_TOKEN) throw malformed('longer than 16 KiB');
  const [head = '', body = '', tail = '', ...more] = token.split('.');
  if (more.length > 0 || head === '' || body === '' || tail === '') throw malformed('not three parts');
  const header = jsonOf(head, 'header');
  const refused = REFUSED_MEMBERS.find((member) => Object.hasOwn(header, member));
  if (refused !== undefined) throw malformed(`header member \`${refused}\` is not accepted`);
  const { alg, kid, typ } = header;
  const algorithm = JWS_ALGORITHMS.find((known) => known === alg);
  if (algorithm === undefined) throw new Refusal('CORDON-1009', 'token of an algorithm that is not accepted');
  if ((kid !== undefined && typeof kid !== 'string') || (typ !== undefined && typeof typ !== 'string')) throw malformed('header');
  return { header, algorithm, kid, typ, payload: jsonOf(body, 'payload'), signed: `${head}.${body}`, signature: bytesOf(tail) };
}

/** A key set as a verifier asks it: the keys that a token may have been signed with. */
export type KeysFor = (token: UnverifiedJws) => readonly VerificationKey[];

/** Keys by `kid`: a token without one, or with one that the set has not, has no key. */
export const keysByKid =
  (keys: ReadonlyMap<string, VerificationKey>): KeysFor =>
  ({ kid }) => {
    const key = kid === undefined ? undefined : keys.get(kid);
    return key === undefined ? [] : [key];
  };

/**
 * Reads and verifies a token. `types`: the `typ` values that are accepted (RFC 8725 §3.11), lower case and without `application/`;
 * `undefined` among them accepts a token without one. attacker-controlled
 * @throws Refusal CORDON-1009 malformed, of another type, of no key that is trusted, or not signed by it
 */
export function verifyJws(token: string, keys: KeysFor, types: readonly (string | undefined)[]): UnverifiedJws {
  const read = readJws(token);
  checkType(read, types);
  const { algorithm, signed, signature } = read;
  const fitting = keys(read).filter(({ algorithms }) => algorithms.has(algorithm));
  if (fitting.length === 0) throw new Refusal('CORDON-1009', 'token of no key that is trusted for its algorithm');
  const { hash, options } = SCHEMES[algorithm];
  const bytes = Buffer.from(signed);
  if (fitting.some(({ key }) => verify(hash, bytes, { key, ...options }, signature))) return read;
  throw new Refusal('CORDON-1009', 'the signature of the token is not that of its key');
}

function checkType({ typ }: UnverifiedJws, types: readonly (string | undefined)[]): void {
  const named = typ?.toLowerCase().replace(/^application\//, '');
  if (types.includes(named)) return;
  throw new Refusal('CORDON-1009', 'token of another type', {
    observed: named === undefined ? 'no `typ`' : named.slice(0, 60),
    expected: types.map((type) => type ?? 'none').join(', '),
  });
}

/** A key that a token carries in its own header (RFC 9449 §4.2: only a DPoP proof may). @throws Refusal CORDON-1009 */
export function embeddedKey({ header: { jwk } }: UnverifiedJws): VerificationKey {
  if (!isJsonObject(jwk)) throw malformed('header without `jwk`');
  return readJwk(jwk);
}

function jsonOf(part: string, what: string): JsonObject {
  try {
    const json = parseJson(bytesOf(part), BOUNDS);
    if (isJsonObject(json)) return json;
  } catch (error) {
    throw asRefusalOfToken(error, what);
  }
  throw malformed(what);
}

const asRefusalOfToken = (error: unknown, what: string): Refusal =>
  new Refusal('CORDON-1009', `token malformed: ${what}`, { cause: asRefusal(error, 'CORDON-9011', what) });

/** One text for the same bytes: padding, white space and loose trailing bits are refused. */
function bytesOf(part: string): Uint8Array {
  const bytes = Buffer.from(part, 'base64url');
  if (bytes.toString('base64url') !== part) throw malformed('not base64url');
  return bytes;
}

const malformed = (why: string): Refusal => new Refusal('CORDON-1009', `token malformed: ${why}`);
