// What an attacker can make at home: a certificate that says it is somebody else, signed by nobody who counts.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { Agent, fetch as undiciFetch } from 'undici';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const HOUR_MS = 3_600_000;

export interface ForgedIdentity {
  readonly key: string;
  readonly cert: string;
}

/** A self-signed certificate that claims `spiffeId` and is like an X509-SVID in everything but its issuer. */
export async function forgeIdentity(spiffeId: string): Promise<ForgedIdentity> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(8)))
        .toString('hex')
        .replace(/^./, '1'),
      subject: '',
      issuer: 'CN=Cordon',
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + HOUR_MS),
      publicKey: keys.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth, x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension([{ type: 'url', value: spiffeId }], true),
      ],
    },
    webcrypto,
  );
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'), cert: certificate.toString('pem') };
}

/** A fetch of someone who trusts whatever server answers, with or without an identity of their own making. */
export function recklessFetch(identity?: ForgedIdentity): (url: string | URL, init?: RequestInit) => Promise<Response> {
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false, ...identity } });
  return async (url, init = {}) => {
    const { method = 'GET', body, signal } = init;
    const headers = Object.fromEntries(new Headers(init.headers));
    const sent = typeof body === 'string' ? { body } : {};
    const response = await undiciFetch(url, { method, headers, ...sent, signal: signal ?? null, dispatcher });
    return new Response(response.body, {
      status: response.status,
      statusText: response.statusText,
      headers: [...response.headers],
    });
  };
}
