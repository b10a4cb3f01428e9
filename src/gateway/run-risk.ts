// What speaks against each run, by what it did over its own mTLS: `context.risk` and `context.causes`. A call is held against what runs of its
// agent usually do and against the provenance of its arguments before it is decided; a denial counts from the next call on. It only rises by
// what is done and only falls by time; what this gateway cannot know is taken to be as much as it could be. INVARIANTS I1, I10
import type { AccessRequest, Decision } from '../domain/access.ts';
import type { Code } from '../domain/codes.ts';
import type { SessionFacts } from '../domain/provenance.ts';
import { CAUSES, type Cause, causeOf, type Points, type RiskFacts, riskOf, UNKNOWN_RISK } from '../domain/risk.ts';
import { parseWorkload } from '../domain/spiffe-id.ts';
import type { Snapshot } from '../pdp/snapshot.ts';
import { isOfSession } from '../policy/methods.ts';
import { MOST_TASK_LIFE } from '../sts/task-token.ts';
import { Baseline, type Features, featuresOf, RunDeeds } from '../trust/baseline.ts';
import { faded, Risk, wholePoints } from '../trust/risk.ts';

/** One call, before it is decided. */
export interface Assessed {
  readonly risk: RiskFacts;
  /** Says that it was decided. @returns what the run's risk rose by */
  settle(denial: Cause | undefined): Points;
}

export interface RunRisk {
  /** With what the call itself brings, if the run makes it `own` over its mTLS. Changes nothing until it is settled. */
  assess(request: AccessRequest, own: boolean): Assessed;
  /** Of a call that was settled before, as it is now. */
  now(request: AccessRequest): RiskFacts;
  /** A message of the run was refused before there was a request. @returns as `settle` */
  refused(run: string, code: Code): Points;
  of(run: string): RiskFacts;
  /** What is usual is learned from runs that have ended. */
  see(snapshot: Snapshot): void;
}

/** What runs of each agent usually do, where it outlives this process. */
export interface Habits {
  of(agent: string): Baseline | undefined;
  /** It has learned something. */
  keep(agent: string, baseline: Baseline): void;
}

export interface RunRiskParts {
  /** Unix milliseconds. */
  readonly now: () => number;
  /** No other gateway of this Cordon forwards calls of the same runs. */
  readonly alone: boolean;
  readonly habits?: Habits | undefined;
}

/** Of one run. */
interface Known {
  readonly agent: string;
  readonly since: number;
  readonly risk: Risk;
  readonly deeds: RunDeeds;
  drifted: boolean;
  /** Unix milliseconds; those who act for it go on with what it had. */
  endedAt: number | undefined;
}

/** That have ended and are remembered; of others nothing is known. */
const MOST_ENDED = 16_384;

const NOTHING: Points = {};

