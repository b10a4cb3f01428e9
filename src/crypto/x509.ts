// Keys, certificate requests, and the certificates that sign others: ECDSA P-256, URI SANs only. Standards: RFC 5280, SPIFFE X509-SVID §2–4.
// They are built by @peculiar/x509 and read back by node:crypto (certificate.ts): what is checked was read by other code than built it.
// Leaves, of which there are many, are built in x509-leaf.ts.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { Refusal } from '../domain/refusal.ts';
import { subjectKey, type SubjectKey } from './x509-leaf.ts';

x509.cryptoProvider.set(webcrypto);

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const REQUEST_MAX_BYTES = 16_384;

/** A private key with its public half; PKCS#8 and SPKI, PEM. */
export interface KeyPem {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** A new ECDSA P-256 key pair. */
export async function generateKeyPem(): Promise<KeyPem> {
  const pair = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const [pkcs8, spki] = await Promise.all([
    webcrypto.subtle.exportKey('pkcs8', pair.privateKey),
    webcrypto.subtle.exportKey('spki', pair.publicKey),
  ]);
  return { privateKey: pem('PRIVATE KEY', pkcs8), publicKey: pem('PUBLIC KEY', spki) };
}

const pem = (label: string, der: ArrayBuffer): string => x509.PemConverter.encode(der, label);

const importPrivate = (privateKey: string): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(privateKey), ALGORITHM, false, ['sign']);

const importPublic = (publicKey: string): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('spki', x509.PemConverter.decodeFirst(publicKey), ALGORITHM, true, ['verify']);

/** What every certificate says that is built here. */
export interface CertificateTemplate {
  /** X.501 name; absent: none. */
  readonly subject?: string;
  /** Whose name stands as the issuer's: that certificate's, or a name of itself. */
  readonly issuer: x509.X509Certificate | string;
  /** Hex. */
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SPKI PEM of the subject. */
  readonly publicKey: string;
  /** PKCS#8 PEM of the issuer. */
  readonly issuerKey: string;
}

/** Signs these extensions, and after them which key is the subject's and which the issuer's. The caller reads the result back. @returns PEM */
export async function signCertificate(template: CertificateTemplate, extensions: readonly x509.Extension[]): Promise<string> {
  const { subject, issuer, serial, notBefore, notAfter } = template;
  const publicKey = await importPublic(template.publicKey);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial,
    ...(subject === undefined ? {} : { subject }),
    issuer: typeof issuer === 'string' ? issuer : issuer.subject,
    notBefore,
    notAfter,
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: await importPrivate(template.issuerKey),
    extensions: [
      ...extensions,
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      ...(typeof issuer === 'string' ? [] : [await x509.AuthorityKeyIdentifierExtension.create(issuer)]),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

/** A certificate that signs others. */
export interface AuthorityTemplate extends Omit<CertificateTemplate, 'issuer'> {
  /** The one URI SAN. */
  readonly uri: string;
  readonly subject: string;
  /** Issuer's certificate, PEM, or undefined to sign with the subject's own name. */
  readonly issuer?: string;
}

/** Signs a root or an intermediate. The caller reads the result back with `readCertificate` before it hands it out. @returns PEM */
export async function signAuthority(template: AuthorityTemplate): Promise<string> {
  const issuer = template.issuer === undefined ? template.subject : new x509.X509Certificate(template.issuer);
  return signCertificate({ ...template, issuer }, [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    new x509.SubjectAlternativeNameExtension([{ type: 'url', value: template.uri }]),
  ]);
}

/** A PKCS#10 request that proves possession of the key; its subject and attributes are empty and ignored. DER. */
export async function createRequest(key: KeyPem): Promise<Uint8Array> {
  const [privateKey, publicKey] = await Promise.all([importPrivate(key.privateKey), importPublic(key.publicKey)]);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    signingAlgorithm: ALGORITHM,
    keys: { privateKey, publicKey },
  });
  return new Uint8Array(request.rawData);
}

/**
 * Takes the public key out of a request after checking its self-signature. attacker-controlled
 * @throws Refusal CORDON-1013
 */
export async function publicKeyOfRequest(der: Uint8Array): Promise<SubjectKey> {
  const refuse = (message: string, cause?: unknown): Refusal =>
    new Refusal('CORDON-1013', message, { expected: 'PKCS#10, ECDSA P-256 or Ed25519, signed by the key it names', cause });
  if (der.byteLength > REQUEST_MAX_BYTES) throw refuse('certificate request too large');
  let request: x509.Pkcs10CertificateRequest;
  try {
    request = new x509.Pkcs10CertificateRequest(Uint8Array.from(der));
  } catch (cause) {
    throw refuse('certificate request malformed', cause);
  }
  const key = subjectKey(new Uint8Array(request.publicKey.rawData));
  if (!(await request.verify().catch(() => false))) throw refuse('certificate request is not signed by its key');
  return key;
}
