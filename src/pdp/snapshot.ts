// Everything a PEP decides with: one immutable value, published by the control plane and replaced as a whole.
import type { Refusal } from '../domain/refusal.ts';
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
  /** Runs that may call, by run id. */
  readonly runs: ReadonlyMap<string, LiveRun>;
  /** Tools whose definition is no longer the pinned one, `server/tool`. */
  readonly changedTools: ReadonlySet<string>;
}
