// The decision on one request: registry, then arguments, then policy. Every way out but one denies (INVARIANT I1).
import type { AccessRequest, Decision } from '../domain/access.ts';
import type { Code } from '../domain/codes.ts';
import { asRefusal, Refusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import { catalogOf, isCovered } from './catalog.ts';
import { type Answer, erroring } from './engine.ts';
import { type Facts, factsOf, type Parties, partiesOf, wantedOf } from './facts.ts';
import { type Loaded, type Policy, SETS, withEffect } from './loaded.ts';
import { askOutline } from './outline.ts';

/** @see PolicySet.decide */
export function decide(set: Loaded, request: AccessRequest, world: World): Decision {
  try {
    const catalog = catalogOf(world);
    const parties = partiesOf(wantedOf(request), world, catalog);
    const facts = readArguments(parties, request);
    // who is forbidden whatever the arguments are learns that, and nothing about what the tool accepts
    if (facts instanceof Refusal) return forbidden(set, askOutline(set, parties)) ?? refused(set, facts);
    if (!isCovered(set.catalog, catalog, request.resource.id))
      throw new Error('the tool is not the one that the policies were validated against');
    const answer = set.engine.ask(SETS.policies, facts);
    return forbidden(set, answer) ?? unsure(set, answer) ?? (answer.allowed ? allowed(set, answer) : unmatched(set, answer, parties));
  } catch (error) {
    return error instanceof Refusal ? refused(set, error) : failed(set, error);
  }
}

/** The facts, or why the arguments do not make any. */
export function readArguments(parties: Parties, { context }: AccessRequest): Facts | Refusal {
  try {
    return factsOf(parties, context.input);
  } catch (error) {
    return asRefusal(error, 'CORDON-3006', 'the arguments cannot be read');
  }
}

/** The forbids that hold; the first names code and reason. */
function forbidden(set: Loaded, answer: Answer): Decision | undefined {
  const forbids = withEffect(set, answer.reasons, 'forbid');
  const [first] = forbids;
  return first && { ...deny(set, first.code, answer), determining: idsOf(forbids), ...reason(first.annotations['reason']) };
}

/** A forbid that failed to evaluate. Cedar skips it, which fails open (cedar-policy/cedar#2428): here it denies. */
function unsure(set: Loaded, answer: Answer): Decision | undefined {
  const forbids = withEffect(set, erroring(answer), 'forbid');
  if (forbids.length === 0) return undefined;
  return {
    ...deny(set, 'CORDON-9005', answer),
    verdict: 'error',
    determining: idsOf(forbids),
    ...reason('a forbid failed to evaluate'),
  };
}

const allowed = (set: Loaded, answer: Answer): Decision => ({
  verdict: 'allow',
  determining: idsOf(withEffect(set, answer.reasons, 'permit')),
  errors: answer.errors,
  policyVersion: set.version,
});

/** Default deny; what the outline still allows would be allowed with other arguments. Asks the engine once more. */
const unmatched = (set: Loaded, answer: Answer, parties: Parties): Decision =>
  deny(set, askOutline(set, parties).allowed ? 'CORDON-3005' : 'CORDON-3001', answer);

const refused = (set: Loaded, { code, message, observed, expected }: Refusal): Decision => {
  const detail = [observed === undefined ? [] : `observed ${observed}`, expected === undefined ? [] : `expected ${expected}`].flat();
  return { ...deny(set, code), ...reason([message, ...detail].join(', ')) };
};

const failed = (set: Loaded, error: unknown): Decision => ({
  ...deny(set, 'CORDON-9001'),
  verdict: 'error',
  ...reason(error instanceof Error ? error.message : 'the policy engine failed'),
});

const deny = (set: Loaded, code: Code, answer?: Answer): Decision => ({
  verdict: 'deny',
  code,
  determining: [],
  errors: answer?.errors ?? [],
  policyVersion: set.version,
});

const LONGEST_REASON = 500;
const reason = (text: string | undefined): { reason?: string } =>
  text === undefined || text === '' ? {} : { reason: text.slice(0, LONGEST_REASON) };
const idsOf = (policies: readonly Policy[]): readonly string[] => policies.map(({ id }) => id);
