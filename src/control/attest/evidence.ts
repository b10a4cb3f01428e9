// What a workload, or who speaks for it, shows of itself; and what it is entitled to when that was found to be true.
import type { Composition } from '../../identity/composition.ts';
import type { Registered, RegistrationEntry } from '../../identity/registration.ts';
import type { Attestor, Selector } from '../../identity/selectors.ts';

/** Of the process behind a unix socket, as the kernel says it; whoever makes it has read it from the socket and from /proc. */
export interface UnixEvidence {
  readonly kind: 'unix';
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Of the executable: absolute, links resolved. */
  readonly path?: string;
  /** Of the executable's bytes. Hex, lower case. */
  readonly sha256?: string;
}

/** Of a process that an operator is about to start, as the launcher says it over the operator's own mTLS. */
export interface LauncherEvidence {
  readonly kind: 'launcher';
  /** SPIFFE ID of the operator. */
  readonly operator: string;
  readonly uid?: number;
  /** Of the executable, of the script that it is given, and of the lock files beside that. Hex SHA-256. */
  readonly digest?: string;
  readonly script?: string;
  readonly locks: readonly string[];
  /** Executable of the launcher's own parent. */
  readonly parent?: string;
}

/** A token of an OpenID Connect issuer. */
export interface OidcEvidence {
  readonly kind: 'oidc';
  readonly token: string;
}

/** An SVID of a federated domain: a chain (leaf first, PEM) and a token that its key signed just now. */
export interface SvidEvidence {
  readonly kind: 'svid';
  readonly chain: string;
  readonly proof: string;
  /** The certificate request that the proof is for: PKCS#10, DER. */
  readonly request: Uint8Array;
}

export type Evidence = UnixEvidence | LauncherEvidence | OidcEvidence | SvidEvidence;

/** A right to become a run: shown by evidence, given by an entry. */
export interface Entitlement extends Registered {
  readonly attestor: Attestor;
  readonly selectors: readonly Selector[];
  /** Absent when an operator's own word is the entry. */
  readonly entry?: RegistrationEntry;
  /** What was seen of what it is made of. */
  readonly composition: Composition;
}
