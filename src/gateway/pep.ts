// What one policy enforcement point holds. The composition root fills it in; nothing here is a singleton.
import type { AccessRequest, Decision, DecisionRecord, LogRecord, Receipt } from '../domain/access.ts';
import type { JwsSigner } from '../crypto/jws.ts';
import type { Sealer } from '../crypto/seal.ts';
import type { SpiffeId, TrustDomain } from '../domain/spiffe-id.ts';
import type { Spent } from '../pdp/approval.ts';
import type { Snapshot } from '../pdp/snapshot.ts';
import type { Replays } from '../sts/dpop.ts';
import type { TaskToken } from '../sts/task-token.ts';
import type { A2aIdsOf } from './a2a-ids.ts';
import type { Budgets } from './budgets.ts';
import type { Connections } from './connections.ts';
import type { Exchanges } from './exchanges.ts';
import type { Limiter } from './limits.ts';
import type { PageOpeners } from './mcp-page-openers.ts';
import type { McpSessions } from './mcp-sessions.ts';
import type { Outcomes } from './outcomes.ts';
import type { RunRisk } from './run-risk.ts';
import type { SharedCounts } from './shared-counts.ts';
import type { SpentGrants } from './spent.ts';
import type { TaskLabels } from './task-labels.ts';
import type { TaskSessions } from './task-sessions.ts';
import type { Upstreams } from './upstreams.ts';
import type { VerifiedTokens } from './verified-tokens.ts';

/** The audit log as the PEP sees it: the record is with the kernel when `append` returns. */
export interface RecordLog {
  /** @throws Refusal CORDON-9004 */
  append(record: LogRecord): Receipt;
}

/** A decision that was recorded, for `cordon why` and live views; arrives after the fact, never on the path of a call. */
export interface Recorded {
  readonly record: DecisionRecord;
  readonly receipt: Receipt;
  readonly request: AccessRequest | undefined;
}

/** A PDP elsewhere that must allow too. */
export interface RemotePdp {
  /** Never throws: what fails denies. */
  evaluate(request: AccessRequest): Promise<{ readonly decision: Decision }>;
}

/** What a transaction token says of the call that it goes with. */
export interface TxnFacts {
  /** The run that calls. */
  readonly caller: SpiffeId;
  readonly action: string;
  /** `tool:ledger/pay_invoice`, `agent:clerk`. */
  readonly resource: string;
  /** Name of the agent that is called, or SPIFFE ID of the resource. */
  readonly callee: string;
  /** Absent: the caller acts for itself. */
  readonly task: TaskToken | undefined;
}

/** Makes what goes to a callee in place of the caller's token: `Txn-Token`. */
export interface TxnMinter {
  /** @throws Refusal CORDON-9006 when there is no key to sign with */
  mint(facts: TxnFacts): string;
}

export interface PepSettings {
  /** A snapshot older than this is not decided with. Milliseconds. */
  readonly maxStaleness: number;
  readonly maxBodyBytes: number;
  readonly maxReplyBytes: number;
  readonly maxDepth: number;
  readonly spent: Spent;
}

export interface Pep {
  readonly id: string;
  readonly version: string;
  readonly trustDomain: TrustDomain;
  /** `https://host:port`, as agents see it. */
  readonly publicUrl: string;
  readonly settings: PepSettings;
  readonly snapshot: () => Snapshot | undefined;
  readonly log: RecordLog;
  readonly outcomes: Outcomes;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly upstreams: Upstreams;
  readonly connections: Connections;
  readonly exchanges: Exchanges;
  readonly limiter: Limiter;
  readonly tokens: VerifiedTokens;
  readonly budgets: Budgets;
  readonly spent: SpentGrants;
  readonly taskSessions: TaskSessions;
  readonly taskLabels: TaskLabels;
  readonly runRisk: RunRisk;
  readonly mcpSessions: McpSessions;
  readonly pageOpeners: PageOpeners;
  /** Ids of tasks and contexts of other agents, by whom they are for. */
  readonly a2aIds: A2aIdsOf;
  /** Seals what callers keep for a server between two calls. */
  readonly stateSealer: Sealer;
  /** DPoP proofs that were used. */
  readonly replays: Replays;
  readonly shared?: SharedCounts;
  readonly minter: TxnMinter;
  /** Of the token service, whose keys are published: signs what the gateway says of others. */
  readonly signer: () => JwsSigner;
  readonly remote: RemotePdp | undefined;
  /** Where people answer the request of this digest; undefined: nobody signs in. */
  readonly requestPage: ((digest: string) => string) | undefined;
  readonly onRecorded: (recorded: Recorded) => void;
}