export function createRunRisk({ now, alone, habits }: RunRiskParts): RunRisk {
  const startedAt = now();
  /** One for each live run, and for each that a task token may still name. */
  const runs = new Map<string, Known>();
  const usual = new Map<string, Baseline>();

  const usualFor = (agent: string): Baseline => {
    const known = usual.get(agent) ?? habits?.of(agent) ?? new Baseline();
    usual.set(agent, known);
    return known;
  };

  /** What it did, and what may be unknown of it. */
  const pointsOf = (run: string | undefined, besides: readonly Cause[] = []): Points => {
    const known = run === undefined ? undefined : runs.get(run);
    if (known === undefined) return UNKNOWN_RISK.causes;
    const did = known.risk.isNone && besides.length === 0 ? NOTHING : known.risk.points(now(), besides);
    const own = known.drifted ? { ...did, drift: CAUSES.drift.points } : did;
    if (!alone) return { ...own, ...UNKNOWN_RISK.causes };
    if (known.since >= startedAt) return own;
    return { ...own, ...wholePoints([['restart', faded('restart', CAUSES.restart.points, now() - startedAt)]]) };
  };

  /** Of those that the task came through before the caller. */
  const chainPoints = ({ delegation }: AccessRequest): Points => {
    const before = delegation?.chain.slice(0, -1) ?? [];
    if (before.length === 0) return NOTHING;
    return wholePoints([['chain', Math.max(...before.map((hop) => riskOf(pointsOf(parseWorkload(hop).run)).value))]]);
  };

  const riskFor = (request: AccessRequest, besides?: readonly Cause[]): RiskFacts =>
    riskOf({ ...pointsOf(request.subject.run, besides), ...chainPoints(request) });

  const raise = (known: Known, causes: readonly Cause[]): Points => {
    if (causes.some((cause) => !FIRSTS.has(cause))) known.deeds.spoil();
    return Object.fromEntries(causes.map((cause) => [cause, known.risk.raise(cause, now())] as const).filter(([, rose]) => rose > 0));
  };

  const begin = (run: string, agent: string, since: number): Known => {
    const known = { agent, since, risk: new Risk(), deeds: new RunDeeds(), drifted: false, endedAt: undefined };
    runs.set(run, known);
    return known;
  };

  const end = (run: string, known: Known, { revoked, world: { levels } }: Snapshot): void => {
    known.endedAt = now();
    if (!alone || known.since < startedAt || revoked.runs.has(run) || levels.has(known.agent)) return;
    const baseline = usualFor(known.agent);
    if (baseline.learn(known.deeds, now())) habits?.keep(known.agent, baseline);
  };

  /** Those that are no longer live. */
  const endOthers = (snapshot: Snapshot): void => {
    for (const [run, known] of runs) {
      if (snapshot.runs.has(run)) continue;
      if (known.endedAt === undefined) end(run, known, snapshot);
      else if (known.endedAt + MOST_TASK_LIFE * 1000 <= now() || runs.size - snapshot.runs.size > MOST_ENDED) runs.delete(run);
    }
  };

  return {
    assess(request, own): Assessed {
      const known = runs.get(request.subject.run ?? '');
      if (known === undefined || !own) return { risk: riskFor(request), settle: () => NOTHING };
      const features = deedOf(request);
      const seen = features === undefined ? [] : known.deeds.unusual(features, usualFor(known.agent), now());
      const causes = [...conflictsIn(request.session), ...seen];
      const risk = riskFor(request, causes);
      return {
        risk,
        settle(denial): Points {
          if (features !== undefined) known.deeds.add(features, now());
          // who acts for somebody in doubt shows nothing of what is usual
          if (risk.causes.chain !== undefined) known.deeds.spoil();
          return raise(known, denial === undefined ? causes : [...causes, denial]);
        },
      };
    },
    now: (request) => riskFor(request),
    refused(run, code): Points {
      const known = runs.get(run);
      const cause = causeOf(code);
      return known === undefined || cause === undefined ? NOTHING : raise(known, [cause]);
    },
    of: (run) => riskOf(pointsOf(run)),
    see(snapshot): void {
      const { levels } = snapshot.world;
      for (const [run, { agent, since, drifted = false }] of snapshot.runs) {
        const known = runs.get(run) ?? begin(run, agent, since);
        known.endedAt = undefined;
        known.drifted = drifted;
        if (drifted || (levels.size > 0 && levels.has(agent))) known.deeds.spoil();
      }
      if (runs.size > snapshot.runs.size) endOthers(snapshot);
      for (const agent of usual.keys()) if (!snapshot.world.agents.some(({ name }) => name === agent)) usual.delete(agent);
    },
  };
}

/** What a clean run may have: else nothing new would ever be learned. */
const FIRSTS: ReadonlySet<Cause> = new Set(['first-peer', 'first-tool', 'first-argument']);

/** What an agent does of its own. */
function deedOf({ action: { name }, resource: { type, id }, context: { input } }: AccessRequest): Features | undefined {
  if (isOfSession(name)) return undefined;
  return featuresOf({ type, action: name, resource: id, ...(input === undefined ? {} : { input }) });
}

function conflictsIn(session: SessionFacts | undefined): readonly Cause[] {
  if (session === undefined) return [];
  const { sinks, untrusted, unseen, ambiguous, excess } = session;
  const has = (...sets: readonly (readonly string[])[]): boolean => sinks.some((name) => sets.some((set) => set.includes(name)));
  return [
    ...(has(untrusted) ? (['untrusted'] as const) : []),
    ...(has(unseen) ? (['unseen'] as const) : []),
    ...(has(ambiguous, excess) ? (['ambiguous'] as const) : []),
  ];
}

/** For what was decided: none where the user may not, for whom anybody can ask. */
export const causeOfDenial = ({ verdict, code, gate }: Decision): Cause | undefined =>
  verdict === 'deny' && gate !== 'user' ? causeOf(code) : undefined;
