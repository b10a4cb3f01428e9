// What the Workload API needs of the rest of the control plane.
import type { JsonObject } from '../../domain/json.ts';
import type { SpiffeId, TrustDomain } from '../../domain/spiffe-id.ts';
import type { IssuedSvid } from '../../identity/issue.ts';

/** An SVID with its key. */
export interface RunSvid {
  readonly svid: IssuedSvid;
  /** PKCS#8 PEM. */
  readonly privateKey: string;
}

/** Identities of runs, as the issuer gives them; each is on record before it is here. */
export interface RunIdentities {
  /** The ID of a run that lives and may have an identity. @throws Refusal CORDON-4005, CORDON-4002 */
  live(run: string): Promise<SpiffeId>;
  /** A key and an SVID for a live run, made for this call and kept nowhere. @throws Refusal CORDON-4005, CORDON-4002 */
  provide(run: string): Promise<RunSvid>;
  /** A JWT-SVID for a live run. @throws Refusal CORDON-4005, CORDON-4002, CORDON-9011 */
  jwtSvid(run: string, audience: readonly string[]): Promise<{ readonly id: SpiffeId; readonly token: string }>;
  /** @throws Refusal CORDON-1004, CORDON-1006, CORDON-1009, CORDON-1010, CORDON-1011 */
  validateJwt(token: string, audience: string): Promise<{ readonly id: SpiffeId; readonly claims: JsonObject }>;
}

/** What proves the SVIDs of one trust domain. */
export interface DomainBundle {
  /** Roots, PEM, one after another. */
  readonly x509: string;
  /** JWK Set. */
  readonly jwks: JsonObject;
}

export interface Bundles {
  /** Of the own trust domain. */
  readonly own: () => DomainBundle;
  /** Of the domains that are federated with now. */
  readonly federated: () => ReadonlyMap<TrustDomain, DomainBundle>;
}

/** Who is behind a connection. */
export interface Caller {
  /** Whose share of the connections it takes: a run, a user, or those who are refused. */
  readonly share: string;
  /** The runs that it speaks for, most specific first; never none. @throws Refusal CORDON-1005, CORDON-1012, CORDON-1015 */
  runs(): Promise<readonly string[]>;
  /** Its connection is closed. */
  left(): void;
}
