// The control plane as its routes see it. The composition root builds it; routes hold no state of their own.
import type { AccessRequest, Decision, Explanation, Level, LogRecord, Receipt } from '../domain/access.ts';
import type { SpiffeId } from '../domain/spiffe-id.ts';
import type { SvidFacts } from '../identity/svid.ts';
import type { Store } from '../store/ports.ts';
import type { Catalog, ResourceState } from './catalog.ts';
import type { Config } from './config.ts';
import type { DecisionIndex } from './decisions.ts';
import type { Issuer } from './issuer.ts';
import type { Publisher } from './publisher.ts';

export interface AgentView {
  readonly name: string;
  readonly segment: string;
  readonly owner: string;
  readonly purpose: string;
  readonly level: Level;
  readonly runs: readonly { readonly id: string; readonly notAfter: number }[];
  readonly connections: number;
}

export interface LiveConnection {
  readonly address: string;
  readonly spiffeId: string;
  readonly serial: string;
  readonly notAfter: number;
}

export interface Check {
  readonly category: 'ca' | 'gateway' | 'store' | 'clock' | 'policy' | 'log' | 'clients';
  readonly name: string;
  readonly ok: boolean;
  /** What was seen. */
  readonly detail: string;
  /** What to do about it; present when not ok. */
  readonly fix?: string;
}

export interface StatusView {
  readonly schema: 'cordon.status/v1';
  readonly trustDomain: string;
  readonly version: string;
  readonly ready: boolean;
  readonly startedAt: number;
  readonly gateway: { readonly url: string; readonly connections: number; readonly openCalls: number };
  readonly snapshot: { readonly version: number; readonly ageMs: number };
  readonly policies: { readonly state: 'enforce' | 'none'; readonly version: number; readonly count: number; readonly error?: { readonly code: string; readonly message: string; readonly fix: string } };
  readonly agents: Readonly<Record<Level, number>>;
  readonly resources: readonly ResourceState[];
  readonly log: { readonly origin: string; readonly size: number };
}

export interface Control {
  readonly config: Config;
  readonly store: Store;
  readonly publisher: Publisher;
  readonly issuer: Issuer;
  readonly catalog: Catalog;
  readonly decisions: DecisionIndex;
  readonly levels: Store;
  readonly log: { append(record: LogRecord): Receipt };
  readonly now: () => number;
  readonly gatewayUrl: string;
  readonly controlUrl: string;
  readonly identityUrl: string;
  agentId(agent: string): SpiffeId;
  agents(): readonly AgentView[];
  connections(): readonly LiveConnection[];
  status(): Promise<StatusView>;
  doctor(): Promise<{ readonly schema: 'cordon.doctor/v1'; readonly checks: readonly Check[] }>;
  ask(request: AccessRequest): { readonly decision: Decision; readonly explanation: Explanation | undefined };
  reloadPolicies(actor: string): Promise<{ readonly schema: 'cordon.policies/v1'; readonly version: number; readonly count: number }>;
  endRun(id: string, actor: string): Promise<boolean>;
  /** A workload turned somebody away that did not come through the gateway. */
  reportBypass(reporter: SvidFacts, peer: string | undefined, reason: string): Promise<{ readonly decision: string }>;
}
