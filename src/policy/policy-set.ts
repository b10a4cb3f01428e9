// What the rest of Cordon sees of the policy engine: a set of policies that was admitted, and the questions to ask it.
// No type of Cedar or of its engine passes this file.
import type { AccessRequest, Clause, Decision, Delegation, Explanation, Mode, ResourceType } from '../domain/access.ts';
import type { World } from '../domain/registry.ts';
import type { Watch } from './oversight.ts';
import type { Principal } from './principals.ts';

/** One policy file. */
export interface PolicySource {
  /** As messages name it: `policies/finance.cedar`. */
  readonly path: string;
  /** Cedar policies, as written. */
  readonly text: string;
}

export interface PolicyRow {
  readonly id: string;
  readonly effect: 'permit' | 'forbid';
  /** `file:line`; guardrails stand in `guardrails`. */
  readonly source: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** `@mode`: a policy in shadow is evaluated and recorded, without effect. */
  readonly mode: Mode;
  /** Exactly this policy, as written. */
  readonly text: string;
}

/** Something the engine warns of that is no reason to refuse the set. */
export interface PolicyWarning {
  readonly policy: string;
  readonly source: string;
  readonly message: string;
}

/** What an agent may do if its arguments are not known; the policies on which that rests. */
export interface Reach {
  readonly access: 'always' | 'may' | 'never';
  /** Permits that hold, or may. */
  readonly permits: readonly string[];
  /** For `never` those that hold, else those that may. */
  readonly forbids: readonly string[];
}

/** One policy whose scope holds, and how far its evaluation went. */
export interface PolicyTrace {
  readonly policy: string;
  readonly effect: 'permit' | 'forbid';
  readonly clauses: readonly Clause[];
}

export interface PolicySet {
  readonly version: number;
  /** Digest of guardrails and sources; changes exactly when the text of a policy or its place does. */
  readonly hash: string;
  /** As they were admitted, without the guardrails: another process admits the same. */
  readonly sources: readonly PolicySource[];
  /** Guardrails first, then the sources in their order. */
  readonly policies: readonly PolicyRow[];
  readonly warnings: readonly PolicyWarning[];

  /**
   * Were the policies validated against the tools of this world? Levels, agents, segments, links and tags may change under a set; a
   * tool that is new, gone, defined anew or now a read asks for `admit` again. Until then a call of that tool is an error, not a guess.
   */
  covers(world: World): boolean;

  /**
   * The decision on one request by what the policies say of `principal`: the agent that calls, or the user for whom it does. What both
   * and the mandate come to is for gates.ts to say. Never throws: whatever fails in here is verdict `error`, CORDON-9001, which denies.
   *
   * | code | when |
   * | --- | --- |
   * | 1014, 3003, 3008 | the agent, the resource or tool, the action is unknown |
   * | 3006 | the tool cannot be typed, or the arguments do not fit its input schema, and no forbid holds whatever the arguments |
   * | the forbid's `@code`, else 3002 | forbids hold; the first of them in the order of `policies` names code and reason |
   * | 9001 (verdict `error`) | a user is asked about and the request is on behalf of nobody |
   * | 9005 (verdict `error`) | no forbid holds, but one failed to evaluate: Cedar would skip it and fail open |
   * | 3005 | no permit holds, but one would with other arguments: its scope and every clause that reads no `context` hold |
   * | 3001 | no permit holds |
   */
  decide(request: AccessRequest, world: World, principal?: Principal): Decision;

  /**
   * The names of the tools of `resource` that `agent` may see, in the order of the world: all but those for which `decide` denies
   * whatever the arguments are, to the agent or to the user for whom it calls. A superset of what can be allowed (proof in outline.ts).
   * Never throws; what fails is not visible.
   */
  visibleTools(agent: string, resource: string, world: World, delegation?: Delegation): readonly string[];

  /**
   * Why `decide` says what it says: for an allow the permits, for a forbid the forbids with the observed values, for an error the
   * forbid that failed and where, for a default deny the three nearest permits. Empty when the request never reached a policy.
   * Costs more than a decision: off the path of the call. @throws Error when the engine fails
   */
  explain(request: AccessRequest, world: World, principal?: Principal): Explanation;

  /** Every policy whose scope holds for the request, with the state of its clauses: what a test covered. Empty as `explain`. */
  trace(request: AccessRequest, world: World, principal?: Principal): readonly PolicyTrace[];

  /** May `agent` do this, for some arguments or for all? Nothing that is unregistered, untyped or not covered is reached. */
  reach(wanted: { readonly agent: string; readonly action: string; readonly type: ResourceType; readonly id: string }, world: World): Reach;

  /** A sample of the decisions of this set is decided again by the official engine from now on. */
  watch(check: Watch): void;

  /** From now on the official engine decides: slower by hundreds of microseconds, and believed. @throws Error when it cannot take the set */
  failOver(): void;
}
