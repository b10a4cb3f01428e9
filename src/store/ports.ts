// What Cordon keeps besides the audit log. One contract suite (`test/store.contract.ts`) runs on every implementation.
// Every method is durable when its promise resolves, unless it says otherwise. Times are Unix milliseconds. A `limit` is 1 to 1,000.
// @throws Refusal, from every method: CORDON-9004 when the store cannot keep or read (full, locked, closed, the row is there already),
// CORDON-9006 when it is corrupt, CORDON-9011 for text with U+0000 or half a surrogate pair and for a limit out of range.
import type { Level } from '../domain/access.ts';
import type { Json } from '../domain/json.ts';
import type { WorkloadKind } from '../domain/spiffe-id.ts';

/** One start of a workload; the unit that containment and audit can name. */
export interface Run {
  readonly id: string;
  readonly kind: WorkloadKind;
  readonly name: string;
  readonly createdAt: number;
  readonly endedAt?: number;
}

/** A single-use right to become a run. Only the SHA-256 of the token is kept. */
export interface JoinToken {
  readonly tokenHash: string;
  readonly runId: string;
  readonly expiresAt: number;
}

export interface CertificateRow {
  /** Hex, lower case. */
  readonly serial: string;
  readonly runId: string;
  readonly spiffeId: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface LevelChange {
  readonly agent: string;
  readonly level: Level;
  readonly at: number;
  readonly actor: string;
  readonly reason: string;
}

/** A decision as `cordon why` needs it: the record, the stored inputs, and the explanation once it was worked out. */
export interface DecisionRow {
  readonly id: string;
  readonly at: number;
  readonly agent: string;
  readonly verdict: string;
  readonly code?: string;
  readonly seq: number;
  readonly record: Json;
  /** The `AccessRequest`, sealed by the caller: arguments may be personal. */
  readonly inputs?: Uint8Array;
  readonly explanation?: Json;
  /** What something that was not enforced would have decided, and the policy version it is of. */
  readonly shadow?: { readonly version: number; readonly verdict: string };
}

/** Of the decisions after a certain one: how many there were, and how many something not enforced would have decided otherwise. */
export interface ShadowCounts {
  readonly seen: number;
  readonly differing: readonly { readonly verdict: string; readonly shadow: string; readonly count: number }[];
}

export interface DecisionFilter {
  readonly agent?: string;
  readonly verdict?: string;
  /** Newest first, rows with `seq` below this one. */
  readonly before?: number;
  readonly limit: number;
}

export interface Runs {
  addRun(run: Run): Promise<void>;
  getRun(id: string): Promise<Run | undefined>;
  /** Runs that have not ended, oldest first. */
  activeRuns(): Promise<readonly Run[]>;
  /** @returns false when it had ended already or never was */
  endRun(id: string, at: number): Promise<boolean>;
}

export interface JoinTokens {
  addToken(token: JoinToken): Promise<void>;
  /** Takes the token away in the same statement that reads it, so of two callers one gets it. Undefined from `expiresAt` on; it is gone then too. */
  takeToken(tokenHash: string, now: number): Promise<JoinToken | undefined>;
}

export interface Certificates {
  /** @throws Refusal CORDON-9004 when the run is not known: a certificate without a run could not be contained by run */
  addCertificate(row: CertificateRow): Promise<void>;
  certificate(serial: string): Promise<CertificateRow | undefined>;
  /** Certificates of a run, newest first, at most `limit`. */
  certificatesOf(runId: string, limit: number): Promise<readonly CertificateRow[]>;
}

export interface Levels {
  /** Changes of one agent stand in the order of the calls, whatever `at` says: clocks may be set back. */
  addLevel(change: LevelChange): Promise<void>;
  /** The last change of each agent. */
  currentLevels(): Promise<readonly LevelChange[]>;
  /** Newest first. */
  levelHistory(agent: string, limit: number): Promise<readonly LevelChange[]>;
}

export interface SealedRow {
  readonly name: string;
  readonly sealed: Uint8Array;
}

/** Sealed bytes by name: CA keys and upstream secrets. The store never sees what is inside. */
export interface Sealed {
  putSealed(name: string, sealed: Uint8Array): Promise<void>;
  getSealed(name: string): Promise<Uint8Array | undefined>;
}

/** Pinned tool definitions by resource. */
export interface Pins {
  putPin(resource: string, digest: string, tools: Json): Promise<void>;
  getPin(resource: string): Promise<{ readonly digest: string; readonly tools: Json } | undefined>;
}

export interface Decisions {
  /** All rows or none; durable within a group commit, not before the call goes on: the log is the truth. Same id again = replaced. */
  putDecisions(rows: readonly DecisionRow[]): Promise<void>;
  getDecision(id: string): Promise<DecisionRow | undefined>;
  listDecisions(filter: DecisionFilter): Promise<readonly DecisionRow[]>;
  /** Counts decisions with `seq` above this one that were made on a request, beside the shadow of this policy version. */
  countShadow(version: number, after: number): Promise<ShadowCounts>;
}

/** A policy set that was put in force or beside it. `statement` says which and is signed; only `sources` is as large as the set. */
export interface PolicyVersionRow {
  readonly version: number;
  /** Hex SHA-256 of the sources. */
  readonly hash: string;
  readonly sources: Json;
  readonly statement: string;
  readonly signature: Uint8Array;
}

/** One turn in the history of what is enforced; `statement` says what and is signed. */
export interface PolicyChangeRow {
  /** Counts from 1 without gaps. */
  readonly seq: number;
  readonly statement: string;
  readonly signature: Uint8Array;
}

/** Rows are added and never change. */
export interface PolicyVersions {
  /**
   * Adds a change and the version that came with it, and replaces the sealed bytes that say which change is the last: all or nothing.
   * @throws Refusal CORDON-9004 when a number is taken: another replica was first
   */
  addPolicyChange(change: PolicyChangeRow, last: SealedRow, added?: PolicyVersionRow): Promise<void>;
  policyVersion(version: number): Promise<PolicyVersionRow | undefined>;
  /** Every version by its hash, newest first. */
  policyHashes(): Promise<readonly Pick<PolicyVersionRow, 'version' | 'hash'>[]>;
  /** Newest first. */
  policyChanges(limit: number): Promise<readonly PolicyChangeRow[]>;
}

export interface Store extends Runs, JoinTokens, Certificates, Levels, Sealed, Pins, Decisions, PolicyVersions {
  close(): Promise<void>;
}
