// Policy sets to look at: what is enforced, what the configured directory holds, an earlier version, a draft that was sent along. Nothing
// is kept and nothing is enforced by looking.
import { Refusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import type { PolicySet, PolicySource } from '../policy/policy-set.ts';
import { admitted, hashOf, readPoliciesOrNone } from './policies.ts';
import type { PolicyLedger } from './policy-ledger.ts';
import type { Publisher } from './publisher.ts';

export type WhichPolicies =
  | { readonly place: 'enforced' | 'directory' }
  | { readonly version: number }
  | { readonly sources: readonly PolicySource[] };

export interface PolicySetParts {
  readonly ledger: Pick<PolicyLedger, 'version' | 'find'>;
  readonly publisher: Pick<Publisher, 'current'>;
  /** The configured directory. */
  readonly directory: string;
}

/** The version number of a set that is no version. */
export const DRAFT = 0;

/**
 * The set, admitted for `world`.
 * @throws Refusal CORDON-3003 when there is no such version, CORDON-9006 not admitted, CORDON-9007 no policy, CORDON-9008 altered
 */
export async function policySetOf(parts: PolicySetParts, which: WhichPolicies, world: World): Promise<PolicySet> {
  const { policies: enforced } = parts.publisher.current();
  if ('place' in which && which.place === 'enforced') {
    if (enforced instanceof Refusal) throw enforced;
    return enforced.covers(world) ? enforced : policySetOf(parts, { version: enforced.version }, world);
  }
  const { sources, version } = await sourcesOf(parts, which);
  const set = await admitted(sources, version, world);
  if (set instanceof Refusal) throw set;
  return set;
}

async function sourcesOf(
  { ledger, directory }: PolicySetParts,
  which: WhichPolicies,
): Promise<{ readonly sources: readonly PolicySource[]; readonly version: number }> {
  if ('version' in which) return ledger.version(which.version);
  const sources = 'sources' in which ? which.sources : await readPoliciesOrNone(directory);
  return { sources, version: (await ledger.find(hashOf(sources)))?.version ?? DRAFT };
}
