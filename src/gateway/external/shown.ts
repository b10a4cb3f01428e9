// The forms in which data planes hand over the certificate that a caller has shown. attacker-controlled. INVARIANT I10
import { Refusal } from '../../domain/refusal.ts';
import { certificatesOfDer, certificatesOfPem } from '../../identity/x509-svid.ts';
import type { Shown } from './callers.ts';

/** Characters or bytes of a chain. */
const MOST = 32_768;

const malformed = (cause?: unknown): Refusal => new Refusal('CORDON-1006', 'what the data plane hands over is no certificate', { cause });

const tooLong = (): never => {
  throw malformed();
};

/** Nothing throws before it is read, so that whatever is wrong becomes the answer to this one request. */
function shown(text: string, read: Shown['read']): Shown | undefined {
  if (text === '') return undefined;
  return text.length > MOST ? { text: 'too long', read: tooLong } : { text, read };
}

/** PEM in percent-encoding: `$ssl_client_escaped_cert` of nginx, `source.certificate` of Envoy. */
export const escapedPem = (text: string): Shown | undefined => shown(text, () => certificatesOfPem(unescaped(text)));

/** DER in base64: `{http.request.tls.client.certificate_der_base64}` of Caddy. */
export const base64Der = (text: string): Shown | undefined => shown(text, () => certificatesOfDer(decoded(text)));

/** DER, one certificate after another: `ssl_c_der` of HAProxy. */
export const plainDer = (bytes: Uint8Array): Shown | undefined =>
  shown(Buffer.from(bytes).toString('latin1'), () => certificatesOfDer(bytes));

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw malformed(cause);
  }
}

function decoded(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw malformed();
  return bytes;
}
