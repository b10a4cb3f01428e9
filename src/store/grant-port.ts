// The port for calls that need a person's approval; what holds of every port stands in ports.ts.
import type { ApproverRole } from '../domain/access.ts';

export const GRANT_STATES = ['asked', 'approved', 'refused', 'revoked', 'used', 'expired'] as const;
export type GrantState = (typeof GRANT_STATES)[number];

/** A call that waits for a person's approval, and what was answered. */
export interface GrantRow {
  readonly id: string;
  /** Hex SHA-256 of who asks, for whom, and what exactly. */
  readonly digest: string;
  readonly agent: string;
  readonly action: string;
  readonly resource: string;
  /** The access request, sealed by the caller: arguments may be personal. */
  readonly request: Uint8Array;
  /** The decision that first asked. */
  readonly decision: string;
  /** The least role that may answer. */
  readonly approver: ApproverRole;
  /** Ids of the policies that ask for approval. */
  readonly policies: readonly string[];
  readonly reason: string;
  readonly askedAt: number;
  /** How often the same was asked. */
  readonly times: number;
  readonly state: GrantState;
  /** When the request ends, or what was answered to it. */
  readonly until: number;
  /** Calls that it is good for, and those that were made. */
  readonly uses: number;
  readonly used: number;
  /** SPIFFE ID of the operator. */
  readonly answeredBy?: string;
  readonly answeredAt?: number;
  readonly comment?: string;
}

export interface GrantRows {
  /** Same id again = replaced. */
  putGrant(row: GrantRow): Promise<void>;
  grant(id: string): Promise<GrantRow | undefined>;
  /** Newest first. */
  grants(limit: number): Promise<readonly GrantRow[]>;
  /** Those that are asked or approved end now. @returns how many there were */
  closeGrants(at: number): Promise<number>;
}
