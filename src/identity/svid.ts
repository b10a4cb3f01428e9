// Reading an X509-SVID. Standard: SPIFFE X509-SVID §2, §5.2. A chain that verified against the bundle of a trust domain still says
// nothing until this has read exactly one identity of that same trust domain out of its leaf.
import { readCertificate, type CertificateFacts } from '../crypto/certificate.ts';
import { Refusal } from '../domain/refusal.ts';
import { parseSpiffeId, parseWorkload, trustDomainOf, type TrustDomain, type Workload } from '../domain/spiffe-id.ts';

/** An identity that a certificate proves, as long as it is inside its lifetime. Times are Unix milliseconds. */
export interface SvidFacts {
  readonly workload: Workload;
  readonly serial: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

/**
 * Reads the leaf of a verified chain. attacker-controlled
 * @throws Refusal CORDON-1006 malformed, CORDON-1004 other trust domain, CORDON-1012 not a workload
 */
export function readSvid(certificate: Parameters<typeof readCertificate>[0], trustDomain: TrustDomain): SvidFacts {
  const facts = readCertificate(certificate);
  const [uri, ...more] = facts.uris;
  if (uri === undefined || more.length > 0 || facts.otherNames) {
    throw new Refusal('CORDON-1006', 'the SVID must name exactly one URI', { observed: `${facts.uris.length} URI SANs` });
  }
  if (facts.authority) throw new Refusal('CORDON-1006', 'a signing certificate is no SVID');
  const id = parseSpiffeId(uri);
  if (trustDomainOf(id) !== trustDomain) {
    throw new Refusal('CORDON-1004', 'SVID of another trust domain', { observed: trustDomainOf(id), expected: trustDomain });
  }
  return { workload: parseWorkload(id), serial: facts.serial, notBefore: facts.notBefore, notAfter: facts.notAfter };
}

/** @throws Refusal CORDON-1002 outside the lifetime, with what the clock says */
export function checkLifetime(svid: Pick<SvidFacts, 'notBefore' | 'notAfter'>, now: number): void {
  if (now >= svid.notBefore && now < svid.notAfter) return;
  throw new Refusal('CORDON-1002', now < svid.notBefore ? 'certificate not yet valid' : 'certificate expired', {
    observed: new Date(now).toISOString(),
    expected: `${new Date(svid.notBefore).toISOString()} to ${new Date(svid.notAfter).toISOString()}`,
    reason: now < svid.notBefore ? 'not-yet' : 'expired',
  });
}

/** What a certificate claims, for a record about a chain that did not verify; never a fact. attacker-controlled */
export function claimedId(certificate: Parameters<typeof readCertificate>[0]): string | undefined {
  const facts: CertificateFacts = readCertificate(certificate);
  const uri = facts.uris[0];
  return uri !== undefined && /^spiffe:\/\/[\w./-]{1,200}$/.test(uri) ? uri : undefined;
}
