// What answers AuthZEN questions, as the protocol sees it. Standard: AuthZEN Authorization API 1.0 §5 (information model). A search is
// made of evaluations, one for each candidate, so the two cannot disagree.
import type { JsonObject } from '../../domain/json.ts';

/** A subject or a resource. */
export interface AuthzenEntity {
  readonly type: string;
  readonly id: string;
  readonly properties?: JsonObject;
}

export interface AuthzenAction {
  readonly name: string;
  readonly properties?: JsonObject;
}

export interface EvaluationRequest {
  readonly subject: AuthzenEntity;
  readonly action: AuthzenAction;
  readonly resource: AuthzenEntity;
  readonly context?: JsonObject;
}

export interface Evaluation {
  readonly decision: boolean;
  /** Never holds a null. */
  readonly context?: JsonObject;
}

/** A decision will be acted on, so it is recorded; a search only looks. */
export type Purpose = 'decision' | 'search';

export interface AuthzenPdp {
  /** Changes whenever an answer may: pages of one search are of one revision. */
  revision(): string;
  /** The types of obligation that it may attach. */
  readonly obligations: readonly string[];
  /** @throws Refusal when it cannot answer: the caller is told that, not a decision; CORDON-9011 when the request makes no sense to it */
  evaluate(request: EvaluationRequest, purpose: Purpose): Evaluation;
  /** The ids of the subjects of this type that may be allowed to do this, in ascending order of their code units; none for what is unknown. */
  subjects(type: string, asked: Omit<EvaluationRequest, 'subject'>): readonly string[];
  resources(type: string, asked: Omit<EvaluationRequest, 'resource'>): readonly string[];
  actions(asked: Omit<EvaluationRequest, 'action'>): readonly string[];
}
