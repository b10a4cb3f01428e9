// The certificate authority of one trust domain: roots that sign nothing but intermediates, an intermediate that signs SVIDs.
// Standard: SPIFFE X509-SVID §4 (signing certificates carry the trust domain's own SPIFFE ID and no path).
import { isIssuedBy, readCertificate } from '../crypto/certificate.ts';
import { generateKeyPem, signAuthority } from '../crypto/x509.ts';
import { leafSigner, type LeafSigner } from '../crypto/x509-leaf.ts';
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

/** The authority as it signs at one moment. */
export interface Authority {
  readonly trustDomain: TrustDomain;
  /** The bundle: the roots that a relying party trusts, PEM, one after another. */
  readonly bundle: string;
  /** The intermediate, with its key ready. */
  readonly signer: LeafSigner;
}

export interface CreateOptions {
  readonly trustDomain: TrustDomain;
  readonly now: number;
  readonly serial: () => string;
}

/** Makes an intermediate ready to sign. `roots`: PEM each. @throws Refusal CORDON-9006 when none of them signed it */
export function authorityOf(trustDomain: TrustDomain, roots: readonly string[], intermediate: SigningCertificate): Authority {
  if (!roots.some((root) => isIssuedBy(intermediate.certificate, root))) {
    throw new Refusal('CORDON-9006', 'the intermediate is not signed by a root of the bundle', { fix: 'restore a backup of the store' });
  }
  return { trustDomain, bundle: roots.join(''), signer: leafSigner(intermediate.certificate, intermediate.privateKey) };
}

export async function createRoot(options: CreateOptions): Promise<SigningCertificate> {
  const key = await generateKeyPem();
  const certificate = await signAuthority({
    uri: `spiffe://${options.trustDomain}`,
    subject: `O=Cordon, CN=root ${options.serial().slice(0, 8)}`,
    serial: options.serial(),
    notBefore: new Date(options.now - BACKDATE),
    notAfter: new Date(options.now + ROOT_LIFE),
    publicKey: key.publicKey,
    issuerKey: key.privateKey,
  });
  return checked({ certificate, privateKey: key.privateKey }, certificate, options);
}

/** @throws Refusal CORDON-9009 before the root is valid, CORDON-9006 after it: nothing that it signs would verify */
export async function createIntermediate(root: SigningCertificate, options: CreateOptions): Promise<SigningCertificate> {
  const { notBefore, notAfter } = readCertificate(root.certificate);
  checkRoot({ notBefore, notAfter }, options.now);
  const key = await generateKeyPem();
  const certificate = await signAuthority({
    uri: `spiffe://${options.trustDomain}`,
    subject: 'O=Cordon, CN=intermediate',
    serial: options.serial(),
    notBefore: new Date(Math.max(notBefore, options.now - BACKDATE)),
    notAfter: new Date(Math.min(notAfter, options.now + INTERMEDIATE_LIFE)),
    publicKey: key.publicKey,
    issuer: root.certificate,
    issuerKey: root.privateKey,
  });
  return checked({ certificate, privateKey: key.privateKey }, root.certificate, options);
}

function checkRoot({ notBefore, notAfter }: { readonly notBefore: number; readonly notAfter: number }, now: number): void {
  const observed = new Date(now).toISOString();
  if (now < notBefore) {
    const expected = `after ${new Date(notBefore).toISOString()}, when the root was made`;
    throw new Refusal('CORDON-9009', 'the clock is before the time of the certificate authority', { observed, expected });
  }
  if (now < notAfter) return;
  throw new Refusal('CORDON-9006', 'the root of the trust domain has expired', {
    observed,
    expected: `before ${new Date(notAfter).toISOString()}`,
    fix: 'set the clock; if it is right: `cordon ca rotate prepare --root`, then `activate --root`',
  });
}

/** Is less than half of the certificate's life left, or was the clock moved before its start? */
export function needsRenewal({ notBefore, notAfter }: { readonly notBefore: number; readonly notAfter: number }, now: number): boolean {
  return now < notBefore || now > notBefore + (notAfter - notBefore) / 2;
}

function checked(made: SigningCertificate, issuer: string, options: CreateOptions): SigningCertificate {
  const facts = readCertificate(made.certificate);
  const sound = facts.authority && facts.uris[0] === `spiffe://${options.trustDomain}` && isIssuedBy(made.certificate, issuer);
  if (!sound) throw new Refusal('CORDON-9006', 'the authority made a certificate that does not verify');
  return made;
}
