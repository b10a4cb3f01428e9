// Everything a PEP decides with: one immutable value, published by the control plane and replaced as a whole.
import type { VerificationKey } from '../crypto/jwk.ts';
import { Refusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import type { SpiffeId, TrustDomain } from '../domain/spiffe-id.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import type { Grants } from './approval.ts';

export interface LiveRun {
  readonly agent: string;
  /** When the newest certificate of the run expires, Unix milliseconds: a run that stops renewing ends by itself. */
  readonly notAfter: number;
  /** When it began, Unix milliseconds. */
  readonly since: number;
  /** What it was started for, in the words of whoever started it. */
  readonly task?: string;
  /** It is not made of what was registered, or no longer of what it was. */
  readonly drifted?: true;
}

/** What was revoked and could still matter. */
export interface Revoked {
  /** Run ids. */
  readonly runs: ReadonlySet<string>;
  /** `jti`: with a token all that were exchanged from it. */
  readonly tokens: ReadonlySet<string>;
  readonly txns: ReadonlySet<string>;
}

/** Whose task tokens are accepted. */
export interface TokenIssuer {
  /** `iss`, compared byte for byte. */
  readonly issuer: string;
  /** By `kid`; another map when they change. */
  readonly keys: ReadonlyMap<string, VerificationKey>;
}

/** Another trust domain whose SVIDs are believed. */
export interface FederatedDomain {
  /** PEM each. */
  readonly roots: readonly string[];
  /** Until its bundle is too old. Unix milliseconds. */
  readonly until: number;
}

export interface Federated {
  readonly domains: ReadonlyMap<TrustDomain, FederatedDomain>;
  /** Agents of this world by the SPIFFE ID, without run, that they have in another domain. */
  readonly agents: ReadonlyMap<SpiffeId, string>;
}

export const NOT_FEDERATED: Federated = { domains: new Map(), agents: new Map() };

export const NOTHING_REVOKED: Revoked = { runs: new Set(), tokens: new Set(), txns: new Set() };

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
  readonly revoked: Revoked;
  /** Absent until there is a token service: then no token is accepted. */
  readonly tokens?: TokenIssuer;
  /** Absent: no other trust domain is believed. Another value when it changes. */
  readonly federated?: Federated;
  /** What persons answered to what needs approval. */
  readonly grants?: Grants;
  /** What is defined otherwise than it is pinned: `server/tool`, `server/prompts/NAME`, `server/resources/URI`, `server/templates/URI`. */
  readonly changedTools: ReadonlySet<string>;
}

/** The number of the set in force; 0 when there is none. */
export const enforcedVersion = (snapshot: Snapshot | undefined): number =>
  snapshot === undefined || snapshot.policies instanceof Refusal ? 0 : snapshot.policies.version;
