// The story of one X509-SVID: template → sign → check what was signed. Standard: SPIFFE X509-SVID §3, §4.
import type { LeafTemplate, SubjectKey } from '../crypto/x509-leaf.ts';
import { Refusal } from '../domain/refusal.ts';
import { trustDomainOf, type SpiffeId } from '../domain/spiffe-id.ts';
import { BACKDATE, type Authority } from './authority.ts';

/** No SVID lives longer, so a root that signs no more can be forgotten after as long. Milliseconds. */
export const LONGEST_SVID = 24 * 3_600_000;

export interface IssueRequest {
  readonly id: SpiffeId;
  /** A key whose possession was proven. */
  readonly publicKey: SubjectKey;
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

/** @throws Refusal CORDON-9006 when what was signed is not what was asked for, or must not be asked for; CORDON-9009 */
export function issueSvid(authority: Authority, request: IssueRequest): IssuedSvid {
  const template = templateOf(authority, request);
  const leaf = authority.signer.sign(template);
  const { serial, notBefore, notAfter } = template;
  return { id: request.id, chain: leaf + authority.signer.certificate, serial, notBefore, notAfter };
}

/** An SVID lives inside the life of what signs it: a relying party would refuse anything beyond. */
function templateOf({ trustDomain, signer }: Authority, { id, publicKey, now, ttl, serial }: IssueRequest): LeafTemplate {
  if (trustDomainOf(id) !== trustDomain) throw new Refusal('CORDON-1004', 'SVIDs are issued for this trust domain alone', { observed: id });
  if (ttl > LONGEST_SVID) throw new Refusal('CORDON-9006', 'longer than an SVID may live', { expected: `at most ${LONGEST_SVID} ms` });
  if (now < signer.notBefore || now >= signer.notAfter) {
    throw new Refusal('CORDON-9009', 'the intermediate is not valid at the time of the clock', { observed: new Date(now).toISOString() });
  }
  const notBefore = Math.max(signer.notBefore, wholeSecond(now - BACKDATE));
  return { uri: id, serial, notBefore, notAfter: Math.min(signer.notAfter, wholeSecond(now + ttl)), publicKey };
}

const wholeSecond = (ms: number): number => Math.floor(ms / 1000) * 1000;
