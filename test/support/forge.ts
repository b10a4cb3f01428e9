// Certificates that Cordon does not sign, made by another library: a leaf with any URI, of any issuer, with or without the right to sign.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { webcrypto } from 'node:crypto';
import type { KeyPem } from '../../src/crypto/x509.ts';
import type { SigningCertificate } from '../../src/identity/authority.ts';

export interface Forged {
  readonly uri: string;
  readonly key: KeyPem;
  /** Absent: signed by its own key. */
  readonly issuer?: SigningCertificate;
  readonly authority?: boolean;
  /** Of an authority. */
  readonly pathLength?: number;
  /** X.501 name. */
  readonly subject?: string;
  /** Beside `uri`. */
  readonly names?: x509.JsonGeneralNames;
  /** Beside those that every one has. */
  readonly extensions?: readonly x509.Extension[];
  /** Unix milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** @returns PEM */
export async function forge(forged: Forged): Promise<string> {
  const { uri, key, issuer, authority = false, pathLength, subject = '', names = [], extensions = [], notBefore, notAfter } = forged;
  const crypto = x509.PemConverter;
  const publicKey = await webcrypto.subtle.importKey('spki', crypto.decodeFirst(key.publicKey), ALGORITHM, true, ['verify']);
  const signer = crypto.decodeFirst((issuer ?? key).privateKey);
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: '4d2a',
      issuer: issuer === undefined ? '' : new x509.X509Certificate(issuer.certificate).subject,
      subject,
      notBefore: new Date(notBefore),
      notAfter: new Date(notAfter),
      signingAlgorithm: ALGORITHM,
      publicKey,
      signingKey: await webcrypto.subtle.importKey('pkcs8', signer, ALGORITHM, false, ['sign']),
      extensions: [
        new x509.BasicConstraintsExtension(authority, pathLength, true),
        new x509.KeyUsagesExtension(authority ? x509.KeyUsageFlags.keyCertSign : x509.KeyUsageFlags.digitalSignature, true),
        new x509.SubjectAlternativeNameExtension([{ type: 'url', value: uri }, ...names], true),
        ...extensions,
      ],
    },
    webcrypto,
  );
  return `${certificate.toString('pem')}\n`;
}
