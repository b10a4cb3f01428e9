// Step 1 for a call that another data plane took: it hands over the certificate that the caller has shown in its handshake, never a name.
// Chain, identity and lifetime are verified here, as if the handshake had been ours. INVARIANT I5
// What is believed of the data plane is one thing: that whoever called has the key of that certificate. docs/data-planes.md
import { isIssuedBy } from '../../crypto/certificate.ts';
import { derOf } from '../../crypto/der.ts';
import { Refusal } from '../../domain/refusal.ts';
import { parseWorkload, trustDomainOf, type TrustDomain } from '../../domain/spiffe-id.ts';
import { verifyChain, type RootsOf } from '../../identity/chain.ts';
import { checkLifetime } from '../../identity/svid.ts';
import { NOT_FEDERATED, type Federated } from '../../pdp/snapshot.ts';
import { federatedPeer, ownPeer } from '../authenticate.ts';
import type { Peer } from '../connections.ts';
import type { Pep } from '../pep.ts';

/** A certificate as a data plane hands it over. attacker-controlled */
export interface Shown {
  /** The same for the same certificate. */
  readonly text: string;
  /** Leaf first, DER. @throws Refusal CORDON-1006 */
  readonly read: () => readonly Uint8Array[];
}

export interface Caller {
  readonly peer: Peer;
  /** DER. */
  readonly leaf: Uint8Array;
}

export interface Callers {
  /** @throws Refusal CORDON-1001, -1002, -1004, -1006, -1007, -1012, -1014 */
  callerOf(shown: Shown | undefined): Caller;
}

/** What vouches for SVIDs of the own trust domain, PEM each. `generation` grows with each change of them. */
export interface Vouching {
  readonly generation: () => number;
  readonly roots: () => readonly string[];
  /** Data planes hand over the leaf alone. */
  readonly intermediates: () => readonly string[];
}

interface Verified extends Caller {
  readonly generation: number;
  readonly federated: Federated;
}

/** A signature costs more than all the rest, so what was verified is remembered; revocation and levels are looked at with every call. */
const MOST = 4_096;

/** What a PEP knows of who may call. */
type Believing = Pick<Pep, 'trustDomain' | 'snapshot' | 'now'>;

export function createCallers(pep: Believing, vouching: Vouching): Callers {
  const known = new Map<string, Verified>();
  return {
    callerOf(shown): Caller {
      if (shown === undefined) throw new Refusal('CORDON-1001', 'no client certificate');
      const federated = pep.snapshot()?.federated ?? NOT_FEDERATED;
      const generation = vouching.generation();
      let found = known.get(shown.text);
      if (found?.generation !== generation || found.federated !== federated) {
        found = { ...verified(pep, vouching, federated, shown), generation, federated };
        remember(known, shown.text, found);
      }
      checkLifetime(found.peer.svid, pep.now());
      return found;
    },
  };
}

function remember(known: Map<string, Verified>, text: string, found: Verified): void {
  const [oldest] = known.keys();
  if (known.size >= MOST && oldest !== undefined) known.delete(oldest);
  known.set(text, found);
}

function verified(pep: Believing, vouching: Vouching, { domains }: Federated, shown: Shown): Caller {
  const chain = withIssuer(shown.read(), vouching.intermediates());
  const [leaf] = chain;
  if (leaf === undefined) throw new Refusal('CORDON-1001', 'no client certificate');
  const rootsOf: RootsOf = (domain: TrustDomain) => (domain === pep.trustDomain ? vouching.roots() : domains.get(domain)?.roots);
  const { key: _key, ...svid } = verifyChain(chain, rootsOf, pep.now());
  const { id, ...facts } = svid;
  const isOwn = trustDomainOf(id) === pep.trustDomain;
  return { leaf, peer: isOwn ? ownPeer({ ...facts, workload: parseWorkload(id) }) : federatedPeer(pep, svid) };
}

/** The chain with the intermediate that issued its last certificate, if it is one of ours. */
function withIssuer(chain: readonly Uint8Array[], intermediates: readonly string[]): readonly Uint8Array[] {
  const last = chain.at(-1);
  const issuer = last && intermediates.find((intermediate) => isIssuedBy(last, intermediate));
  return issuer === undefined ? chain : [...chain, derOf(issuer)];
}
