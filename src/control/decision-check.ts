// The cross-check in force: a sample of the decisions of the enforced policy set is decided again by the official engine. A divergence is
// an incident: it goes on record, and from then on the official engine decides, with this set and with those that follow, until Cordon is
// started anew. INVARIANT I1: if the official engine cannot take over, everything is denied.
import type { JsonObject } from '../domain/json.ts';
import { asRefusal, errorTextOf, Refusal } from '../domain/refusal.ts';
import { type CedarAnswer, CrossCheck, type CrossCheckCounts, type CrossCheckOptions, type Divergence } from '../policy/cross-check.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import type { Publisher } from './publisher.ts';
import { recordAct, type ActLog } from './acts.ts';

export interface DecisionCheckParts extends Pick<CrossCheckOptions, 'sample' | 'random'>, ActLog {
  readonly publisher: Pick<Publisher, 'setPolicies' | 'publish'>;
  readonly onNotice: (line: string) => void;
}

export type DecisionCheckView = CrossCheckCounts & {
  /** Who decides. */
  readonly engine: 'compiled' | 'official';
};

export class DecisionCheck {
  readonly #parts: DecisionCheckParts;
  readonly #check: CrossCheck;
  #enforced: PolicySet | Refusal | undefined;
  #candidate: PolicySet | undefined;
  #diverged = false;

  constructor(parts: DecisionCheckParts) {
    this.#parts = parts;
    this.#check = new CrossCheck({
      sample: parts.sample,
      random: parts.random,
      onDivergence: (divergence) => this.#incident(divergence),
      onFailure: ({ message }) => parts.onNotice(`! a decision could not be checked: ${message}`),
    });
  }

  view(): DecisionCheckView {
    return { engine: this.#diverged ? 'official' : 'compiled', ...this.#check.counts };
  }

  /** In place of the publisher's own: what is enforced is watched. */
  setPolicies(policies: PolicySet | Refusal, candidate?: PolicySet): void {
    this.#enforced = policies;
    this.#candidate = candidate;
    const decided = this.#diverged ? byOfficial(policies) : policies;
    if (!this.#diverged && !(policies instanceof Refusal)) policies.watch(this.#check);
    this.#parts.publisher.setPolicies(decided, candidate);
  }

  async close(): Promise<void> {
    await this.#check.close();
  }

  #incident(divergence: Divergence): void {
    const { publisher, onNotice } = this.#parts;
    if (!this.#diverged && this.#enforced !== undefined) {
      this.#diverged = true;
      publisher.setPolicies(byOfficial(this.#enforced), this.#candidate);
      publisher.publish(); // open calls are decided again, by the engine that is believed
    }
    const { version, principal, resource } = divergence.request;
    onNotice(
      `! policy engine: a decision on ${principal.id} and ${resource.id} (version ${version}) differs from the official engine's, which decides from now on`,
    );
    this.#record(divergence);
  }

  #record({ request, ours, official }: Divergence): void {
    const { onNotice } = this.#parts;
    const detail = {
      principal: request.principal.id,
      action: request.action.id,
      resource: request.resource.id,
      ours: jsonOf(ours),
      official: jsonOf(official),
    };
    try {
      recordAct(this.#parts, {
        actor: 'cordon',
        act: 'policy.divergence',
        target: `policy version ${request.version}`,
        reason: 'the compiled policy engine and the official one disagree',
        detail,
      });
    } catch (error) {
      onNotice(`! the divergence is not on record: ${errorTextOf(error)}`);
    }
  }
}

const jsonOf = ({ allowed, reasons, errors }: CedarAnswer): JsonObject => ({ allowed, reasons, errors });

function byOfficial(policies: PolicySet | Refusal): PolicySet | Refusal {
  if (policies instanceof Refusal) return policies;
  try {
    policies.failOver();
    return policies;
  } catch (error) {
    return asRefusal(error, 'CORDON-9001', 'neither policy engine can be believed');
  }
}
