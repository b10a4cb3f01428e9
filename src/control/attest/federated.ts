// The attestor of federated domains: a workload that has an X509-SVID of another trust domain shows it, with a token that its key signed just
// now over the certificate request that it makes here. The chain is verified against the bundle of its own domain and no other.
import { sha256Hex } from '../../crypto/hash.ts';
import type { VerificationKey } from '../../crypto/jwk.ts';
import { verifyJws } from '../../crypto/jws.ts';
import type { JsonObject } from '../../domain/json.ts';
import { Refusal } from '../../domain/refusal.ts';
import type { SpiffeId } from '../../domain/spiffe-id.ts';
import { selectorsOf } from '../../identity/selectors.ts';
import type { SvidEvidence } from './evidence.ts';
import type { Seen } from './seen.ts';

/** How old a proof may be, either way. Seconds. */
const FRESH = 60;
const TYPE = 'cordon-attest+jwt';

/** An SVID of another domain whose chain holds. */
export interface ForeignSvid {
  readonly id: SpiffeId;
  /** Of its leaf. */
  readonly key: VerificationKey;
}

export interface FederatedParts {
  /** attacker-controlled @throws Refusal CORDON-1002, -1004, -1006 */
  readonly verifySvid: (chain: string) => ForeignSvid;
  /** Of this Cordon, as a proof names it. */
  readonly audience: string;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** @throws Refusal CORDON-1002, -1004, -1006 of the SVID, CORDON-1013 its key was not shown to be there, for this request */
export function seenByDomain({ verifySvid, audience, now }: FederatedParts, { chain, proof, request }: SvidEvidence): Seen {
  const { id, key } = verifySvid(chain);
  checkProof(claimsOf(proof, key), { aud: audience, csr: sha256Hex(request) }, now() / 1000);
  return { attestor: 'spiffe', selectors: selectorsOf([['spiffe:id', id]]), composition: {} };
}

function claimsOf(proof: string, key: VerificationKey): JsonObject {
  try {
    return verifyJws(proof, () => [key], [TYPE]).payload;
  } catch (cause) {
    throw new Refusal('CORDON-1013', 'the proof is not signed by the key of the SVID', { cause, expected: `a token of type \`${TYPE}\`` });
  }
}

function checkProof({ aud, csr, iat }: JsonObject, expected: { readonly aud: string; readonly csr: string }, now: number): void {
  if (aud !== expected.aud) throw new Refusal('CORDON-1013', 'the proof is for another audience', { expected: expected.aud });
  if (csr !== expected.csr) throw new Refusal('CORDON-1013', 'the proof is for another certificate request');
  if (typeof iat === 'number' && Math.abs(now - iat) <= FRESH) return;
  throw new Refusal('CORDON-1013', 'the proof is not fresh', { expected: `\`iat\` within ${FRESH} s` });
}
