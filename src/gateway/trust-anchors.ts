// The roots that client certificates may lead to, each of them bound to the names of its own trust domain: of one domain as of many, no root
// can vouch for an SVID of another. Trap: one list with the roots of every domain would allow that. INVARIANT I5
import { boundRoot, imitates } from '../crypto/x509-bound.ts';
import { dersOf, pem } from '../crypto/der.ts';
import type { TrustDomain } from '../domain/spiffe-id.ts';
import type { Federated } from '../pdp/snapshot.ts';

/** What `ca` of a server is. `own`: roots of the own domain, PEM, one after another. */
export function trustAnchors(own: string, trustDomain: TrustDomain, { domains }: Federated): readonly string[] {
  if (domains.size === 0) return [own];
  const roots = dersOf(own).map((der) => pem('CERTIFICATE', der));
  const hosts = new Map<string, string[]>(roots.map((root) => [root, [trustDomain]]));
  for (const [domain, { roots: foreign }] of domains) {
    // nobody elsewhere keeps our own out
    for (const root of foreign.filter((each) => !roots.some((mine) => imitates(each, mine)))) {
      hosts.set(root, [...(hosts.get(root) ?? []), domain]);
    }
  }
  return [...hosts].flatMap(([root, names]) => boundRoot({ root, hosts: names }) ?? []);
}
