// X.509 reading, by node:crypto. Standards: RFC 5280, SPIFFE X509-SVID §2–4. What only reads certificates does not load what builds them.
import { X509Certificate } from 'node:crypto';
import { Refusal } from '../domain/refusal.ts';

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
  if (certificate.length > MAX_BYTES) throw new Refusal('CORDON-1006', 'certificate too large');
  try {
    return new X509Certificate(certificate);
  } catch (cause) {
    throw new Refusal('CORDON-1006', 'not a certificate', { cause });
  }
}

/** Is `certificate` signed by the key of `issuer`, and does it name it as its issuer? */
export function isIssuedBy(certificate: string, issuer: string): boolean {
  const [child, parent] = [parseCertificate(certificate), parseCertificate(issuer)];
  return child.checkIssued(parent) && child.verify(parent.publicKey);
}
