// JSON Web Signatures in compact form (RFC 7515, RFC 8725), by node:crypto, synchronous: a token is verified on the path of a call.
// Promises: what `verifyJws` returns was signed by the key that was chosen for it, with an algorithm of that key; `alg: none`, HMAC,
// `crit`, `jku`, `x5u`, a `typ` that the verifier did not ask for, and any second encoding of the same bytes are refused.
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto';
import { isJsonObject, parseJson, writeJson, type JsonObject } from '../domain/json.ts';
import { asRefusal, Refusal } from '../domain/refusal.ts';
import { signRaw, verifyRaw, type Size } from './ecdsa.ts';
import { JWS_ALGORITHMS, readJwk, type JwsAlgorithm, type VerificationKey } from './jwk.ts';

/** Characters of a token. */
export const MAX_TOKEN = 16_384;
const BOUNDS = { maxBytes: MAX_TOKEN, maxDepth: 24 };

/** How an algorithm signs (RFC 7518 §3.3–3.5: RSA PSS salts are as long as the hash, ECDSA is r ‖ s). */
interface Scheme {
  sign(bytes: Uint8Array, key: KeyObject): Buffer;
  verify(bytes: Uint8Array, key: KeyObject, signature: Uint8Array): boolean;
}

const PKCS1 = 1;
const PSS = 6;
const ec = (hash: string, size: Size): Scheme => ({
  sign: (bytes, key) => signRaw(hash, bytes, key, size),
  verify: (bytes, key, signature) => verifyRaw(hash, bytes, key, signature, size),
});
const rsa = (hash: string, padding: { readonly padding: number; readonly saltLength?: number }): Scheme => ({
  sign: (bytes, key) => sign(hash, bytes, { key, ...padding }),
  verify: (bytes, key, signature) => verify(hash, bytes, { key, ...padding }, signature),
});
const eddsa: Scheme = {
  sign: (bytes, key) => sign(null, bytes, key),
  verify: (bytes, key, signature) => verify(null, bytes, key, signature),
};

const SCHEMES: Readonly<Record<JwsAlgorithm, Scheme>> = {
  ES256: ec('sha256', 32),
  ES384: ec('sha384', 48),
  ES512: ec('sha512', 66),
  RS256: rsa('sha256', { padding: PKCS1 }),
  RS384: rsa('sha384', { padding: PKCS1 }),
  RS512: rsa('sha512', { padding: PKCS1 }),
  PS256: rsa('sha256', { padding: PSS, saltLength: 32 }),
  PS384: rsa('sha384', { padding: PSS, saltLength: 48 }),
  PS512: rsa('sha512', { padding: PSS, saltLength: 64 }),
  EdDSA: eddsa,
  Ed25519: eddsa,
};

/** A private key that can only be used, not read. */
export interface JwsSigner {
  readonly kid: string;
  readonly algorithm: JwsAlgorithm;
  /** The public half, with `kid` and `alg`. */
  readonly jwk: JsonObject;
  /** Signs `payload`. @returns the compact form */
  sign(payload: JsonObject, typ?: string): string;
  /** Signs bytes that travel by themselves (RFC 7515 appendix F). */
  signDetached(payload: Uint8Array, typ: string): Detached;
}

/** A signature without what it signs, in members of the flattened form (RFC 7515 §7.2.2). */
export interface Detached {
  readonly protected: string;
  readonly signature: string;
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
  const scheme = SCHEMES[algorithm];
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
      return `${signed}.${scheme.sign(Buffer.from(signed), privateKey).toString('base64url')}`;
    },
    signDetached(payload, typ): Detached {
      const head = heads.get(typ) ?? headOf(typ);
      const signed = Buffer.from(`${head}.${Buffer.from(payload).toString('base64url')}`);
      return { protected: head, signature: scheme.sign(signed, privateKey).toString('base64url') };
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
  const [head = '', body = '', tail, ...more] = token.split('.');
  if (more.length > 0 || head === '' || body === '' || tail === undefined) throw malformed('not three parts');
  const header = jsonOf(head, 'header');
  const refused = REFUSED_MEMBERS.find((member) => Object.hasOwn(header, member));
  if (refused !== undefined) throw malformed(`header member \`${refused}\` is not accepted`);
  const { alg, kid, typ } = header;
  const algorithm = JWS_ALGORITHMS.find((known) => known === alg);
  if (algorithm === undefined) throw new Refusal('CORDON-1009', 'token of an algorithm that is not accepted', { reason: 'alg' });
  if (tail === '') throw malformed('no signature');
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
  const known = keys(read);
  if (known.length === 0) throw new Refusal('CORDON-1009', 'token of no key that is trusted', { reason: 'unknown-key' });
  const fitting = known.filter(({ algorithms }) => algorithms.has(algorithm));
  const scheme = SCHEMES[algorithm];
  const bytes = Buffer.from(signed);
  if (fitting.some(({ key }) => scheme.verify(bytes, key, signature))) return read;
  throw new Refusal('CORDON-1009', 'the signature of the token is not that of its key', { reason: 'signature' });
}

/**
 * Verifies a signature whose payload travels by itself. `typ`: exactly. What the header says of where keys are is not looked at.
 * attacker-controlled @throws Refusal CORDON-1009
 */
export function verifyDetached(
  { head, signature }: { readonly head: string; readonly signature: string },
  payload: Uint8Array,
  keys: ReadonlyMap<string, VerificationKey>,
  typ: string,
): void {
  if (head.length > MAX_TOKEN || signature.length > MAX_TOKEN) throw malformed('longer than 16 KiB');
  const header = jsonOf(head, 'header');
  const algorithm = JWS_ALGORITHMS.find((known) => known === header['alg']);
  const kid = header['kid'];
  const key = typeof kid === 'string' ? keys.get(kid) : undefined;
  if (header['typ'] !== typ || Object.hasOwn(header, 'crit') || Object.hasOwn(header, 'b64')) throw malformed('header');
  if (algorithm === undefined || key === undefined || !key.algorithms.has(algorithm)) {
    throw new Refusal('CORDON-1009', 'signature of no key that is trusted', { reason: 'unknown-key' });
  }
  const signed = Buffer.from(`${head}.${Buffer.from(payload).toString('base64url')}`);
  if (SCHEMES[algorithm].verify(signed, key.key, bytesOf(signature))) return;
  throw new Refusal('CORDON-1009', 'the signature is not that of its key', { reason: 'signature' });
}

function checkType({ typ }: UnverifiedJws, types: readonly (string | undefined)[]): void {
  const named = typ?.toLowerCase().replace(/^application\//, '');
  if (types.includes(named)) return;
  throw new Refusal('CORDON-1009', 'token of another type', {
    observed: named === undefined ? 'no `typ`' : named.slice(0, 60),
    expected: types.map((type) => type ?? 'none').join(', '),
    reason: 'typ',
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
  new Refusal('CORDON-1009', `token malformed: ${what}`, { cause: asRefusal(error, 'CORDON-9011', what), reason: 'malformed' });

/** One text for the same bytes: padding, white space and loose trailing bits are refused. */
function bytesOf(part: string): Uint8Array {
  const bytes = Buffer.from(part, 'base64url');
  if (bytes.toString('base64url') !== part) throw malformed('not base64url');
  return bytes;
}

const malformed = (why: string): Refusal => new Refusal('CORDON-1009', `token malformed: ${why}`, { reason: 'malformed' });
