// `cordon policy check`: everything that is wrong with policies, at once. What admission would refuse, found by the code that admission
// runs, and beyond it what is admitted and yet cannot be meant. Pure: sources and world in, findings out.
import type { World } from '../../domain/registry.ts';
import type { Validation } from '../admission.ts';
import type { EstPolicy } from '../cedar/est.ts';
import type { OfficialIssue } from '../cedar/official-issues.ts';
import { checkStatements } from '../checked.ts';
import { catalogOf } from '../schema/catalog.ts';
import { identified } from '../identify.ts';
import { annotationFlaws } from './annotations.ts';
import { type Draft, draftOf } from './draft.ts';
import { entityFlaws, namesOf } from './entities.ts';
import { linkFlaws } from './links.ts';
import { meaningFlaws } from './meaning.ts';
import { overlapFlaws } from './overlap.ts';
import { cutsOf, isIn, issueIn, parsedOf } from './parse.ts';
import { type Flaw, findingOf, type LintFinding, type RuleId } from './rules.ts';
import { extentOf } from './scope.ts';
import type { PolicySource } from '../policy-set.ts';
import { type Principal, PRINCIPALS } from '../principals.ts';

/** Every finding, in the order of the sources. @throws Refusal CORDON-9006 when the engine fails */
export async function lint(sources: readonly PolicySource[], world: World): Promise<readonly LintFinding[]> {
  const catalog = catalogOf(world);
  const { statements, flaws: unread } = cutsOf(sources);
  const answers: (EstPolicy | readonly OfficialIssue[])[] = [];
  const checked = await checkStatements(statements, catalog, (at, one) => {
    answers[at] = 'est' in one ? one.est : one.issues;
  });
  const { parsed, flaws: unparsed } = parsedOf(statements, answers);
  const { policies, flaws: unnamed } = identified(parsed);
  const names = namesOf(world, catalog);
  const unknown = policies.flatMap((policy) => entityFlaws(policy, names));
  const idOf = new Map(policies.map(({ statement, policy }) => [statement, policy.id]));
  const issues = (found: Validation['errors'], ruleOf: (message: string) => RuleId): readonly Flaw[] =>
    found.flatMap((issue) => {
      const statement = statements[issue.policy];
      return statement === undefined ? [] : { rule: ruleOf(issue.message), policy: idOf.get(statement), ...issueIn(statement, issue) };
    });
  const certain = onePerPlace([...unread, ...unparsed, ...unnamed, ...unknown, ...issues(checked.errors, errorOf)]);
  const warnings = issues(checked.warnings, warningOf);
  // what a policy with an error means is not asked
  const drafts = policies.filter(({ statement }) => !certain.some((flaw) => isIn(flaw, statement))).map(draftOf);
  const extent = extentOf(world, catalog);
  const doubtful = [
    ...policies.flatMap(annotationFlaws),
    ...drafts.flatMap((draft) => {
      const warned = warnings.filter((flaw) => isIn(flaw, draft.statement));
      return meaningFlaws(draft, extent, catalog, warned);
    }),
    ...PRINCIPALS.flatMap((principal) => overlapFlaws(about(drafts, principal), extent.entities)),
    ...(certain.length === 0 ? linkFlaws(about(drafts, 'agent'), extent, world) : []),
  ];
  return inOrder(sources, [...certain, ...doubtful]).map(findingOf);
}

const about = (drafts: readonly Draft[], principal: Principal): readonly Draft[] =>
  drafts.filter(({ policy }) => policy.principal === principal);

const errorOf = (message: string): RuleId => (message.startsWith('unable to guarantee safety of access') ? 'unguarded-optional' : 'types');
const warningOf = (message: string): RuleId =>
  /^(policy is impossible|unable to find an applicable action)/.test(message) ? 'never-matches' : 'confusable-text';

/** A policy for many actions errs once for each: the first is enough. */
const onePerPlace = (flaws: readonly Flaw[]): readonly Flaw[] => [
  ...new Map(flaws.toReversed().map((flaw) => [`${flaw.source.path} ${flaw.at}`, flaw])).values(),
];

const inOrder = (sources: readonly PolicySource[], flaws: readonly Flaw[]): readonly Flaw[] =>
  flaws.toSorted((a, b) => placeIn(sources, a) - placeIn(sources, b) || a.at - b.at);

/** What stands in no policy file comes last. */
function placeIn(sources: readonly PolicySource[], { source }: Flaw): number {
  const index = sources.indexOf(source);
  return index < 0 ? sources.length : index;
}
