// What is asked and what was answered. The request has the shape of AuthZEN 1.0 (subject, action, resource, context); the record is
// the decision record `cordon.decision/v1`: the same fields on every verdict, unknown = absent.
// Type aliases, not interfaces: the compiler then knows that each of them is JSON.
import type { Code, Kind } from './codes.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject } from './json.ts';
import { type Mandate, mandateJson, parseMandate } from './mandate.ts';
import { parseSessionFacts, type SessionFacts } from './provenance.ts';
import { parseRisk, type Points, type RiskFacts } from './risk.ts';
import { Refusal } from './refusal.ts';
import { parseSpiffeId, type SpiffeId } from './spiffe-id.ts';

export const VERDICTS = ['allow', 'deny', 'approval_required', 'error'] as const;
export type Verdict = (typeof VERDICTS)[number];
export type Mode = 'enforce' | 'shadow';
/** Who may approve what a policy says needs approval; whoever has more rights may too. */
export const APPROVER_ROLES = ['analyst', 'operator', 'admin'] as const;
export type ApproverRole = (typeof APPROVER_ROLES)[number];
export type Level = 'normal' | 'watched' | 'restricted' | 'off';
export const LEVELS: readonly Level[] = ['normal', 'watched', 'restricted', 'off'];

export const RESOURCE_TYPES = ['tool', 'mcp_server', 'agent', 'route', 'egress'] as const;
export type ResourceType = (typeof RESOURCE_TYPES)[number];

/**
 * `resource.id`: `ledger/pay_invoice` for a tool, `billing/getInvoice` for a route of an HTTP API, `ledger` for a server, `clerk` for an agent,
 * `github` for registered hosts outside.
 */
export type AccessRequest = {
  readonly subject: { readonly type: 'agent'; readonly id: string; readonly spiffeId: SpiffeId; readonly run?: string };
  /** `tools/call`, `tools/list`, `initialize`, `a2a/SendMessage`, `http/call`, `egress/connect`, … */
  readonly action: { readonly name: string };
  readonly resource: { readonly type: ResourceType; readonly id: string };
  /** `input`: the arguments as the callee will receive them. `body: 'unseen'`: there may be some, and they are not known. */
  readonly context: { readonly input?: JsonObject } & JsonObject;
  /** Of a call made with a task token: for whom, through whom, within what. */
  readonly delegation?: Delegation;
  /** What is known of the arguments in the session of the task; set by the gateway alone. Absent: it knows of no task. */
  readonly session?: SessionFacts;
  /** Labels of what its task has brought in; set by the gateway alone. Absent: nobody knows, so that it counts as all there are. */
  readonly labels?: readonly string[];
  /** What speaks against the run that calls; set by the gateway alone. Absent: nobody knows, so that it counts as all there can be. */
  readonly risk?: RiskFacts;
  /** The grant that this call has used up already; set by the gateway alone. */
  readonly grant?: string;
};

/** What a task token says, verified. */
export type Delegation = {
  /** Absent when an agent acts for nobody but itself. */
  readonly user?: { readonly id: string; readonly issuer: string; readonly groups: readonly string[] };
  /** Oldest first; the last is the caller. */
  readonly chain: readonly SpiffeId[];
  readonly mandate: Mandate;
  /** How often the task has made this very call before, as the gateway counts; for the budget of its mandate. */
  readonly made?: number;
  /** Which of the calls that its mandate wants made before others the task has made, as the gateway counts; absent: nobody knows, so none. */
  readonly done?: readonly string[];
  /** The same for every call of one task. */
  readonly txn: string;
  /** `jti` of the token, and of those it was exchanged from, oldest first. */
  readonly token: string;
  readonly parents: readonly string[];
  /** Unix milliseconds. */
  readonly expiresAt: number;
};

export type ClauseState = 'held' | 'failed' | 'not_reached' | 'error';

export type Clause = {
  readonly policy: string;
  /** Source text of the clause. */
  readonly clause: string;
  readonly state: ClauseState;
  /** The observed values, as text: `context.input.amount_cents: 4200`. */
  readonly observed?: string;
};

/** A permit that did not match, and the first clause that stopped it. */
export type NearestPermit = {
  readonly policy: string;
  readonly held: number;
  readonly total: number;
  readonly failedClause: string;
  readonly observed?: string;
  readonly clauses: readonly Clause[];
  /** `file:line` of the policy. */
  readonly source?: string;
  readonly annotations: Readonly<Record<string, string>>;
};

/** Why: for an allow the permits, for a deny the forbids with their clauses or the nearest permits (at most 3, best first). */
export type Explanation = {
  readonly determining: readonly DeterminingPolicy[];
  readonly nearest: readonly NearestPermit[];
};

