// Validating an X509-SVID of any trust domain from its chain alone. Standards: SPIFFE X509-SVID §4 and §5, RFC 5280 §6. The chain leads, link
// by link and by signature, to a root of the one bundle that it is held against; what is not understood here is refused.
import { isIssuedBy, publicJwkOf } from '../crypto/certificate.ts';
import { derOf } from '../crypto/der.ts';
import { readJwk, type VerificationKey } from '../crypto/jwk.ts';
import type { ReadCertificate } from '../crypto/x509-read.ts';
import { trustDomainOf, type SpiffeId, type TrustDomain } from '../domain/spiffe-id.ts';
import { flaw } from './flaws.ts';
import { checkNames, readNameConstraints } from './name-constraints.ts';
import { checkLifetime } from './svid.ts';
import { nameConstraintsOf, namesOf, pathLengthOf, readSigningCertificate, readSvidLeaf, type SvidLeaf } from './x509-svid.ts';

/** An SVID whose chain holds. Times are Unix milliseconds. */
export interface VerifiedSvid {
  readonly id: SpiffeId;
  readonly serial: string;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Of its leaf. */
  readonly key: VerificationKey;
}

/** Roots of the bundle of a trust domain, PEM or DER each; empty: nothing of it is believed; undefined: it is not known. */
export type RootsOf = (domain: TrustDomain) => readonly (string | Uint8Array)[] | undefined;

/** Certificates that are looked at. */
const MAX_CHAIN = 8;

/**
 * Whose chain it is: leaf first, DER, each issued by the next. `now`: Unix milliseconds. attacker-controlled
 * @throws Refusal CORDON-1002 outside a lifetime, -1004 no root of its own domain vouches for it, -1006 malformed
 */
export function verifyChain(chain: readonly Uint8Array[], rootsOf: RootsOf, now: number): VerifiedSvid {
  const [leaf, ...issuers] = chain.slice(0, MAX_CHAIN);
  if (leaf === undefined) throw flaw('no-certificate');
  const svid = readSvidLeaf(leaf);
  const domain = trustDomainOf(svid.id);
  const roots = rootsOf(domain);
  if (roots === undefined) throw flaw('unknown-domain', { observed: domain });
  checkLifetime(svid.read, now);
  checkPath([leaf, ...issuers], svid.read, roots, now);
  return { ...factsOf(svid), key: readJwk(publicJwkOf(leaf)) };
}

/** What the leaf of a chain says, which something else verifies. attacker-controlled @throws Refusal CORDON-1002, CORDON-1006 */
export function readLeaf(der: Uint8Array, now: number): Omit<VerifiedSvid, 'key'> {
  const svid = readSvidLeaf(der);
  checkLifetime(svid.read, now);
  return factsOf(svid);
}

const factsOf = ({ id, read: { serial, notBefore, notAfter } }: SvidLeaf): Omit<VerifiedSvid, 'key'> => ({
  id,
  serial,
  notBefore,
  notAfter,
});

/** Goes up from the leaf until a root has signed; the roots of a bundle may share one name, so all of them are tried. */
function checkPath(chain: readonly Uint8Array[], leaf: ReadCertificate, roots: readonly (string | Uint8Array)[], now: number): void {
  const below = [leaf];
  for (const [at, certificate] of chain.entries()) {
    const signers = roots.filter((root) => isIssuedBy(certificate, root));
    if (signers.length > 0) return checkOneOf(signers, below, now);
    const issuer = chain[at + 1];
    if (issuer === undefined) break;
    const read = checkIssuer(issuer, below, now);
    if (!isIssuedBy(certificate, issuer)) break;
    below.push(read);
  }
  throw flaw('unknown-authority');
}

/** One root that may vouch is enough: another with the same key may have expired. */
function checkOneOf(roots: readonly (string | Uint8Array)[], below: readonly ReadCertificate[], now: number): void {
  let first: unknown;
  for (const root of roots) {
    try {
      checkIssuer(typeof root === 'string' ? derOf(root) : root, below, now);
      return;
    } catch (error) {
      first ??= error;
    }
  }
  throw first;
}

/** May it vouch, now, for what stands below it? `below`: leaf first. */
function checkIssuer(der: Uint8Array, below: readonly ReadCertificate[], now: number): ReadCertificate {
  const read = readSigningCertificate(der);
  checkLifetime(read, now);
  if (below.length - 1 > (pathLengthOf(read) ?? Infinity)) throw flaw('path-length');
  const value = nameConstraintsOf(read);
  if (value !== undefined) {
    const constraints = readNameConstraints(value);
    for (const certificate of below) checkNames(namesOf(certificate), constraints);
  }
  return read;
}
