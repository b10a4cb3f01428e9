// Where several gateways share what may happen once: it is reserved with the one that counts for all before the call is decided, and given
// back when the call is not made. A gateway whose question is not answered refuses. INVARIANTS I1, I4, I5
import type { AccessRequest, Delegation } from '../domain/access.ts';
import { afterIn } from '../domain/mandate.ts';
import { UNCOUNTED } from '../domain/provenance.ts';
import { Refusal } from '../domain/refusal.ts';
import { digestOf } from '../pdp/approval.ts';
import { MOST_TASK_LIFE } from '../sts/task-token.ts';
import { callOf, isCounted, nameOf } from './budgets.ts';
import type { Call } from './call.ts';
import type { Exchange } from './exchange.ts';
import type { Pep } from './pep.ts';
import type { Counted } from './shared-counts.ts';

export interface Reserved {
  readonly call: Call;
  /** At once before the decision: what was used up elsewhere is known here. */
  readonly begin: () => void;
  readonly giveBack: () => void;
}

const NOTHING = (): void => undefined;

/** @throws Refusal CORDON-1016 a proof that was used at another gateway, CORDON-9012 nobody answers */
export async function reserve(pep: Pep, { proof }: Pick<Exchange, 'proof'>, call: Call): Promise<Reserved> {
  const { shared } = pep;
  if (shared === undefined) return { call, begin: NOTHING, giveBack: NOTHING };
  const back: (() => void)[] = [];
  const giveBack = (): void => {
    for (const one of back.splice(0)) one();
  };
  const take = async (what: Counted): Promise<number> => {
    const before = await shared.take(what);
    back.push(() => shared.giveBack(what));
    return before;
  };
  try {
    // a proof is used up by being shown, whatever becomes of the call
    if (proof !== undefined && (await shared.take({ kind: 'proof', ...proof })) > 0) throw new Refusal('CORDON-1016', 'it was used before');
    const budgeted = await withBudget(pep, call, take);
    const made = pep.taskSessions.made(call.request, pep.snapshot());
    const before = made && (await shared.count(made));
    if (made !== undefined && before?.calls !== UNCOUNTED) back.push(() => shared.uncount(made));
    const counted = before === undefined ? budgeted : { ...budgeted, before };
    return { call: counted, begin: await grantOf(pep, counted, take), giveBack };
  } catch (error) {
    giveBack();
    throw error;
  }
}

type Take = (what: Counted) => Promise<number>;

async function withBudget(pep: Pep, call: Call, take: Take): Promise<Call> {
  const { request } = call;
  const { delegation } = request;
  if (delegation === undefined || !isCounted(delegation) || !pep.budgets.knows(delegation.txn)) return call;
  const until = pep.now() + MOST_TASK_LIFE * 1000;
  const made = await take({ kind: 'budget', name: `${delegation.txn} ${nameOf(request)}`, until });
  const done = await doneBefore(pep, delegation);
  return { ...call, request: { ...request, delegation: { ...delegation, made, ...(done.length === 0 ? {} : { done }) } } };
}

/** What was reserved and may yet be denied is not done: only what was allowed counts here. */
async function doneBefore({ shared, now }: Pep, { txn, mandate }: Delegation): Promise<readonly string[]> {
  const done: string[] = [];
  for (const place of afterIn(mandate))
    if (((await shared?.take({ kind: 'done', name: `${txn} ${callOf(place)}`, until: now(), asked: true })) ?? 0) > 0) done.push(place);
  return done;
}

/** It was allowed: from now on all gateways know that it was called. Where that fails, what comes after it is refused. */
export function noteDone({ shared, now }: Pep, request: AccessRequest): void {
  const { delegation } = request;
  if (shared === undefined || delegation === undefined || !afterIn(delegation.mandate).some((place) => callOf(place) === nameOf(request)))
    return;
  const done: Counted = { kind: 'done', name: `${delegation.txn} ${nameOf(request)}`, until: now() + MOST_TASK_LIFE * 1000 };
  shared.take(done).catch(() => undefined);
}

async function grantOf(pep: Pep, { request }: Call, take: Take): Promise<() => void> {
  const answered = pep.snapshot()?.grants?.answered;
  const grant = answered === undefined || answered.size === 0 ? undefined : answered.get(digestOf(request));
  if (grant === undefined || grant.answer !== 'approved' || pep.now() >= grant.until) return NOTHING;
  const before = await take({ kind: 'grant', name: grant.id, until: grant.until });
  return () => pep.spent.set(grant.id, before, pep.now());
}
