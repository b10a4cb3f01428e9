// What would change: recorded requests are decided again, by the set that is enforced and by another, in the same world. Comparing two
// sets, and not a set with what was recorded, leaves out what levels, tools and agents have changed since: only policy differs.
// Requests are those recorded at decision time; what they speak of and is no longer registered as it was cannot be evaluated.
import type { Sealer } from '../crypto/seal.ts';
import type { AccessRequest, Decision } from '../domain/access.ts';
import type { Code } from '../domain/codes.ts';
import type { World } from '../domain/registry.ts';
import { segmentsOf } from '../pdp/segments.ts';
import { decideGates } from '../policy/gates.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import type { DecisionRow } from '../store/ports.ts';
import { requestOf } from './decision-rows.ts';
import type { DecisionIndex } from './decisions.ts';
import { recorded, type RecordedSpan } from './recorded.ts';

export type ImpactSpan = Omit<RecordedSpan, 'agent'>;

export interface ImpactQuestion extends ImpactSpan {
  readonly from: PolicySet;
  readonly to: PolicySet;
  readonly world: World;
}

export interface ImpactParts {
  readonly decisions: Pick<DecisionIndex, 'list'>;
  readonly sealer: Sealer;
}

/** Calls of one agent to one thing whose answer would change, for the same reason. */
export type ImpactChange = {
  readonly change: 'allow>deny' | 'deny>allow';
  readonly agent: string;
  readonly action: string;
  readonly resource: string;
  /** Of the resource. */
  readonly segment?: string;
  /** The forbids that come or go; where there are none, the permits. Accepted by these names. */
  readonly policies: readonly string[];
  readonly count: number;
  /** The newest of these decisions. */
  readonly example: string;
};

export type Impact = {
  readonly from: number;
  readonly to: number;
  readonly since: number;
  /** Recorded decisions that were looked at. */
  readonly decisions: number;
  /** Is that all of them since then, or were there more than the limit? */
  readonly complete: boolean;
  readonly counts: {
    readonly allowToDeny: number;
    readonly denyToAllow: number;
    readonly unchanged: number;
    readonly notEvaluable: number;
    /** Refused before there was a request: not for policy to say. */
    readonly skipped: number;
  };
  /** Widening first, then by count. */
  readonly changes: readonly ImpactChange[];
};

/** Decides what was recorded again. Gives the thread back every few milliseconds. @throws Refusal CORDON-9004 */
export async function impactOf(parts: ImpactParts, question: ImpactQuestion): Promise<Impact> {
  const tally = new Tally(question);
  for await (const row of recorded(parts.decisions, question)) tally.add(row, replayed(row, parts.sealer, question));
  return tally.impact();
}

/** Names of policies by which something would be allowed that is denied now, and that are not among those `accepted`. */
export function unaccepted({ changes }: Impact, accepted: readonly string[]): readonly string[] {
  const widening = changes.filter(({ change }) => change === 'deny>allow').flatMap(({ policies }) => policies);
  return [...new Set(widening)].filter((policy) => !accepted.includes(policy)).toSorted();
}

interface Replay {
  readonly request: AccessRequest;
  readonly before: Decision;
  readonly after: Decision;
}

function replayed(row: DecisionRow, sealer: Sealer, { from, to, world }: ImpactQuestion): Replay | 'skipped' | 'gone' {
  try {
    const request = requestOf(row, sealer);
    if (request === undefined) return 'skipped';
    const before = decideGates(from, request, world, row.at);
    if (isGone(before, row)) return 'gone';
    return { request, before, after: decideGates(to, request, world, row.at) };
  } catch {
    return 'gone'; // what cannot be read or decided any more is counted as such, and stops nothing
  }
}

const UNKNOWN: ReadonlySet<Code | undefined> = new Set(['CORDON-1014', 'CORDON-3003', 'CORDON-3006', 'CORDON-3008']);

/** Is something of the request unknown now, or defined otherwise, that was not when it was decided? */
const isGone = ({ code }: Decision, row: DecisionRow): boolean => UNKNOWN.has(code) && row.code !== code;

const isAllow = ({ verdict }: Decision): boolean => verdict === 'allow';

class Tally {
  readonly #question: ImpactQuestion;
  readonly #counts = { allowToDeny: 0, denyToAllow: 0, unchanged: 0, notEvaluable: 0, skipped: 0 };
  readonly #changes = new Map<string, ImpactChange>();
  #decisions = 0;
  #complete = true;

  constructor(question: ImpactQuestion) {
    this.#question = question;
  }

  add(row: DecisionRow, replay: Replay | 'skipped' | 'gone'): void {
    if (this.#decisions === this.#question.limit) {
      this.#complete = false;
      return;
    }
    this.#decisions++;
    if (replay === 'skipped') this.#counts.skipped++;
    else if (replay === 'gone') this.#counts.notEvaluable++;
    else if (isAllow(replay.before) === isAllow(replay.after)) this.#counts.unchanged++;
    else this.#change(row, replay);
  }

  #change({ id }: DecisionRow, { request, before, after }: Replay): void {
    const widens = isAllow(after);
    this.#counts[widens ? 'denyToAllow' : 'allowToDeny']++;
    const [denied, allowed] = widens ? [before, after] : [after, before];
    const policies = denied.determining.length > 0 ? denied.determining : allowed.determining;
    const { subject, action, resource } = request;
    const { dst } = segmentsOf(this.#question.world, request);
    const change = widens ? 'deny>allow' : 'allow>deny';
    const key = JSON.stringify([change, subject.id, action.name, resource.id, policies]);
    const known = this.#changes.get(key);
    const segment = dst === undefined ? {} : { segment: dst };
    const made = { change, agent: subject.id, action: action.name, resource: resource.id, ...segment, policies, example: id } as const;
    this.#changes.set(key, { ...(known ?? made), count: (known?.count ?? 0) + 1 });
  }

  impact(): Impact {
    const { from, to, since } = this.#question;
    const widening = ({ change }: ImpactChange): number => (change === 'deny>allow' ? 1 : 0);
    return {
      from: from.version,
      to: to.version,
      since,
      decisions: this.#decisions,
      complete: this.#complete,
      counts: { ...this.#counts },
      changes: [...this.#changes.values()].toSorted((a, b) => widening(b) - widening(a) || b.count - a.count),
    };
  }
}
