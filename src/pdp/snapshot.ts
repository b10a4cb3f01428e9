// Everything a PEP decides with: one immutable value, published by the control plane and replaced as a whole.
import { Refusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import type { TrustDomain } from '../domain/spiffe-id.ts';
import type { PolicySet } from '../policy/policy-set.ts';

export interface LiveRun {
  readonly agent: string;
  /** When the newest certificate of the run expires, Unix milliseconds: a run that stops renewing ends by itself. */
  readonly notAfter: number;
}

export interface Snapshot {
  /** Grows by one with every publication. */
  readonly version: number;
  /** When the control plane last vouched for it, Unix milliseconds. */
  readonly at: number;
  readonly trustDomain: TrustDomain;
  readonly world: World;
  /** The admitted set, or why there is none: then everything is denied. */
  readonly policies: PolicySet | Refusal;
  /** A version that is looked at beside them: it is asked on every decision and changes none. */
  readonly candidate?: PolicySet;
  /** Runs that may call, by run id. */
  readonly runs: ReadonlyMap<string, LiveRun>;
  /** Tools whose definition is no longer the pinned one, `server/tool`. */
  readonly changedTools: ReadonlySet<string>;
}

/** The number of the set in force; 0 when there is none. */
export const enforcedVersion = (snapshot: Snapshot | undefined): number =>
  snapshot === undefined || snapshot.policies instanceof Refusal ? 0 : snapshot.policies.version;
