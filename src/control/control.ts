// The control plane as its routes see it. The composition root builds it; routes hold no state of their own.
import type { AccessRequest, Decision, Explanation, Level, LogRecord, Receipt } from '../domain/access.ts';
import type { RiskFacts } from '../domain/risk.ts';
import type { SpiffeId } from '../domain/spiffe-id.ts';
import type { SvidFacts } from '../identity/svid.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import type { Levels, Store } from '../store/ports.ts';
import type { AuthzenService } from './authzen-service.ts';
import type { Attestation } from './attestation.ts';
import type { Catalog, ResourceState } from './catalog.ts';
import type { Config } from './config.ts';
import type { DecisionIndex } from './decisions.ts';
import type { GrantDesk } from './grants.ts';
import type { Federation } from './federation/federation.ts';
import type { Issuer } from './issuer.ts';
import type { AuthorityKeeper } from './keys.ts';
import type { Tokens } from './oauth/tokens.ts';
import type { OperatorService } from './operators/operators.ts';
import type { PolicyAnalysis } from './policy-analysis.ts';
import type { PolicyRollout } from './policy-orders.ts';
import type { HistoryView, PoliciesView } from './policy-views.ts';
import type { Publisher } from './publisher.ts';
import type { RefusedRequest } from './refusals.ts';
import type { WebhookCounts } from './webhook-queue.ts';

export type AgentView = {
  readonly name: string;
  readonly segment: string;
  readonly owner: string;
  readonly purpose: string;
  readonly level: Level;
  readonly runs: readonly { readonly id: string; readonly notAfter: number; readonly risk: RiskFacts }[];
  readonly connections: number;
};

export type LiveConnection = {
  readonly address: string;
  readonly spiffeId: string;
  readonly serial: string;
  /** Unix milliseconds. */
  readonly notAfter: number;
};

export type Check = {
  readonly category: 'ca' | 'gateway' | 'store' | 'clock' | 'policy' | 'log' | 'clients' | 'approvals';
  readonly name: string;
  readonly ok: boolean;
  /** What was seen. */
  readonly detail: string;
  /** What to do about it; present when not ok. */
  readonly fix?: string;
};

/** What the gateway has in flight to a callee, and whether it lets calls through. */
export type CalleeState = {
  readonly kind: 'agent' | 'resource';
  readonly name: string;
  readonly circuit: 'closed' | 'open' | 'half-open';
  readonly inFlight: number;
  readonly most: number;
};

/** A process that carries calls out. */
export type WorkerStatus = {
  readonly pep: string;
  readonly pid: number;
  readonly connections: number;
  readonly openCalls: number;
  /** Version that it enforces; 0 when there is none. */
  readonly policies: number;
  readonly log: { readonly origin: string; readonly size: number };
};

/** How whoever is told of requests for approval is doing. */
export type WebhookState = WebhookCounts & {
  /** Origin of the receiver; its path may be a secret. */
  readonly receiver: string;
};

export type StatusView = {
  readonly schema: 'cordon.status/v1';
  readonly trustDomain: string;
  readonly version: string;
  readonly ready: boolean;
  readonly startedAt: number;
  readonly gateway: { readonly url: string; readonly connections: number; readonly openCalls: number };
  /** Where several processes carry the calls out. */
  readonly workers?: readonly WorkerStatus[];
  readonly snapshot: { readonly version: number; readonly ageMs: number };
  readonly policies: {
    readonly state: 'enforce' | 'none';
    readonly version: number;
    readonly count: number;
    /** Why there are none. */
    readonly error?: { readonly code: string; readonly message: string; readonly fix: string };
  };
  readonly agents: Readonly<Record<Level, number>>;
  readonly resources: readonly ResourceState[];
  /** How callees are doing, as the gateway sees it. */
  readonly upstreams: readonly CalleeState[];
  readonly log: { readonly origin: string; readonly size: number };
  /** Where somebody is told of requests for approval. */
  readonly webhook?: WebhookState;
};

export type DoctorView = { readonly schema: 'cordon.doctor/v1'; readonly checks: readonly Check[] };

/** The SPIFFE Workload API. */
export interface WorkloadSockets {
  /** Opens the socket of a run for what the process `launcher` starts. @returns its path; undefined: there can be none here */
  openRun(run: string, launcher: number): Promise<string | undefined>;
  /** Looks at every open stream again; resolves when each has been told what is true now. */
  refresh(): Promise<void>;
}

export interface Control {
  readonly config: Config;
  readonly store: Store;
  readonly publisher: Publisher;
  readonly issuer: Issuer;
  readonly authority: AuthorityKeeper;
  /** PEM: the authority of hosts whose TLS is intercepted; undefined: there are none. */
  readonly interceptionRoot: string | undefined;
  readonly attestation: Attestation;
  readonly federation: Federation;
  readonly workload: WorkloadSockets;
  readonly catalog: Catalog;
  readonly decisions: DecisionIndex;
  readonly levels: Levels;
  readonly authzen: AuthzenService;
  readonly operators: OperatorService;
  readonly tokens: Tokens;
  readonly grants: GrantDesk;
  readonly log: { append(record: LogRecord): Receipt };
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly gatewayUrl: string;
  readonly controlUrl: string;
  readonly identityUrl: string;
  agentId(agent: string): SpiffeId;
  agents(): readonly AgentView[];
  connections(): readonly LiveConnection[];
  status(): Promise<StatusView>;
  doctor(): Promise<DoctorView>;
  /** What would be decided now; with `draft` in place of the policies that are enforced. */
  ask(request: AccessRequest, draft?: PolicySet): { readonly decision: Decision; readonly explanation: Explanation | undefined };
  readonly rollout: PolicyRollout;
  readonly analysis: PolicyAnalysis;
  policies(): Promise<PoliciesView>;
  /** Newest first. */
  policyHistory(limit: number): Promise<HistoryView>;
  /** @returns false when it had ended already or never was */
  endRun(id: string, actor: string): Promise<boolean>;
  /** The control plane refused somebody; recorded, never throws. */
  refused(request: RefusedRequest): void;
  /** A workload turned somebody away that did not come through the gateway. @throws Refusal CORDON-4003 */
  reportBypass(reporter: SvidFacts, peer: string | undefined, reason: string): Promise<{ readonly decision: string }>;
}
