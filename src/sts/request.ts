// What is asked of the token service, and what it answers.
import type { JsonObject } from '../domain/json.ts';
import type { Mandate } from '../domain/mandate.ts';
import type { SpiffeId } from '../domain/spiffe-id.ts';
import type { Proven } from './confirm.ts';
import type { Actor, Held, Subject } from './held.ts';
import type { IssuedType } from './token-type.ts';

/** What a client asks for, after it was authenticated and what it shows of others was verified. */
export interface ExchangeRequest {
  readonly actor: Actor;
  readonly subject: Subject;
  /** Whom an `actor_token` that was verified names. */
  readonly namedActor?: SpiffeId;
  /** What keys the client has proven to hold. */
  readonly proven?: Proven;
  /** `access_token` when nothing is asked. */
  readonly type?: IssuedType;
  /** `authorization_details`. attacker-controlled, as is all that follows */
  readonly details?: Mandate;
  /** RFC 8693 §2.1, RFC 8707 §2; every one of them. */
  readonly audiences?: readonly string[];
  readonly resources?: readonly string[];
  readonly scope?: string;
  /** Bind the token to the client certificate, so that it ends with it (RFC 8705 §3). */
  readonly bindCertificate?: boolean;
  /** `request_details` of a transaction token: the `action`, `resource` and `callee` of what is called. */
  readonly call?: JsonObject;
}

/** What may be issued: nothing in it is more than the subject token held. */
export type Granted = Held;

/** What was issued, for the record. Times are Unix seconds. */
export interface Issued {
  readonly type: IssuedType;
  /** Absent for a transaction token. */
  readonly jti?: string;
  readonly txn: string;
  readonly sub: string;
  readonly chain: readonly SpiffeId[];
  readonly audience: string;
  readonly mandate: Mandate;
  readonly parents: readonly string[];
  readonly expiresAt: number;
}

export interface Exchanged {
  /** RFC 8693 §2.2.1. */
  readonly response: JsonObject & { readonly access_token: string };
  readonly issued: Issued;
}
