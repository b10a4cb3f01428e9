// Which attacks were tried, and what became of each. An attacker is often not told why (a hidden resource looks like none), so the reason
// is taken from Cordon's own record of the same call.
import type { Attack, DeskEvent } from '../desk.ts';
import type { SeenDecision } from './answers.ts';
import type { AttackOutcome } from './story.ts';

type Matches = (decision: SeenDecision, event: DeskEvent) => boolean;

/** A call of the tool itself, or the opening of a session with its server, which is where a hidden server already ends. */
const byTool: Matches = (decision, { tool = '' }) =>
  decision.principal?.includes('/agent/clerk/') === true && (decision.resource === tool || decision.resource === tool.split('/', 1)[0]);

/** How the record of each kind of attack is found when the attacker was not told its id. */
const MATCHES: Readonly<Record<Attack, Matches>> = {
  exfiltrate: byTool,
  'redirect-payment': byTool,
  'cross-segment': byTool,
  // a forged certificate never becomes a principal: the handshake is refused
  impersonate: (decision) => decision.action === 'tls/handshake',
  bypass: (decision) => decision.action === 'tls/connect',
};

const isAttack = (event: DeskEvent): event is DeskEvent & { readonly attack: Attack } =>
  event.event === 'call' && event.attack !== undefined && event.step !== 'prepare';

/** Takes the events of the desk and the records of Cordon as they come; tells each attack once, when its record is there. */
export class Attacks {
  readonly outcomes: AttackOutcome[] = [];
  readonly #open: (DeskEvent & { readonly attack: Attack })[] = [];
  readonly #denials: SeenDecision[] = [];
  readonly #tell: (outcome: AttackOutcome) => void;
  readonly #protected: boolean;

  constructor(isProtected: boolean, tell: (outcome: AttackOutcome) => void) {
    this.#protected = isProtected;
    this.#tell = tell;
  }

  event(event: DeskEvent): void {
    if (!isAttack(event)) return;
    if (event.ok === true || !this.#protected) return this.#settle(event, undefined);
    this.#open.push(event);
    this.#match();
  }

  decision(decision: SeenDecision): void {
    if (decision.verdict === 'allow') return;
    this.#denials.push(decision);
    this.#match();
  }

  /** Settles what never got a record, so that it is not lost. */
  finish(): void {
    for (const event of this.#open.splice(0)) this.#settle(event, undefined);
  }

  get waiting(): number {
    return this.#open.length;
  }

  #match(): void {
    for (const event of this.#open.slice()) {
      const at = this.#denials.findIndex((decision) =>
        event.decision === undefined ? MATCHES[event.attack](decision, event) : decision.id === event.decision,
      );
      if (at < 0) continue;
      const [decision] = this.#denials.splice(at, 1);
      this.#open.splice(this.#open.indexOf(event), 1);
      this.#settle(event, decision);
    }
  }

  #settle(event: DeskEvent & { readonly attack: Attack }, decision: SeenDecision | undefined): void {
    const code = decision?.code ?? event.code;
    const outcome: AttackOutcome = {
      attack: event.attack,
      invoice: event.invoice,
      tool: event.tool ?? '',
      denied: event.ok !== true,
      ...(code === undefined ? {} : { code }),
      ...reasonOf(decision),
      ...(decision === undefined ? {} : { decision: decision.id }),
      ...(decision?.segment === undefined ? {} : { segment: decision.segment }),
    };
    this.outcomes.push(outcome);
    this.#tell(outcome);
  }
}

/** The policy author's own words where there are any: of the forbid, or of the permit that came nearest. */
function reasonOf(decision: SeenDecision | undefined): { reason?: string; clause?: string } {
  const nearest = decision?.explanation?.nearest[0];
  const reason = nearest?.annotations['reason'] ?? decision?.reason;
  const clause =
    nearest === undefined ? undefined : `${nearest.failedClause}${nearest.observed === undefined ? '' : `   ${nearest.observed}`}`;
  return { ...(reason === undefined ? {} : { reason }), ...(clause === undefined ? {} : { clause }) };
}
