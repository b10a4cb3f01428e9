// X.509 building: ECDSA P-256, URI SANs only. Standards: RFC 5280, SPIFFE X509-SVID §2–4.
// Certificates are built by @peculiar/x509 and read back by node:crypto (certificate.ts): what is checked was read by other code than built it.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { Refusal } from '../domain/refusal.ts';

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

export type CertificateUse = 'authority' | 'leaf';

export interface CertificateTemplate {
  readonly use: CertificateUse;
  /** The one URI SAN. */
  readonly uri: string;
  /** X.501 name; empty for a leaf, whose SAN is then critical. */
  readonly subject: string;
  /** Hex. */
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SPKI PEM. */
  readonly publicKey: string;
  /** Issuer's certificate, or undefined to sign with the subject's own name. */
  readonly issuer?: string;
  /** PKCS#8 PEM. */
  readonly issuerKey: string;
}

const EKU = [x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth];

function extensionsOf(template: CertificateTemplate): x509.Extension[] {
  const leaf = template.use === 'leaf';
  const usage = leaf ? x509.KeyUsageFlags.digitalSignature : x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign;
  return [
    new x509.BasicConstraintsExtension(!leaf, undefined, true),
    new x509.KeyUsagesExtension(usage, true),
    ...(leaf ? [new x509.ExtendedKeyUsageExtension(EKU)] : []),
    new x509.SubjectAlternativeNameExtension([{ type: 'url', value: template.uri }], template.subject === ''),
  ];
}

/** Signs a certificate. The caller reads the result back with `readCertificate` before it hands it out. */
export async function signCertificate(template: CertificateTemplate): Promise<string> {
  const publicKey = await importPublic(template.publicKey);
  const issuer = template.issuer === undefined ? undefined : new x509.X509Certificate(template.issuer);
  const ids: x509.Extension[] = [await x509.SubjectKeyIdentifierExtension.create(publicKey)];
  if (issuer !== undefined) ids.push(await x509.AuthorityKeyIdentifierExtension.create(issuer));
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: template.serial,
    subject: template.subject,
    issuer: issuer?.subject ?? template.subject,
    notBefore: template.notBefore,
    notAfter: template.notAfter,
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: await importPrivate(template.issuerKey),
    extensions: [...extensionsOf(template), ...ids],
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
 * @returns SPKI PEM
 * @throws Refusal CORDON-1013
 */
export async function publicKeyOfRequest(der: Uint8Array): Promise<string> {
  const refuse = (message: string, cause?: unknown): Refusal =>
    new Refusal('CORDON-1013', message, { expected: 'PKCS#10, ECDSA P-256, signed by the key it names', cause });
  if (der.byteLength > REQUEST_MAX_BYTES) throw refuse('certificate request too large');
  let request: x509.Pkcs10CertificateRequest;
  try {
    request = new x509.Pkcs10CertificateRequest(Uint8Array.from(der));
  } catch (cause) {
    throw refuse('certificate request malformed', cause);
  }
  if (!isP256(request.publicKey.algorithm)) throw refuse('key type not accepted');
  if (!(await request.verify().catch(() => false))) throw refuse('certificate request is not signed by its key');
  return request.publicKey.toString('pem');
}

const isP256 = (algorithm: unknown): boolean =>
  typeof algorithm === 'object' &&
  algorithm !== null &&
  'name' in algorithm &&
  algorithm.name === 'ECDSA' &&
  'namedCurve' in algorithm &&
  algorithm.namedCurve === 'P-256';
