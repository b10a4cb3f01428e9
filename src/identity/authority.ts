// The certificate authority of one trust domain: a root that signs nothing but intermediates, an intermediate that signs SVIDs.
// Standard: SPIFFE X509-SVID §4 (signing certificates carry the trust domain's own SPIFFE ID and no path).
import { isIssuedBy, readCertificate } from '../crypto/certificate.ts';
import { generateKeyPem, signCertificate } from '../crypto/x509.ts';
import { Refusal } from '../domain/refusal.ts';
import type { TrustDomain } from '../domain/spiffe-id.ts';

const DAY = 86_400_000;
/** Clocks of hosts differ; a certificate is valid from a little before it was made. Milliseconds. */
export const BACKDATE = 30_000;
const ROOT_LIFE = 3650 * DAY;
const INTERMEDIATE_LIFE = 90 * DAY;

/** A certificate with its private key, PEM. The key is sealed wherever it rests. */
export interface SigningCertificate {
  readonly certificate: string;
  readonly privateKey: string;
}

export interface Authority {
  readonly trustDomain: TrustDomain;
  /** The bundle: what a relying party trusts. */
  readonly root: string;
  readonly intermediate: SigningCertificate;
}

export interface CreateOptions {
  readonly trustDomain: TrustDomain;
  readonly now: number;
  readonly serial: () => string;
}

export async function createRoot(options: CreateOptions): Promise<SigningCertificate> {
  const key = await generateKeyPem();
  const certificate = await signCertificate({
    use: 'authority',
    uri: `spiffe://${options.trustDomain}`,
    subject: 'O=Cordon, CN=root',
    serial: options.serial(),
    notBefore: new Date(options.now - BACKDATE),
    notAfter: new Date(options.now + ROOT_LIFE),
    publicKey: key.publicKey,
    issuerKey: key.privateKey,
  });
  return checked({ certificate, privateKey: key.privateKey }, certificate, options);
}

export async function createIntermediate(root: SigningCertificate, options: CreateOptions): Promise<SigningCertificate> {
  const key = await generateKeyPem();
  const certificate = await signCertificate({
    use: 'authority',
    uri: `spiffe://${options.trustDomain}`,
    subject: 'O=Cordon, CN=intermediate',
    serial: options.serial(),
    notBefore: new Date(options.now - BACKDATE),
    notAfter: new Date(options.now + INTERMEDIATE_LIFE),
    publicKey: key.publicKey,
    issuer: root.certificate,
    issuerKey: root.privateKey,
  });
  return checked({ certificate, privateKey: key.privateKey }, root.certificate, options);
}

/** Is less than half of the intermediate's life left, or was the clock moved before its start? */
export function needsRenewal(intermediate: SigningCertificate, now: number): boolean {
  const { notBefore, notAfter } = readCertificate(intermediate.certificate);
  return now < notBefore || now > notBefore + (notAfter - notBefore) / 2;
}

function checked(made: SigningCertificate, issuer: string, options: CreateOptions): SigningCertificate {
  const facts = readCertificate(made.certificate);
  const sound = facts.authority && facts.uris[0] === `spiffe://${options.trustDomain}` && isIssuedBy(made.certificate, issuer);
  if (!sound) throw new Refusal('CORDON-9006', 'the authority made a certificate that does not verify');
  return made;
}
