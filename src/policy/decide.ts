// The decision on one request: registry, then arguments, then policy. Every way out but one denies (INVARIANT I1).
import { type AccessRequest, APPROVER_ROLES, type ApproverRole, type Decision } from '../domain/access.ts';
import type { Code } from '../domain/codes.ts';
import { allLabels } from '../domain/labels.ts';
import { asRefusal, Refusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import { UNKNOWN_RISK } from '../domain/risk.ts';
import { catalogOf, isCovered } from './schema/catalog.ts';
import { type Facts, factsOf, type Parties, partiesFor, withoutArguments } from './facts.ts';
import { enforced, failedForbids, type Held, heldFor, heldUnseen, isFinal, type Loaded, type Policy } from './loaded.ts';
import { outlineIn } from './outline.ts';
import type { Principal } from './principals.ts';

/** @see PolicySet.decide */
export function decide(set: Loaded, request: AccessRequest, world: World, principal: Principal): Decision {
  try {
    const catalog = catalogOf(world);
    const parties = partiesFor(request, principal, world, catalog);
    const facts = readArguments(parties, request, world);
    // who is forbidden whatever the arguments are learns that, and nothing about what the tool accepts
    if (facts instanceof Refusal) return forbidden(set, outlineIn(set, parties)) ?? refused(set, facts);
    if (!isCovered(set.catalog, catalog, request.resource.id))
      throw new Error('the tool is not the one that the policies were validated against');
    const [found, judge] = isUnseen(request) ? [heldUnseen(set, facts), judgedBlind] : [heldFor(set, facts), judged];
    const decision = judge(set, set.shadows ? enforced(found) : found, parties);
    return set.shadows ? withShadow(decision, judge(set, found, parties)) : decision;
  } catch (error) {
    return error instanceof Refusal ? refused(set, error) : failed(set, error);
  }
}

/** The facts, or why the arguments do not make any. */
export function readArguments(parties: Parties, request: AccessRequest, world: World): Facts | Refusal {
  const { context, session, labels = allLabels(world), risk = UNKNOWN_RISK } = request;
  try {
    if (isUnseen(request)) return parties.input instanceof Refusal ? parties.input : withoutArguments(parties);
    return factsOf(parties, context.input, { session, labels, risk });
  } catch (error) {
    return asRefusal(error, 'CORDON-3006', 'the arguments cannot be read');
  }
}

/** Nobody who decides or records has seen the arguments: it is allowed only if it is whatever they are. */
const isUnseen = ({ context }: AccessRequest): boolean => context['body'] === 'unseen';

const judged = (set: Loaded, held: Held, parties: Parties): Decision =>
  forbidden(set, held) ??
  unsure(set, held) ??
  waiting(set, held) ??
  (held.permits.length > 0 ? allowed(set, held) : unmatched(set, held, parties));

/** Of arguments that nobody sees nobody can approve anything: a forbid that a person could lift denies like any other. */
const judgedBlind = (set: Loaded, held: Held, parties: Parties): Decision =>
  forbidden(set, held, () => true) ??
  unsure(set, held) ??
  (held.permits.some(isFinal) ? allowed(set, held) : unmatched(set, held, parties));

/** The forbids that hold; the first names code and reason. */
function forbidden(set: Loaded, held: Held, counts: (policy: Policy) => boolean = isFinal): Decision | undefined {
  const forbids = held.forbids.filter(counts);
  const [first] = forbids;
  return first && { ...deny(set, first.code, held), determining: idsOf(forbids), ...reason(first.annotations['reason']) };
}

/**
 * It would be allowed if a person approved it: a forbid that holds can be lifted so (`@approval`), or only such permits hold. What no permit
 * holds for, nobody is asked about.
 */
function waiting(set: Loaded, { permits, forbids, errors }: Held): Decision | undefined {
  const asking = forbids.length > 0 ? forbids : permits.some(isFinal) ? [] : permits;
  const [first] = asking;
  if (first === undefined || permits.length === 0) return undefined;
  return {
    ...deny(set, 'CORDON-5001', { permits, forbids, errors }),
    verdict: 'approval_required',
    determining: idsOf(asking),
    approver: highest(asking),
    ...reason(first.annotations['reason']),
  };
}

/** Whoever may approve for the one that asks for most may for all. */
const highest = (policies: readonly Policy[]): ApproverRole =>
  APPROVER_ROLES.findLast((role) => policies.some(({ approval }) => approval === role)) ?? 'admin';

/** A forbid that failed to evaluate. Cedar skips it, which fails open (cedar-policy/cedar#2428): here it denies. */
function unsure(set: Loaded, held: Held): Decision | undefined {
  const forbids = failedForbids(held);
  if (forbids.length === 0) return undefined;
  return { ...deny(set, 'CORDON-9005', held), verdict: 'error', determining: idsOf(forbids), ...reason('a forbid failed to evaluate') };
}

const allowed = (set: Loaded, held: Held): Decision => ({
  verdict: 'allow',
  determining: idsOf(held.permits),
  errors: errorsOf(held),
  policyVersion: set.version,
});

/** Default deny; what the outline still allows would be allowed with other arguments. */
function unmatched(set: Loaded, held: Held, parties: Parties): Decision {
  const outline = outlineIn(set, parties);
  return deny(set, outline.permits.length > 0 && !outline.forbids.some(isFinal) ? 'CORDON-3005' : 'CORDON-3001', held);
}

/** What would be decided if the policies in shadow were enforced, where that is something else. */
function withShadow(decision: Decision, other: Decision): Decision {
  if (decision.verdict === other.verdict && decision.code === other.code) return decision;
  const { verdict, code, determining, policyVersion } = other;
  return { ...decision, shadow: { verdict, ...(code === undefined ? {} : { code }), determining, policyVersion } };
}

const refused = (set: Loaded, { code, message, observed, expected }: Refusal): Decision => {
  const detail = [observed === undefined ? [] : `observed ${observed}`, expected === undefined ? [] : `expected ${expected}`].flat();
  return { ...deny(set, code), ...reason([message, ...detail].join(', ')) };
};

const failed = (set: Loaded, error: unknown): Decision => ({
  ...deny(set, 'CORDON-9001'),
  verdict: 'error',
  ...reason(error instanceof Error ? error.message : 'the policy engine failed'),
});

const deny = (set: Loaded, code: Code, held?: Held): Decision => ({
  verdict: 'deny',
  code,
  determining: [],
  errors: held === undefined ? [] : errorsOf(held),
  policyVersion: set.version,
});

const LONGEST_REASON = 500;
const reason = (text: string | undefined): { reason?: string } =>
  text === undefined || text === '' ? {} : { reason: text.slice(0, LONGEST_REASON) };
const idsOf = (policies: readonly Policy[]): readonly string[] => policies.map(({ id }) => id);
const errorsOf = ({ errors }: Held): Decision['errors'] => errors.map(({ policy, message }) => ({ policy: policy.id, message }));
