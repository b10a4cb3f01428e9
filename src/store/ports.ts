// What Cordon keeps besides the audit log. One contract suite (`test/store.contract.ts`) runs on every implementation.
// Every method is durable when its promise resolves, unless it says otherwise. Times are Unix milliseconds. A `limit` is 1 to 1,000.
// @throws Refusal, from every method: CORDON-9004 when the store cannot keep or read (full, locked, closed, the row is there already),
// CORDON-9006 when it is corrupt, CORDON-9011 for text with U+0000 or half a surrogate pair and for a limit out of range.
import type { Level } from '../domain/access.ts';
import type { Json } from '../domain/json.ts';
import type { OperatorRole, TwoPersonRule } from '../domain/operators.ts';
import type { Revocable } from '../domain/revocation.ts';
import type { WorkloadKind } from '../domain/spiffe-id.ts';
import type { GrantRows } from './grant-port.ts';

/** One start of a workload; the unit that containment and audit can name. */
export interface Run {
  readonly id: string;
  readonly kind: WorkloadKind;
  readonly name: string;
  readonly createdAt: number;
  readonly endedAt?: number;
  /** What it was started for, in the words of whoever started it. */
  readonly task?: string;
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

/** A person who administers Cordon. `subject`: the `iss` and `sub` that the name was first signed in with, where that was OpenID Connect. */
export interface OperatorRow {
  readonly name: string;
  readonly role: OperatorRole;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly subject?: string;
}

/** A passkey of an operator (WebAuthn). */
export interface PasskeyRow {
  /** Credential id, base64url. */
  readonly id: string;
  readonly operator: string;
  /** COSE key. */
  readonly publicKey: Uint8Array;
  readonly counter: number;
  readonly createdAt: number;
}

/** A one-time link by which an operator makes a passkey. Only the SHA-256 of its secret is kept. */
export interface InviteRow {
  readonly secretHash: string;
  readonly operator: string;
  readonly expiresAt: number;
}

export const ORDER_STATES = ['waiting', 'approved', 'refused', 'expired'] as const;
export type OrderState = (typeof ORDER_STATES)[number];

/** An order that waits for a second person. */
export interface OrderRow {
  readonly id: string;
  readonly rule: TwoPersonRule;
  /** `POST /v1/policies/apply` */
  readonly route: string;
  /** Sealed by the caller. */
  readonly input: Uint8Array;
  /** Hex SHA-256 of the input: what is approved is what was ordered. */
  readonly digest: string;
  /** SPIFFE ID of who ordered it. */
  readonly actor: string;
  readonly at: number;
  readonly expiresAt: number;
  readonly state: OrderState;
  readonly decidedBy?: string;
  readonly decidedAt?: number;
}

/** A time in which one operator has every right, alone. It stands until somebody else has looked at it. */
export interface BreakGlassRow {
  readonly id: string;
  readonly operator: string;
  readonly at: number;
  readonly until: number;
  readonly reason: string;
  readonly reviewedBy?: string;
  readonly reviewedAt?: number;
}

export interface Operators {
  /** Same name again = replaced. */
  putOperator(row: OperatorRow): Promise<void>;
  operators(): Promise<readonly OperatorRow[]>;
  /** With their passkeys and links. @returns false when there was none */
  removeOperator(name: string): Promise<boolean>;
  /** @throws Refusal CORDON-9004 when a passkey of this id is there */
  addPasskey(row: PasskeyRow): Promise<void>;
  passkey(id: string): Promise<PasskeyRow | undefined>;
  /** Moves the counter on. @returns false when it is not beyond what was kept: the key was copied */
  usePasskey(id: string, counter: number): Promise<boolean>;
  addInvite(row: InviteRow): Promise<void>;
  /** Who is invited, without taking the link. Undefined from `expiresAt` on. */
  invite(secretHash: string, now: number): Promise<InviteRow | undefined>;
  /** Takes the link in the statement that reads it, so of two callers one gets it. */
  takeInvite(secretHash: string, now: number): Promise<InviteRow | undefined>;
}

export interface Orders {
  addOrder(row: OrderRow): Promise<void>;
  order(id: string): Promise<OrderRow | undefined>;
  /** Newest first. */
  orders(limit: number): Promise<readonly OrderRow[]>;
  /** @returns false when it no longer waited: of two who decide, one does */
  decideOrder(id: string, state: Exclude<OrderState, 'waiting'>, by: string, at: number): Promise<boolean>;
  addBreakGlass(row: BreakGlassRow): Promise<void>;
  /** Those that are running or that nobody has looked at, newest first. */
  openBreakGlass(now: number): Promise<readonly BreakGlassRow[]>;
  /** @returns false when there is none of this id that was not looked at */
  reviewBreakGlass(id: string, by: string, at: number): Promise<boolean>;
}

/** An agent that was registered over the API and not in cordon.yaml. */
export interface AgentRow {
  readonly name: string;
  readonly segment: string;
  readonly owner: string;
  readonly purpose: string;
  /** SPIFFE ID of the operator. */
  readonly createdBy: string;
  readonly createdAt: number;
}

/** A registration entry that was made over the API. */
export interface EntryRow {
  readonly id: string;
  readonly kind: 'agent' | 'resource';
  readonly name: string;
  readonly selectors: readonly string[];
  /** Milliseconds. */
  readonly ttl?: number;
  readonly owner: string;
  readonly purpose: string;
  /** Digests by part. */
  readonly composition: { readonly [part: string]: string };
  readonly createdBy: string;
  readonly createdAt: number;
}

/** A single-use right to become a run of an agent on another machine. Only the SHA-256 of the token is kept. */
export interface AgentTokenRow {
  readonly tokenHash: string;
  /** What it is called in the log. */
  readonly id: string;
  readonly kind: 'agent' | 'resource';
  readonly name: string;
  readonly expiresAt: number;
  readonly createdBy: string;
}

/** What a run was when it was attested, and what it has said since. */
export interface PostureRow {
  readonly runId: string;
  readonly attestor: string;
  /** Absent when an operator's own word was the entry. */
  readonly entryId?: string;
  readonly selectors: readonly string[];
  readonly owner: string;
  readonly purpose: string;
  /** Digests that were seen, by part. */
  readonly composition: { readonly [part: string]: string };
  /** Parts that were seen to differ from what is registered, until that is lifted. */
  readonly drift: readonly string[];
  readonly at: number;
}

export interface Entries {
  /** Same name again = replaced. */
  putAgent(row: AgentRow): Promise<void>;
  registeredAgents(): Promise<readonly AgentRow[]>;
  /** With its entries and tokens. @returns false when there was none */
  removeAgent(name: string): Promise<boolean>;
  /** Same id again = replaced. */
  putEntry(row: EntryRow): Promise<void>;
  entries(): Promise<readonly EntryRow[]>;
  /** @returns false when there was none */
  removeEntry(id: string): Promise<boolean>;
  addAgentToken(row: AgentTokenRow): Promise<void>;
  /** Takes the token in the statement that reads it, so of two callers one gets it. Undefined from `expiresAt` on; it is gone then too. */
  takeAgentToken(tokenHash: string, now: number): Promise<AgentTokenRow | undefined>;
  /** Of one run, replaced as a whole. @throws Refusal CORDON-9004 when the run is not known */
  putPosture(row: PostureRow): Promise<void>;
  /** Of the runs that have not ended. */
  postures(): Promise<readonly PostureRow[]>;
}

/** What was taken back before its time. */
export interface RevocationRow {
  readonly kind: Revocable;
  readonly id: string;
  readonly at: number;
  /** From then on nothing of it lives anyway. */
  readonly until: number;
  /** SPIFFE ID. */
  readonly actor: string;
  readonly reason: string;
}

export interface Revocations {
  /** The same again = it stands for the longer of both times. What has ended by `at` is forgotten. */
  addRevocation(row: RevocationRow): Promise<void>;
  /** Those that still matter, oldest first. */
  activeRevocations(now: number): Promise<readonly RevocationRow[]>;
}

/** The last good bundle of a trust domain that is federated with. */
export interface FederatedBundleRow {
  readonly trustDomain: string;
  /** The document as it came, sealed by the caller: who writes to the database must not name who is trusted. */
  readonly sealed: Uint8Array;
  readonly fetchedAt: number;
}

export interface FederatedBundles {
  /** Same domain again = replaced. */
  putFederatedBundle(row: FederatedBundleRow): Promise<void>;
  federatedBundles(): Promise<readonly FederatedBundleRow[]>;
  removeFederatedBundle(trustDomain: string): Promise<void>;
}

export interface Store
  extends
    Runs,
    JoinTokens,
    Certificates,
    Levels,
    Sealed,
    Pins,
    Decisions,
    PolicyVersions,
    Operators,
    Orders,
    Entries,
    Revocations,
    FederatedBundles,
    GrantRows {
  close(): Promise<void>;
}
