// Rules that take rights away from an agent by what it did itself: so many denied calls of a kind within a time, and its level is tightened
// for a while. Only calls that the agent made over its own mTLS count, so nobody is contained by what others say of them; what only touches an
// agent (who called it, for whom it acts) does not count either. INVARIANT I6
import type { AccessRequest, DecisionRecord, Level } from '../domain/access.ts';
import type { Code } from '../domain/codes.ts';
import { isCause, type Points, pointsAfter, riskOf } from '../domain/risk.ts';
import { isAsked } from '../policy/methods.ts';
import { faded } from '../trust/risk.ts';

export type ContainmentRule = (DenialsRule | RiskRule) & {
  readonly level: Exclude<Level, 'normal'>;
  /** Until the level that the rule set is taken back; doubled each time that the rule holds again soon after. Milliseconds. */
  readonly forMs: number;
};

export interface DenialsRule {
  /** Denials that count: by code, and where it is said, by a policy that decided (`containment.*`). */
  readonly code: Code;
  readonly policy?: string;
  readonly count: number;
  /** Milliseconds. */
  readonly withinMs: number;
}

export interface RiskRule {
  /** Points for what the run did itself. The level is taken back when half of them are gone. */
  readonly risk: number;
}

export interface RuleOrder {
  readonly agent: string;
  readonly level: Level;
  readonly reason: string;
}

export interface RuleParts {
  readonly rules: readonly ContainmentRule[];
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly levelOf: (agent: string) => Level;
  /** Sets a level. Rejects when it could not be recorded, although it holds. */
  readonly order: (order: RuleOrder) => Promise<unknown>;
  /** Calls `act` after so many milliseconds. @returns stops waiting */
  readonly later: (ms: number, act: () => void) => () => void;
  readonly onError: (error: unknown) => void;
}

export interface ContainmentRules {
  note(recorded: { readonly record: DecisionRecord; readonly request: AccessRequest | undefined }): void;
  /** What a rule has set stays, for a person to take back. */
  close(): void;
}

const SEVERITY: Readonly<Record<Level, number>> = { normal: 0, watched: 1, restricted: 2, off: 3 };
const MOST_FOR_MS = 86_400_000;

/** Of one agent under one rule. */
interface Tally {
  times: number[];
  /** The most that spoke against a run of it, as it was then. */
  worst: { readonly points: Points; readonly at: number };
  /** How long the rule holds next time, and until when a next time counts as one. */
  forMs: number;
  soonUntil: number;
  release: (() => void) | undefined;
}

const newTally = ({ forMs }: ContainmentRule): Tally => ({
  times: [],
  worst: { points: {}, at: 0 },
  forMs,
  soonUntil: 0,
  release: undefined,
});

export function createContainmentRules(parts: RuleParts): ContainmentRules {
  const tallies = new Map<ContainmentRule, Map<string, Tally>>(parts.rules.map((rule) => [rule, new Map()]));
  return {
    note({ record, request }): void {
      // without a request nobody was authenticated, or nothing was asked; what a server asks of the agent is not its doing
      if (request === undefined || record.enforced_by !== undefined || isAsked(request.action.name)) return;
      for (const [rule, byAgent] of tallies) {
        if ('risk' in rule ? record.risk === undefined : !matches(rule, record)) continue;
        const agent = request.subject.id;
        const tally = byAgent.get(agent) ?? newTally(rule);
        byAgent.set(agent, tally); // as many as there are agents, which are registered
        const what = 'risk' in rule ? risen(rule, tally, record, parts.now()) : counted(rule, tally, parts.now());
        if (what !== undefined) contain(parts, rule, { agent, tally, what: `${what}, last ${record.id}` });
      }
    },
    close(): void {
      for (const byAgent of tallies.values()) for (const { release } of byAgent.values()) release?.();
    },
  };
}

function matches({ code, policy }: DenialsRule, { verdict, code: given, policy: { determining } }: DecisionRecord): boolean {
  if (verdict === 'allow' || given !== code) return false;
  if (policy === undefined) return true;
  return determining.some((id) => (policy.endsWith('*') ? id.startsWith(policy.slice(0, -1)) : id === policy));
}

/** @returns what has happened, in words, when it is as much as the rule says */
function counted({ code, policy, count, withinMs }: DenialsRule, tally: Tally, now: number): string | undefined {
  tally.times = [...tally.times.filter((at) => now - at < withinMs), now].slice(-count);
  if (tally.times.length < count) return undefined;
  tally.times = [];
  return `${count} x ${code}${policy === undefined ? '' : ` by ${policy}`}`;
}

function risen({ risk }: RiskRule, tally: Tally, record: DecisionRecord, now: number): string | undefined {
  const points = pointsAfter(record.risk);
  const { value } = riskOf(points);
  if (value >= leftOf(tally, now)) tally.worst = { points, at: now };
  if (value < risk) return undefined;
  const causes = Object.entries(points).map(([cause, its]) => `${cause} ${its}`);
  return `risk ${value} (${causes.join(', ')})`;
}

/** What still speaks against the agent. */
const leftOf = ({ worst: { points, at } }: Tally, now: number): number =>
  Object.entries(points).reduce((all, [cause, its]) => all + (isCause(cause) ? faded(cause, its, now - at) : its), 0);

interface Contained {
  readonly agent: string;
  readonly tally: Tally;
  /** Why, in words. */
  readonly what: string;
}

function contain(parts: RuleParts, rule: ContainmentRule, contained: Contained): void {
  const { agent, tally, what } = contained;
  const now = parts.now();
  const before = parts.levelOf(agent);
  if (SEVERITY[rule.level] <= SEVERITY[before]) return; // it is contained already, perhaps by a person
  const forMs = now < tally.soonUntil ? Math.min(MOST_FOR_MS, tally.forMs * 2) : rule.forMs;
  tally.forMs = forMs;
  tally.soonUntil = now + 2 * forMs;
  parts.order({ agent, level: rule.level, reason: `rule: ${what}; for ${Math.round(forMs / 1000)} s` }).catch(parts.onError);
  tally.release?.();
  releaseLater(parts, rule, { ...contained, before });
}

/** Whoever has changed the level meanwhile knows better. By risk, what was contained at so much is let go at half of it, not just below it. */
function releaseLater(parts: RuleParts, rule: ContainmentRule, held: Contained & { readonly before: Level }): void {
  const { agent, tally, what, before } = held;
  tally.release = parts.later(tally.forMs, () => {
    tally.release = undefined;
    if (parts.levelOf(agent) !== rule.level) return;
    if ('risk' in rule && leftOf(tally, parts.now()) > rule.risk / 2) {
      tally.soonUntil = parts.now() + 2 * tally.forMs;
      releaseLater(parts, rule, held);
      return;
    }
    parts.order({ agent, level: before, reason: `rule: ${what}; time is over` }).catch(parts.onError);
  });
}
