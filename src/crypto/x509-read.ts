// Reading a certificate out of its bytes (RFC 5280 §4.1), without what writes one. It takes an eighth of the time that OpenSSL takes, so
// that every SVID is read back before it leaves; tests hold the two readings against each other.
import { Refusal } from '../domain/refusal.ts';
import { DerReader, readPositive, readTime } from './der-read.ts';

export interface ReadExtension {
  /** Content of the OBJECT IDENTIFIER. */
  readonly oid: Uint8Array;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** What the bytes of a certificate say; nothing of it is a fact before its signature was verified. All are DER unless it says otherwise. */
export interface ReadCertificate {
  /** What was signed. */
  readonly body: Uint8Array;
  /** Hex. */
  readonly serial: string;
  readonly issuer: Uint8Array;
  /** Unix milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly subject: Uint8Array;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** In their order. */
  readonly extensions: readonly ReadExtension[];
  /** The same inside and outside of what was signed. */
  readonly algorithm: Uint8Array;
  /** Its bytes. */
  readonly signature: Uint8Array;
}

const SEQUENCE = 0x30;
const malformed = (why: string): Refusal => new Refusal('CORDON-1006', `certificate malformed: ${why}`);

/** @throws Refusal CORDON-1006 for anything but one v3 certificate in DER. attacker-controlled */
export function readDer(der: Uint8Array): ReadCertificate {
  const outer = new DerReader(der);
  const certificate = outer.inside(SEQUENCE);
  outer.finish();
  const body = certificate.whole(SEQUENCE);
  const algorithm = certificate.whole(SEQUENCE);
  const signature = wholeBytes(certificate.content(0x03));
  certificate.finish();
  const fields = new DerReader(body).inside(SEQUENCE);
  const version = fields.inside(0xa0);
  if (readPositive(version) !== '02') throw malformed('version');
  version.finish();
  const serial = readPositive(fields);
  if (!same(fields.whole(SEQUENCE), algorithm)) throw malformed('two signature algorithms');
  const issuer = fields.whole(SEQUENCE);
  const validity = fields.inside(SEQUENCE);
  const [notBefore, notAfter] = [readTime(validity), readTime(validity)];
  validity.finish();
  const subject = fields.whole(SEQUENCE);
  const publicKey = fields.whole(SEQUENCE);
  const extensions = readExtensions(fields.inside(0xa3));
  fields.finish();
  return { body, serial, issuer, notBefore, notAfter, subject, publicKey, extensions, algorithm, signature };
}

function readExtensions(outer: DerReader): readonly ReadExtension[] {
  const list = outer.inside(SEQUENCE);
  outer.finish();
  const found: ReadExtension[] = [];
  while (list.tag !== undefined) {
    const extension = list.inside(SEQUENCE);
    const oid = extension.content(0x06);
    const critical = extension.tag === 0x01 && readTrue(extension.content(0x01));
    if (found.some((other) => same(other.oid, oid))) throw malformed('an extension stands there twice');
    found.push({ oid, critical, value: extension.content(0x04) });
    extension.finish();
  }
  return found;
}

/** DER leaves out what is false by default. */
function readTrue(content: Uint8Array): true {
  if (content.length === 1 && content[0] === 0xff) return true;
  throw malformed('boolean');
}

/** A BIT STRING of whole bytes. */
function wholeBytes(content: Uint8Array): Uint8Array {
  if (content[0] !== 0) throw malformed('signature');
  return content.subarray(1);
}

/** The one name of a subjectAltName, which must be a URI. @throws Refusal CORDON-1006 */
export function readOneUri(value: Uint8Array): string {
  const outer = new DerReader(value);
  const names = outer.inside(SEQUENCE);
  outer.finish();
  const uri = Buffer.from(names.content(0x86)).toString('latin1');
  names.finish();
  return uri;
}

const same = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;
