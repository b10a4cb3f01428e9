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

/** A certificate that signs others. */
export interface AuthorityTemplate {
  /** The one URI SAN. */
  readonly uri: string;
  /** X.501 name. */
  readonly subject: string;
  /** Hex. */
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SPKI PEM. */
  readonly publicKey: string;
  /** Issuer's certificate, PEM, or undefined to sign with the subject's own name. */
  readonly issuer?: string;
  /** PKCS#8 PEM. */
  readonly issuerKey: string;
}

/** Signs a root or an intermediate. The caller reads the result back with `readCertificate` before it hands it out. @returns PEM */
export async function signAuthority(template: AuthorityTemplate): Promise<string> {
  const publicKey = await importPublic(template.publicKey);
  const issuer = template.issuer === undefined ? undefined : new x509.X509Certificate(template.issuer);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: template.serial,
    subject: template.subject,
    issuer: issuer?.subject ?? template.subject,
    notBefore: template.notBefore,
    notAfter: template.notAfter,
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: await importPrivate(template.issuerKey),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: template.uri }]),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      ...(issuer === undefined ? [] : [await x509.AuthorityKeyIdentifierExtension.create(issuer)]),
    ],
  });
  return `${certificate.toString('pem')}\n`;
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
