// The story of one X509-SVID: template → sign → check what was signed. Standard: SPIFFE X509-SVID §3, §4.
import { isIssuedBy } from '../crypto/certificate.ts';
import { signCertificate, type CertificateTemplate } from '../crypto/x509.ts';
import { Refusal } from '../domain/refusal.ts';
import type { SpiffeId } from '../domain/spiffe-id.ts';
import { BACKDATE, type Authority } from './authority.ts';
import { checkLifetime, readSvid } from './svid.ts';

export interface IssueRequest {
  readonly id: SpiffeId;
  /** SPKI PEM of a key whose possession was proven. */
  readonly publicKey: string;
  /** Unix milliseconds. */
  readonly now: number;
  /** Lifetime in milliseconds. */
  readonly ttl: number;
  /** Hex, unguessable. */
  readonly serial: string;
}

export interface IssuedSvid {
  readonly id: SpiffeId;
  /** Leaf, then intermediate, PEM. */
  readonly chain: string;
  readonly serial: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** @throws Refusal CORDON-9006 when what was signed is not what was asked for */
export async function issueSvid(authority: Authority, request: IssueRequest): Promise<IssuedSvid> {
  const leaf = await signCertificate(templateOf(authority, request));
  const facts = readSvid(leaf, authority.trustDomain);
  checkLifetime(facts, request.now);
  if (facts.workload.id !== request.id || !isIssuedBy(leaf, authority.intermediate.certificate)) {
    throw new Refusal('CORDON-9006', 'the authority signed something else than was asked for');
  }
  const { serial, notBefore, notAfter } = facts;
  return { id: request.id, chain: leaf + authority.intermediate.certificate, serial, notBefore, notAfter };
}

const templateOf = (authority: Authority, request: IssueRequest): CertificateTemplate => ({
  use: 'leaf',
  uri: request.id,
  subject: '',
  serial: request.serial,
  notBefore: new Date(request.now - BACKDATE),
  notAfter: new Date(request.now + request.ttl),
  publicKey: request.publicKey,
  issuer: authority.intermediate.certificate,
  issuerKey: authority.intermediate.privateKey,
});
