// Rules that take rights away from an agent by what it did itself: so many denied calls of a kind within a time, and its level is tightened
// for a while. Only calls that the agent made over its own mTLS count, so nobody is contained by what others say of them; what only touches an
// agent (who called it, for whom it acts) does not count either. INVARIANT I6
import type { AccessRequest, DecisionRecord, Level } from '../domain/access.ts';
import type { Code } from '../domain/codes.ts';

export interface ContainmentRule {
  /** Denials that count: by code, and where it is said, by a policy that decided (`containment.*`). */
  readonly code: Code;
  readonly policy?: string;
  readonly count: number;
  /** Milliseconds. */
  readonly withinMs: number;
  readonly level: Exclude<Level, 'normal'>;
  /** Until the level that the rule set is taken back; doubled each time that the rule holds again soon after. Milliseconds. */
  readonly forMs: number;
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
  /** How long the rule holds next time, and until when a next time counts as one. */
  forMs: number;
  soonUntil: number;
  release: (() => void) | undefined;
}

export function createContainmentRules(parts: RuleParts): ContainmentRules {
  const tallies = new Map<ContainmentRule, Map<string, Tally>>(parts.rules.map((rule) => [rule, new Map()]));
  return {
    note({ record, request }): void {
      // without a request nobody was authenticated, or nothing was asked
      if (request === undefined || record.verdict === 'allow' || record.enforced_by !== undefined) return;
      for (const [rule, byAgent] of tallies) {
        if (!matches(rule, record)) continue;
        const agent = request.subject.id;
        const tally = byAgent.get(agent) ?? { times: [], forMs: rule.forMs, soonUntil: 0, release: undefined };
        byAgent.set(agent, tally); // as many as there are agents, which are registered
        counted(parts, rule, { agent, tally, decision: record.id });
      }
    },
    close(): void {
      for (const byAgent of tallies.values()) for (const { release } of byAgent.values()) release?.();
    },
  };
}

function matches({ code, policy }: ContainmentRule, { code: given, policy: { determining } }: DecisionRecord): boolean {
  if (given !== code) return false;
  if (policy === undefined) return true;
  return determining.some((id) => (policy.endsWith('*') ? id.startsWith(policy.slice(0, -1)) : id === policy));
}

interface Counted {
  readonly agent: string;
  readonly tally: Tally;
  readonly decision: string;
}

function counted(parts: RuleParts, rule: ContainmentRule, { agent, tally, decision }: Counted): void {
  const now = parts.now();
  tally.times = [...tally.times.filter((at) => now - at < rule.withinMs), now].slice(-rule.count);
  if (tally.times.length < rule.count) return;
  tally.times = [];
  const before = parts.levelOf(agent);
  if (SEVERITY[rule.level] <= SEVERITY[before]) return; // it is contained already, perhaps by a person
  const forMs = now < tally.soonUntil ? Math.min(MOST_FOR_MS, tally.forMs * 2) : rule.forMs;
  tally.forMs = forMs;
  tally.soonUntil = now + 2 * forMs;
  const what = `${rule.count} x ${rule.code}${rule.policy === undefined ? '' : ` by ${rule.policy}`}, last ${decision}`;
  parts.order({ agent, level: rule.level, reason: `rule: ${what}; for ${Math.round(forMs / 1000)} s` }).catch(parts.onError);
  tally.release?.();
  tally.release = parts.later(forMs, () => {
    tally.release = undefined;
    // whoever has changed it meanwhile knows better
    if (parts.levelOf(agent) === rule.level)
      parts.order({ agent, level: before, reason: `rule: ${what}; time is over` }).catch(parts.onError);
  });
}
