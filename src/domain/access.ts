// What is asked and what was answered. The request has the shape of AuthZEN 1.0 (subject, action, resource, context); the record is
// the decision record `cordon.decision/v1` of the UX reference §4: same fields on every verdict, unknown = absent.
import type { Code, Kind } from './codes.ts';
import type { Json, JsonObject } from './json.ts';
import type { SpiffeId } from './spiffe-id.ts';

export type Verdict = 'allow' | 'deny' | 'approval_required' | 'error';
export type Mode = 'enforce' | 'shadow';
export type Level = 'normal' | 'watched' | 'restricted' | 'off';
export const LEVELS: readonly Level[] = ['normal', 'watched', 'restricted', 'off'];

export type ResourceType = 'tool' | 'mcp_server' | 'agent';

/** `resource.id`: `ledger/pay_invoice` for a tool, `ledger` for a server, `clerk` for an agent. */
export interface AccessRequest {
  readonly subject: { readonly type: 'agent'; readonly id: string; readonly spiffeId: SpiffeId; readonly run: string | undefined };
  /** `tools/call`, `tools/list`, `initialize`, `a2a/SendMessage`, … */
  readonly action: { readonly name: string };
  readonly resource: { readonly type: ResourceType; readonly id: string };
  /** `input`: the arguments as the callee will receive them. */
  readonly context: { readonly input?: JsonObject } & JsonObject;
}

export type ClauseState = 'held' | 'failed' | 'not_reached' | 'error';

export interface Clause {
  readonly policy: string;
  /** Source text of the clause. */
  readonly clause: string;
  readonly state: ClauseState;
  /** The observed values, as text: `context.input.amount_cents: 4200`. */
  readonly observed?: string;
}

/** A permit that did not match, and the first clause that stopped it. */
export interface NearestPermit {
  readonly policy: string;
  readonly held: number;
  readonly total: number;
  readonly failedClause: string;
  readonly observed?: string;
  readonly clauses: readonly Clause[];
  /** `file:line` of the policy. */
  readonly source?: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Why: for an allow the permits, for a deny the forbids with their clauses or the nearest permits (at most 3, best first). */
export interface Explanation {
  readonly determining: readonly DeterminingPolicy[];
  readonly nearest: readonly NearestPermit[];
}

export interface DeterminingPolicy {
  readonly policy: string;
  readonly effect: 'permit' | 'forbid';
  readonly source?: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly clauses: readonly Clause[];
}

export interface Decision {
  readonly verdict: Verdict;
  readonly code?: Code;
  /** Which gate said no: the agent's own rights, the user's, or the mandate's. */
  readonly gate?: 'agent' | 'user' | 'mandate';
  /** Ids of the policies that decided. */
  readonly determining: readonly string[];
  /** Ids of policies that failed to evaluate, with the engine's message. */
  readonly errors: readonly { readonly policy: string; readonly message: string }[];
  /** `@reason` of the deciding forbid, or why the request was refused before policy. */
  readonly reason?: string;
  readonly policyVersion: number;
}

/** One record of the audit log; RFC 8785 JSON of this object is the leaf. */
export interface DecisionRecord {
  readonly schema: 'cordon.decision/v1';
  readonly id: string;
  /** RFC 3339 with milliseconds, UTC. */
  readonly ts: string;
  readonly mode: Mode;
  readonly verdict: Verdict;
  readonly kind?: Kind;
  readonly code?: Code;
  readonly reason?: string;
  readonly pep: { readonly id: string; readonly version: string };
  readonly principal?: string;
  readonly run?: string;
  /** What an unverified certificate says of itself; never a fact. */
  readonly claimed?: string;
  readonly action: string;
  readonly resource: string;
  readonly segment?: { readonly src?: string; readonly dst?: string };
  readonly args?: { readonly digest: string };
  readonly gate?: string;
  readonly policy: { readonly version: number; readonly bundle_hash?: string; readonly determining: readonly string[] };
  readonly errors?: readonly { readonly policy: string; readonly message: string }[];
  readonly level?: Level;
}

/** The second fact about a forwarded call; a record of its own. */
export interface OutcomeRecord {
  readonly schema: 'cordon.outcome/v1';
  readonly decision: string;
  readonly ts: string;
  readonly status: 'completed' | 'failed' | 'cut' | 'aborted';
  readonly upstream_status?: number;
  readonly bytes: number;
  readonly code?: Code;
  readonly latency_ms: { readonly pdp: number; readonly pep: number; readonly upstream: number };
}

/** An act of an operator or of Cordon itself (issue, off, release, policy change); logged like a decision. */
export interface ActRecord {
  readonly schema: 'cordon.act/v1';
  readonly ts: string;
  readonly actor: string;
  readonly act: string;
  readonly target: string;
  readonly reason?: string;
  readonly detail?: { readonly [key: string]: Json };
}

export type LogRecord = DecisionRecord | OutcomeRecord | ActRecord;

/** Where a record stands in a log: proof that it was recorded. Only the log makes one. */
export interface Receipt {
  readonly log: string;
  readonly seq: number;
  /** Hex SHA-256 of 0x00 ‖ leaf (RFC 6962 §2.1). */
  readonly leafHash: string;
}
