// What policies mean, asked of a running Cordon: the difference of two sets, how far somebody reaches, least privilege from records.
import type { Sealer } from '../crypto/seal.ts';
import { isDecisionRecord, type Level } from '../domain/access.ts';
import { Refusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import { similar } from '../domain/similar.ts';
import { type Blast, blastOf, type Subject, subjectsIn, withLevel } from '../policy/analysis/blast.ts';
import { blastChanges, type BlastChanges } from '../policy/analysis/blast-changes.ts';
import { diffOf, type PolicyDiff } from '../policy/analysis/diff.ts';
import { Suggester, type Suggestion } from '../policy/analysis/suggest.ts';
import { suggestionText } from '../policy/analysis/suggestion-text.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import type { DecisionRow } from '../store/ports.ts';
import { requestOf } from './decision-rows.ts';
import type { DecisionIndex } from './decisions.ts';
import { DRAFT, policySetOf, type PolicySetParts, type WhichPolicies } from './policy-sets.ts';
import { recorded, type RecordedSpan } from './recorded.ts';

/** Which set it was; a draft has no version. */
type SetView = { readonly version?: number; readonly hash: string };

export interface DiffQuestion {
  readonly from: WhichPolicies;
  readonly to: WhichPolicies;
  /** Rows of each change. */
  readonly limit: number;
  /** Ids of policies that are meant to allow more. */
  readonly acceptWidening: readonly string[];
}

export type DiffView = PolicyDiff & { readonly from: SetView; readonly to: SetView; readonly unaccepted: readonly string[] };

export interface BlastQuestion {
  /** A name, or `agent:`, `resource:` or `segment:` and a name. */
  readonly subject: string;
  /** After the agent, or every agent of the segment, was set to this level. */
  readonly level?: Level;
  /** Under these policies instead. */
  readonly draft?: WhichPolicies;
  /** Things that are listed. */
  readonly limit: number;
}

export type BlastView = {
  readonly policies: SetView;
  readonly before: Blast;
  /** Where there is another level or a draft. */
  readonly after?: Blast & { readonly policies: SetView };
  readonly changes?: BlastChanges;
};

export type SuggestQuestion = RecordedSpan & { readonly agent: string };

export type SuggestionView = Suggestion & {
  readonly policies: SetView;
  readonly since: number;
  /** Are these all calls since then, or were there more than the limit? */
  readonly complete: boolean;
  /** A policy file, to be read and corrected. */
  readonly text: string;
};

export interface PolicyAnalysis {
  /** @throws Refusal as `policySetOf` */
  set(which: WhichPolicies, world: World): Promise<PolicySet>;
  /** @throws Refusal as `policySetOf` */
  diff(question: DiffQuestion): Promise<DiffView>;
  /** @throws Refusal CORDON-3003 for a name that nothing has, CORDON-9011 for the level of a resource, and as `policySetOf` */
  blast(question: BlastQuestion): Promise<BlastView>;
  /** @throws Refusal CORDON-1014 for an agent that is not registered, CORDON-9004, and as `policySetOf` */
  suggest(question: SuggestQuestion): Promise<SuggestionView>;
}

export interface PolicyAnalysisParts extends PolicySetParts {
  readonly decisions: Pick<DecisionIndex, 'list'>;
  readonly sealer: Sealer;
}

export const createPolicyAnalysis = (parts: PolicyAnalysisParts): PolicyAnalysis => ({
  set: (which, world) => policySetOf(parts, which, world),
  diff: (question) => diff(parts, question),
  blast: (question) => blast(parts, question),
  suggest: (question) => suggest(parts, question),
});

const ENFORCED: WhichPolicies = { place: 'enforced' };
const worldOf = ({ publisher }: PolicyAnalysisParts): World => publisher.current().world;
/** Levels are of the moment: what was done, or may be, at another time is judged without them. */
const withoutLevels = (world: World): World => ({ ...world, levels: new Map() });
const viewOf = ({ version, hash }: PolicySet): SetView => (version === DRAFT ? { hash } : { version, hash });

async function diff(parts: PolicyAnalysisParts, { from: one, to: other, limit, acceptWidening }: DiffQuestion): Promise<DiffView> {
  const world = worldOf(parts);
  const [from, to] = await Promise.all([one, other].map((which) => policySetOf(parts, which, world)));
  if (from === undefined || to === undefined) throw new Error('two sets were asked for');
  const found = await diffOf({ from, to, world }, limit);
  const unaccepted = found.widening.filter((policy) => !acceptWidening.includes(policy));
  return { from: viewOf(from), to: viewOf(to), ...found, unaccepted };
}

async function blast(parts: PolicyAnalysisParts, { subject: name, level, draft, limit }: BlastQuestion): Promise<BlastView> {
  const world = worldOf(parts);
  const subject = subjectOf(name, world);
  if (level !== undefined && subject.kind === 'resource')
    throw new Refusal('CORDON-9011', 'a resource has no level', { expected: 'an agent or a segment', fix: `\`cordon blast ${name}\`` });
  const set = await policySetOf(parts, ENFORCED, world);
  const before = await blastOf(set, world, subject, limit);
  const now = { policies: viewOf(set), before };
  if (level === undefined && draft === undefined) return now;
  const other = draft === undefined ? set : await policySetOf(parts, draft, world);
  const after = await blastOf(other, level === undefined ? world : withLevel(world, subject, level), subject, limit);
  return { ...now, after: { ...after, policies: viewOf(other) }, changes: blastChanges(before, after) };
}

function subjectOf(wanted: string, world: World): Subject {
  const subjects = subjectsIn(world);
  const found = subjects.find(({ kind, name }) => wanted === name || wanted === `${kind}:${name}`);
  if (found !== undefined) return found;
  const near = similar(
    wanted.replace(/^\w+:/, ''),
    subjects.map(({ name }) => name),
  );
  throw new Refusal('CORDON-3003', `no agent, resource or segment is called \`${wanted}\``, {
    fix:
      near.length === 0
        ? 'list them: `cordon agent list`, `cordon status`'
        : `did you mean ${near.map((name) => `\`${name}\``).join(' or ')}?`,
  });
}

async function suggest(parts: PolicyAnalysisParts, question: SuggestQuestion): Promise<SuggestionView> {
  const world = withoutLevels(worldOf(parts));
  const { agent, since, limit } = question;
  if (!world.agents.some(({ name }) => name === agent)) throw new Refusal('CORDON-1014', `no agent is registered as \`${agent}\``);
  const set = await policySetOf(parts, ENFORCED, world);
  const suggester = new Suggester(set, world, agent);
  let looked = 0;
  for await (const row of recorded(parts.decisions, question)) {
    if (looked++ < limit) observe(suggester, row, parts.sealer);
  }
  const suggestion = suggester.suggestion();
  return { ...suggestion, policies: viewOf(set), since, complete: looked <= limit, text: suggestionText(suggestion, set, since) };
}

/** What was refused before there was a request says nothing of what the agent needs, nor does what cannot be read any more. */
function observe(suggester: Suggester, row: DecisionRow, sealer: Sealer): void {
  const { record, at } = row;
  if (!isDecisionRecord(record)) return;
  const request = readRequest(row, sealer);
  const { verdict, code } = record;
  if (request !== undefined) suggester.add({ request, verdict, at, ...(code === undefined ? {} : { code }) });
}

function readRequest(row: DecisionRow, sealer: Sealer): ReturnType<typeof requestOf> {
  try {
    return requestOf(row, sealer);
  } catch {
    return undefined;
  }
}
