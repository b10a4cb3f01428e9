// The one leaf certificate that Cordon signs: an X509-SVID (SPIFFE X509-SVID §4, RFC 5280 §4.2). What is the same on every leaf of an
// intermediate is encoded once, and its key is imported once; what is left is the signature.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { createPrivateKey, createPublicKey, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { Refusal } from '../domain/refusal.ts';
import { context, fromHex, pem, positiveInteger, TAG, time, tlv } from './der.ts';
import { sha256 } from './hash.ts';
import { readDer, readOneUri, type ReadCertificate, type ReadExtension } from './x509-read.ts';

/** A public key that a leaf may have. */
export interface SubjectKey {
  /** SPKI. */
  readonly der: Uint8Array;
  readonly key: KeyObject;
  /** RFC 7093 §2, method 1: the leftmost 160 bits of the SHA-256 of the key. */
  readonly id: Uint8Array;
}

export interface LeafTemplate {
  /** The one URI SAN; ASCII. */
  readonly uri: string;
  /** Hex. */
  readonly serial: string;
  /** Unix milliseconds; cut to seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: SubjectKey;
}

/** An intermediate that is ready to sign; its key can be used, not read. */
export interface LeafSigner {
  /** The intermediate, PEM. */
  readonly certificate: string;
  /** Unix milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /**
   * Signs a leaf and reads back what was signed, with other code than wrote it.
   * @returns the leaf, PEM
   * @throws Refusal CORDON-9006 for a template that is not one of a leaf, or when what was signed is not what was asked for
   */
  sign(template: LeafTemplate): string;
}

/** SPKI up to the key itself → bytes that follow: an uncompressed point of P-256 (RFC 5480 §2), a key of Ed25519 (RFC 8410 §4). */
const KEY_FORMS = [
  { head: fromHex('3059 3013 06072a8648ce3d0201 06082a8648ce3d030107 034200 04'), rest: 64, keyFrom: 26 },
  { head: fromHex('302a 3005 06032b6570 032100'), rest: 32, keyFrom: 12 },
] as const;

/** Reads a public key, SPKI as PEM or DER. attacker-controlled @throws Refusal CORDON-1013 unless ECDSA P-256 or Ed25519 */
export function subjectKey(spki: string | Uint8Array): SubjectKey {
  const refused = (cause?: unknown): Refusal =>
    new Refusal('CORDON-1013', 'key type not accepted', { expected: 'ECDSA P-256 or Ed25519', cause });
  try {
    const key = createPublicKey(typeof spki === 'string' ? spki : { key: Buffer.from(spki), format: 'der', type: 'spki' });
    // of what fits one of the forms there is one encoding, so it need not be made again
    const der = typeof spki === 'string' ? key.export({ format: 'der', type: 'spki' }) : Buffer.from(spki);
    const form = KEY_FORMS.find(({ head, rest }) => der.length === head.length + rest && der.subarray(0, head.length).equals(head));
    if (form !== undefined) return { der, key, id: sha256(der.subarray(form.keyFrom)).subarray(0, 20) };
  } catch (cause) {
    throw refused(cause);
  }
  throw refused();
}

/** `certificate`: PEM; `privateKey`: PKCS#8 PEM. @throws Refusal CORDON-9006 when they do not belong together, or are no P-256 intermediate */
export function leafSigner(certificate: string, privateKey: string): LeafSigner {
  const issuer = new X509Certificate(certificate);
  const key = createPrivateKey(privateKey);
  if (!issuer.ca || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1' || !issuer.checkPrivateKey(key)) {
    throw new Refusal('CORDON-9006', 'the intermediate and its key do not belong together', { fix: 'restore a backup of the store' });
  }
  const around = constantsOf(certificate);
  const check = checker(issuer, around.issuer);
  return {
    certificate,
    notBefore: issuer.validFromDate.getTime(),
    notAfter: issuer.validToDate.getTime(),
    sign(template): string {
      const body = bodyOf(template, around);
      const leaf = tlv(TAG.sequence, body, ECDSA_SHA256, tlv(TAG.bitString, NO_UNUSED_BITS, sign('sha256', body, key)));
      if (!check(leaf, template)) throw new Refusal('CORDON-9006', 'the authority signed something else than was asked for');
      return pem('CERTIFICATE', leaf);
    },
  };
}

/** What every leaf of an intermediate takes from it: its name, and its key identifier as an extension; DER. */
interface Constants {
  readonly issuer: Uint8Array;
  readonly authorityKeyId: Uint8Array;
}

function constantsOf(certificate: string): Constants {
  const read = new x509.X509Certificate(certificate);
  const keyId = read.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
  if (keyId === undefined) throw new Refusal('CORDON-9006', 'the intermediate has no key identifier');
  const named = tlv(TAG.sequence, tlv(context(0, 'primitive'), fromHex(keyId)));
  return {
    issuer: new Uint8Array(read.subjectName.toArrayBuffer()),
    authorityKeyId: tlv(TAG.sequence, fromHex('0603551d23'), tlv(TAG.octetString, named)),
  };
}

const ECDSA_SHA256 = fromHex('300a 0608 2a8648ce3d040302');
const VERSION_3 = fromHex('a003 020102');
const NO_SUBJECT = fromHex('3000');
const NO_UNUSED_BITS = Uint8Array.of(0);
/** Critical: no CA; critical: digitalSignature; TLS server and client (RFC 5280 §4.2.1.9, §4.2.1.3, §4.2.1.12). */
const FIXED_EXTENSIONS = fromHex(`
  300c 0603551d13 0101ff 0402 3000
  300e 0603551d0f 0101ff 0404 03020780
  301d 0603551d25 0416 3014 06082b06010505070301 06082b06010505070302`);
/** Critical, because the subject is empty (§4.2.1.6). */
const SUBJECT_ALT_NAME = fromHex('0603551d11 0101ff');
const SUBJECT_KEY_ID = fromHex('0603551d0e');
const MAX_URI = 2048;

function bodyOf(
  { uri, serial, notBefore, notAfter, publicKey: { der, id } }: LeafTemplate,
  { issuer, authorityKeyId }: Constants,
): Uint8Array {
  if (uri.length > MAX_URI || !/^spiffe:\/\/[\x21-\x7e]+$/.test(uri)) throw new Refusal('CORDON-9006', 'not the URI of a leaf');
  if (notBefore >= notAfter) throw new Refusal('CORDON-9006', 'a leaf ends after it begins');
  const name = tlv(TAG.sequence, tlv(context(6, 'primitive'), Buffer.from(uri, 'latin1')));
  const extensions = tlv(
    TAG.sequence,
    FIXED_EXTENSIONS,
    tlv(TAG.sequence, SUBJECT_ALT_NAME, tlv(TAG.octetString, name)),
    tlv(TAG.sequence, SUBJECT_KEY_ID, tlv(TAG.octetString, tlv(TAG.octetString, id))),
    authorityKeyId,
  );
  const validity = tlv(TAG.sequence, time(notBefore), time(notAfter));
  const before = [VERSION_3, positiveInteger(serial), ECDSA_SHA256, issuer, validity, NO_SUBJECT] as const;
  return tlv(TAG.sequence, ...before, der, tlv(context(3, 'constructed'), extensions));
}

/** Extensions of a leaf as they are read back: object identifier, critical or not, and the value where it is the same on every leaf. */
const READ_BACK: readonly (readonly [oid: Uint8Array, critical: boolean, value?: Uint8Array])[] = [
  [fromHex('551d13'), true, fromHex('3000')],
  [fromHex('551d0f'), true, fromHex('03020780')],
  [fromHex('551d25'), false, fromHex('3014 06082b06010505070301 06082b06010505070302')],
  [fromHex('551d11'), true],
  [fromHex('551d0e'), false],
  [fromHex('551d23'), false],
];
const NAME_AT = 3;
/** OpenSSL, which takes three and a half signatures to read a leaf and verify it, looks at the first and then at one of this many. */
const WITNESSED_OF = 4;

/** Reads each leaf with other code than wrote it, and holds it against its template. */
function checker(issuer: X509Certificate, issuerName: Uint8Array): (leaf: Uint8Array, template: LeafTemplate) => boolean {
  const issuerKey = issuer.publicKey;
  let made = 0;
  const witnessed = (leaf: Uint8Array, { uri, publicKey }: LeafTemplate): boolean => {
    const read = new X509Certificate(leaf);
    const says = read.subjectAltName === `URI:${uri}` && !read.ca && read.publicKey.equals(publicKey.key);
    return says && read.checkIssued(issuer) && read.verify(issuerKey);
  };
  return (leaf, template) => saysWhat(readDer(leaf), template, issuerName) && (made++ % WITNESSED_OF > 0 || witnessed(leaf, template));
}

const saysWhat = (read: ReadCertificate, { uri, serial, notBefore, notAfter, publicKey }: LeafTemplate, issuerName: Uint8Array): boolean =>
  read.serial === serial &&
  read.notBefore === wholeSecond(notBefore) &&
  read.notAfter === wholeSecond(notAfter) &&
  same(read.issuer, issuerName) &&
  same(read.subject, NO_SUBJECT) &&
  same(read.publicKey, publicKey.der) &&
  read.extensions.length === READ_BACK.length &&
  READ_BACK.every(([oid, critical, value], at) => isExtension(read.extensions[at], oid, critical, value)) &&
  readOneUri(read.extensions[NAME_AT]?.value ?? new Uint8Array()) === uri;

const isExtension = (read: ReadExtension | undefined, oid: Uint8Array, critical: boolean, value: Uint8Array | undefined): boolean =>
  read !== undefined && read.critical === critical && same(read.oid, oid) && (value === undefined || same(read.value, value));

const wholeSecond = (ms: number): number => ms - (ms % 1000);
const same = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;
