// X.509 reading, by node:crypto. Standards: RFC 5280, SPIFFE X509-SVID §2–4. What only reads certificates does not load what builds them.
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import type { JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { derOf } from './der.ts';

const MAX_BYTES = 16_384;

/** What a certificate says, read by node:crypto. */
export interface CertificateFacts {
  readonly uris: readonly string[];
  readonly otherNames: boolean;
  readonly authority: boolean;
  readonly serial: string;
  readonly notBefore: number;
  readonly notAfter: number;
  /** SHA-256 of the DER, hex lower case. */
  readonly fingerprint: string;
}

/** @throws Refusal CORDON-1006 when it is no certificate */
export function readCertificate(certificate: string | Uint8Array | X509Certificate): CertificateFacts {
  const parsed = certificate instanceof X509Certificate ? certificate : parseCertificate(certificate);
  // Node prints every name as `KIND:value`, quoted when it could be mistaken; a SPIFFE ID never needs quotes or commas.
  const names = (parsed.subjectAltName ?? '').split(', ').filter((name) => name !== '');
  const uris = names.filter((name) => name.startsWith('URI:')).map((name) => name.slice(4));
  return {
    uris,
    otherNames: uris.length !== names.length,
    authority: parsed.ca,
    serial: parsed.serialNumber.toLowerCase(),
    notBefore: parsed.validFromDate.getTime(),
    notAfter: parsed.validToDate.getTime(),
    fingerprint: parsed.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}

function parseCertificate(certificate: string | Uint8Array): X509Certificate {
  if (certificate.length > MAX_BYTES) throw new Refusal('CORDON-1006', 'certificate too large', { reason: 'bad-certificate' });
  const der = typeof certificate === 'string' ? derOf(certificate) : certificate;
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(der);
  } catch (cause) {
    throw new Refusal('CORDON-1006', 'not a certificate', { cause, reason: 'bad-certificate' });
  }
  // OpenSSL reads the first certificate and leaves what follows it
  if (parsed.raw.length === der.length) return parsed;
  throw new Refusal('CORDON-1006', 'something follows the certificate', { reason: 'trailing-bytes' });
}

/** Is `certificate` signed by the key of `issuer`, and does it name it as its issuer? */
export function isIssuedBy(certificate: string | Uint8Array, issuer: string | Uint8Array): boolean {
  const [child, parent] = [parseCertificate(certificate), parseCertificate(issuer)];
  return child.checkIssued(parent) && child.verify(parent.publicKey);
}

/** The public key of a certificate as a JSON Web Key. @throws Refusal CORDON-1006 when it is no certificate */
export const publicJwkOf = (certificate: string | Uint8Array): JsonObject =>
  Object.fromEntries(
    Object.entries(parseCertificate(certificate).publicKey.export({ format: 'jwk' })).filter(
      (member): member is [string, string] => typeof member[1] === 'string',
    ),
  );

/** A private key, PKCS#8 DER, unencrypted. @throws Refusal CORDON-1006 */
export function readPrivateKey(der: Uint8Array): KeyObject {
  try {
    return createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' });
  } catch (cause) {
    throw new Refusal('CORDON-1006', 'not a private key', { cause, reason: 'bad-key' });
  }
}

/** Does the certificate have the public half of `key`? @throws Refusal CORDON-1006 when it is no certificate */
export const isKeyOf = (key: KeyObject, certificate: string | Uint8Array): boolean => parseCertificate(certificate).checkPrivateKey(key);
