// The token service as its engine sees it: keys, limits, and what it asks others. Everything is an argument: an exchange is computed.
import type { JwsSigner, KeysFor } from '../crypto/jws.ts';
import type { Mandate } from '../domain/mandate.ts';
import type { SpiffeId, TrustDomain } from '../domain/spiffe-id.ts';

export interface TokenService {
  /** Of its tokens: the URL of the identity listener. */
  readonly issuer: string;
  readonly trustDomain: TrustDomain;
  readonly signer: JwsSigner;
  /** Of every token of its own that may still live. */
  readonly keys: KeysFor;
  /** Unix milliseconds. */
  readonly now: number;
  /** Makes a name that nobody guesses: `jti`. */
  readonly newId: () => string;
  /** The same of a task, `txn`: it says when the task began. */
  readonly newTask: () => string;
  readonly limits: TokenLimits;
  /** What a task may do at most when the token it begins with does not say; agents and users are held to their own rights in any case. */
  readonly mandate: Mandate;
  /** Scopes that there are. */
  readonly scopes: ReadonlySet<string>;
  /** Where a token is for when nobody says: the gateway. */
  readonly audience: string;
  /** Is it a resource of this gateway: its URL, or that of one of its routes? */
  readonly isResource: (audience: string) => boolean;
  /** May the one agent hand tasks on to the other? By their names. */
  readonly mayDelegate: (from: string, to: string) => boolean;
  readonly isRevoked: (lineage: Lineage) => boolean;
  /** The `client_id` of an agent, by its SPIFFE ID, at an authorization server elsewhere; undefined where it has none. */
  readonly clientAt: (authorizationServer: string, agent: SpiffeId) => string | undefined;
}

export interface TokenLimits {
  /** Seconds that a task token lives, at most. */
  readonly taskLife: number;
  /** Seconds that an assertion for another domain lives, at most. */
  readonly assertionLife: number;
  /** Agents in a chain. */
  readonly depth: number;
  /** How often one transaction token is replaced. */
  readonly replacements: number;
  /** Seconds that clocks may differ. */
  readonly skew: number;
}

export const DEFAULT_LIMITS: TokenLimits = { taskLife: 300, assertionLife: 120, depth: 4, replacements: 4, skew: 30 };

/** What a token comes from: it is dead with any part of this. */
export interface Lineage {
  readonly txn: string;
  /** `jti` of the token, if it is one of ours, and of those before it. */
  readonly tokens: readonly string[];
  /** Runs, oldest first. */
  readonly chain: readonly SpiffeId[];
}
