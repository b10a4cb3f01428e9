// The orders about policy versions, what comes of each, and what is where.
import { Refusal } from '../domain/refusal.ts';
import type { PolicySet, PolicySource } from '../policy/policy-set.ts';
import type { Impact, ImpactSpan } from './policy-impact.ts';
import type { PolicyChange, PolicyVersion } from './policy-proof.ts';
import type { TestsView } from './policy-tests.ts';

/** Who orders, and why. */
export interface PolicyOrder {
  readonly actor: string;
  readonly note?: string;
}

export interface ApplyOrder extends PolicyOrder {
  /** Absent: what the configured directory holds. */
  readonly sources?: readonly PolicySource[];
  /** Table tests that come with it. None: those of the configured directory are asked, so that leaving tests out is no way around them. */
  readonly tests?: readonly PolicySource[];
  /** As the candidate, beside what is enforced. */
  readonly shadow: boolean;
  /** Names of policies whose widening is meant. */
  readonly acceptWidening: readonly string[];
}

export type PromoteOrder = PolicyOrder & Pick<ApplyOrder, 'acceptWidening'>;

export interface RollbackOrder extends PolicyOrder {
  /** Absent: the version that was enforced before. */
  readonly to?: number;
}

/** What an order is held against: this long, and at most this many decisions. */
export const GATE_SPAN = { sinceMs: 7 * 86_400_000, limit: 10_000 } as const;

export type RolloutResult = {
  /** `not_accepted`: nothing was done, because something would be allowed that is denied now; `tests_failed`: because of its tests. */
  readonly status: 'enforced' | 'candidate' | 'withdrawn' | 'unchanged' | 'not_accepted' | 'tests_failed';
  readonly version: number;
  readonly hash: string;
  /** How many policies, guardrails included. */
  readonly policies: number;
  /** What was enforced until then. */
  readonly before?: number;
  /** What recorded decisions say of it, where they were asked. */
  readonly impact?: Impact;
  /** Policies by whose name widening has to be accepted. */
  readonly unaccepted?: readonly string[];
  /** What the table tests said, where they were asked; none of them at all is 0 and 0. */
  readonly tests?: TestsView;
};

export interface ImpactOrder extends ImpactSpan {
  /** Absent: what the configured directory holds. */
  readonly sources?: readonly PolicySource[];
  /** Of the candidate instead. */
  readonly candidate: boolean;
}

/** A version, and what it is as a set against the tools of now. */
export interface Placed {
  readonly version: PolicyVersion;
  readonly set: PolicySet | Refusal;
}

/** What is where. A refusal stands for a version that cannot be read. */
export interface Placing {
  readonly enforced: Placed | Refusal;
  readonly candidate: Placed | Refusal | undefined;
  /** The change that made it so. */
  readonly last: PolicyChange | undefined;
}

export interface PolicyRollout {
  /**
   * Reads what was enforced when Cordon stopped, and the directory. Publishes nothing. @throws Refusal CORDON-9004, CORDON-9006 and CORDON-9007 when the directory cannot be read
   */
  start(): Promise<void>;
  /**
   * Admits what does not fit the tools that are known now, and publishes. A directory that has changed since it was read last, or the
   * first there is, is enforced: once it is admitted, until then everything is denied, and once its tests pass, until then what was
   * enforced stays.
   */
  refresh(): Promise<void>;
  /** @throws Refusal CORDON-9006 not admitted or no tests that can be read: nothing changes; CORDON-9007 no policy: everything is denied from now on; CORDON-9004 */
  apply(order: ApplyOrder): Promise<RolloutResult>;
  /** Enforces the candidate. @throws Refusal CORDON-3003 when there is none, CORDON-9004, CORDON-9006 */
  promote(order: PromoteOrder): Promise<RolloutResult>;
  /** Enforces an earlier version, at once: what it widens is not asked. @throws Refusal CORDON-3003, CORDON-9004, CORDON-9006, CORDON-9008 */
  rollback(order: RollbackOrder): Promise<RolloutResult>;
  /** Takes the candidate away. @throws Refusal CORDON-3003, CORDON-9004 */
  withdraw(order: PolicyOrder): Promise<RolloutResult>;
  /** What a set would change; nothing is changed by asking. @throws Refusal CORDON-3003, CORDON-9006, CORDON-9007 */
  impact(order: ImpactOrder): Promise<Impact>;
  placing(): Placing;
}

export const isVersion = (placed: Placed | Refusal, { version }: PolicyVersion): placed is Placed =>
  !(placed instanceof Refusal) && placed.version.version === version;

/** A set that may be enforced; no policy at all is an order like any other, and denies everything. @throws Refusal CORDON-9006 */
export function valid(placed: Placed): Placed {
  if (placed.set instanceof Refusal && placed.set.code !== 'CORDON-9007') throw placed.set;
  return placed;
}

export const resultOf = (status: RolloutResult['status'], { version, set }: Placed): RolloutResult => ({
  status,
  version: version.version,
  hash: version.hash,
  policies: set instanceof Refusal ? 0 : set.policies.length,
});