export type DeterminingPolicy = {
  readonly policy: string;
  readonly effect: 'permit' | 'forbid';
  readonly source?: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly clauses: readonly Clause[];
};

/** Who is asked, in this order; all must permit. */
export const GATES = ['agent', 'user', 'mandate'] as const;
export type Gate = (typeof GATES)[number];

/** What those that were asked say. */
export type Gates = { readonly [G in Exclude<Gate, 'user'>]: GateVerdict } & { readonly user?: GateVerdict };

/** What one of the gates says. */
export type GateVerdict = { readonly verdict: Verdict; readonly determining: readonly string[] };

export type Decision = {
  readonly verdict: Verdict;
  readonly code?: Code;
  /** Which gate said no: the agent's own rights, the user's, or the mandate's. */
  readonly gate?: Gate | 'remote';
  /** Of a call with a task token: what each gate says; without a user, two are asked. */
  readonly gates?: Gates;
  /** Ids of the policies that decided. */
  readonly determining: readonly string[];
  /** Ids of policies that failed to evaluate, with the engine's message. */
  readonly errors: readonly { readonly policy: string; readonly message: string }[];
  /** `@reason` of the deciding forbid, or why the request was refused before policy. */
  readonly reason?: string;
  /** Of the set that decided; 0 when none is in force. */
  readonly policyVersion: number;
  /** Of `approval_required`: the least role that may approve. */
  readonly approver?: ApproverRole;
  /** Arguments with which a person approved the call in place of its own. */
  readonly narrowed?: JsonObject;
  /** Of an allow that a person approved: the grant, and when it ends (Unix milliseconds). */
  readonly grant?: { readonly id: string; readonly until: number };
  /** What something that is not enforced would have decided; present when that is another verdict or code. Never acted on. */
  readonly shadow?: ShadowDecision;
};

/**
 * Of the candidate version, when there is one and it would decide otherwise; else of the enforced set with its `@mode("shadow")` policies
 * enforced. `policyVersion` tells which: it is that of the decision itself only in the second case.
 */
export type ShadowDecision = {
  readonly verdict: Verdict;
  readonly code?: Code;
  readonly determining: readonly string[];
  readonly policyVersion: number;
};

/** One record of the audit log; RFC 8785 JSON of this object is the leaf. */
export type DecisionRecord = {
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
  /** The user, as policy knows them. */
  readonly on_behalf_of?: string;
  /** Who handed the task on to whom, oldest first; the last is the principal. */
  readonly chain?: readonly { readonly sub: SpiffeId }[];
  readonly txn?: string;
  readonly mandate?: { readonly digest: string };
  /** What an unverified certificate says of itself; never a fact. */
  readonly claimed?: string;
  readonly action: string;
  readonly resource: string;
  readonly segment?: { readonly src?: string; readonly dst?: string };
  readonly args?: { readonly digest: string };
  /** What policy saw as `context.session`. */
  readonly session?: Omit<SessionFacts, 'sums'>;
  /** What policy saw as `context.labels`, where there were any. */
  readonly labels?: readonly string[];
  /** What policy saw as `context.risk` and `context.causes`, and what this call raised: where that is anything. */
  readonly risk?: RiskFacts & { readonly raised?: Points };
  readonly gate?: string;
  readonly gates?: Gates;
  /** The data plane that carries the call out, when that is not Cordon's own: its name in cordon.yaml. Then no outcome is on record. */
  readonly enforced_by?: string;
  /** Whether that data plane showed the body of the request. */
  readonly body?: 'seen' | 'unseen';
  readonly policy: { readonly version: number; readonly bundle_hash?: string; readonly determining: readonly string[] };
  readonly errors?: readonly { readonly policy: string; readonly message: string }[];
  readonly level?: Level;
  /** Of `approval_required`: the least role that may approve. */
  readonly approver?: ApproverRole;
  /** The grants without which this would not be an allow. */
  readonly grants_used?: readonly string[];
  /** What `ShadowDecision` says; never folded into `verdict`. */
  readonly shadow?: {
    readonly verdict: Verdict;
    readonly code?: Code;
    readonly policy: { readonly version: number; readonly determining: readonly string[] };
  };
};

/** The second fact about a forwarded call: what became of it. */
export type Outcome = {
  /** Id of the decision. */
  readonly decision: string;
  /** RFC 3339 with milliseconds, UTC. */
  readonly ts: string;
  readonly status: 'completed' | 'failed' | 'cut' | 'aborted';
  readonly upstream_status?: number;
  /** Sent to the caller. */
  readonly bytes: number;
  /** Of the caller, through a tunnel. */
  readonly bytes_in?: number;
  readonly code?: Code;
  readonly latency_ms: { readonly pdp: number; readonly pep: number; readonly upstream: number };
};

/** What became of calls that ended within one moment. */
export type OutcomesRecord = {
  readonly schema: 'cordon.outcomes/v1';
  /** Of the last of them. */
  readonly ts: string;
  readonly outcomes: readonly Outcome[];
};

/** One outcome, as it stands in logs of before. */
export type OutcomeRecord = Outcome & { readonly schema: 'cordon.outcome/v1' };

/** An act of an operator or of Cordon itself (issue, off, release, policy change); logged like a decision. */
export type ActRecord = {
  readonly schema: 'cordon.act/v1';
  readonly ts: string;
  readonly actor: string;
  readonly act: string;
  readonly target: string;
  readonly reason?: string;
  readonly detail?: { readonly [key: string]: Json };
};

export type LogRecord = DecisionRecord | OutcomesRecord | OutcomeRecord | ActRecord;

/** Where a record stands in a log: proof that it was recorded. Only the log makes one. */
export type Receipt = {
  readonly log: string;
  readonly seq: number;
  /** Hex SHA-256 of 0x00 ‖ leaf (RFC 6962 §2.1). */
  readonly leafHash: string;
};

/** As it is kept. */
export function accessRequestJson({ delegation, ...request }: AccessRequest): JsonObject {
  return delegation === undefined ? request : { ...request, delegation: { ...delegation, mandate: mandateJson(delegation.mandate) } };
}

/** Reads back a request that was kept as JSON. @throws Refusal CORDON-9006 when what was kept is no request */
export function parseAccessRequest(json: Json): AccessRequest {
  const { subject, action, resource, context, delegation, session, labels, risk } = isJsonObject(json) ? json : {};
  const facts = parseSessionFacts(session);
  const risen = parseRisk(risk);
  if (!isJsonObject(subject) || !isJsonObject(action) || !isJsonObject(resource) || !isJsonObject(context)) throw noRequest();
  const { id, spiffeId, run } = subject;
  const type = RESOURCE_TYPES.find((known) => known === resource['type']);
  const { input, ...rest } = context;
  if (typeof id !== 'string' || typeof spiffeId !== 'string' || (run !== undefined && typeof run !== 'string')) throw noRequest();
  if (typeof action['name'] !== 'string' || typeof resource['id'] !== 'string' || type === undefined) throw noRequest();
  if (input !== undefined && !isJsonObject(input)) throw noRequest();
  return {
    subject: { type: 'agent', id, spiffeId: parseSpiffeId(spiffeId), ...(run === undefined ? {} : { run }) },
    action: { name: action['name'] },
    resource: { type, id: resource['id'] },
    context: { ...rest, ...(input === undefined ? {} : { input }) },
    ...(delegation === undefined ? {} : { delegation: parseDelegation(delegation) }),
    ...(facts === undefined ? {} : { session: facts }),
    ...(labels === undefined ? {} : { labels: textsIn(labels) }),
    ...(risen === undefined ? {} : { risk: risen }),
  };
}

function parseDelegation(json: Json): Delegation {
  const { user, chain, mandate, made, done, txn, token, parents, expiresAt } = isJsonObject(json) ? json : {};
  if ((user !== undefined && !isJsonObject(user)) || mandate === undefined || typeof expiresAt !== 'number') throw noRequest();
  if (made !== undefined && typeof made !== 'number') throw noRequest();
  return {
    ...(user === undefined ? {} : { user: { id: textIn(user['id']), issuer: textIn(user['issuer']), groups: textsIn(user['groups']) } }),
    chain: textsIn(chain).map(parseSpiffeId),
    mandate: parseMandate(mandate),
    ...(made === undefined ? {} : { made }),
    ...(done === undefined ? {} : { done: textsIn(done) }),
    txn: textIn(txn),
    token: textIn(token),
    parents: textsIn(parents),
    expiresAt,
  };
}

function textIn(json: Json | undefined): string {
  if (typeof json !== 'string') throw noRequest();
  return json;
}

function textsIn(json: Json | undefined): readonly string[] {
  if (!isJsonArray(json)) throw noRequest();
  return json.map(textIn);
}

const noRequest = (): Refusal => new Refusal('CORDON-9006', 'what was kept of the decision is no access request');

/** Is it a decision record that this version wrote? The schema tag names the shape; the members that code relies on are looked at. */
export function isDecisionRecord(json: Json | undefined): json is DecisionRecord {
  if (!isJsonObject(json) || json['schema'] !== 'cordon.decision/v1') return false;
  return typeof json['id'] === 'string' && typeof json['verdict'] === 'string' && isJsonObject(json['policy']);
}
