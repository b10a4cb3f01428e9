// Open calls are decided again with what is true now: when anything changes that a decision depends on, and when something that the call
// is made with ends by itself. INVARIANT I6
import type { Decision } from '../domain/access.ts';
import { parseWorkload } from '../domain/spiffe-id.ts';
import { decide } from '../pdp/decide.ts';
import type { OpenExchange } from './exchanges.ts';
import type { Pep } from './pep.ts';
import { soonAfter } from './waiting.ts';

/** @returns the calls that this cut */
export function reconsider(pep: Pep, only?: OpenExchange): readonly OpenExchange[] {
  const snapshot = pep.snapshot();
  // what denies one call of a run whose agent is off denies all of them: a thousand streams are cut sooner than they are each decided
  const off = new Map<string, Decision>();
  return pep.exchanges.reconsider(({ request, own }): Decision => {
    const { id, spiffeId } = request.subject;
    const known = off.get(spiffeId);
    if (known !== undefined) return known;
    const now = { ...pep.taskLabels.labelled(request, snapshot, [...own]), risk: pep.runRisk.now(request) };
    const { decision } = decide(snapshot, { request: now }, pep.now(), pep.settings);
    if (decision.verdict !== 'allow' && snapshot?.world.levels.get(id) === 'off') off.set(spiffeId, decision);
    return decision;
  }, only);
}

/** Decides the open calls of these runs and tasks again: what they have brought in is another now. */
export function reconsiderOf(pep: Pep, holders: readonly string[]): void {
  for (const open of pep.exchanges.list()) if (pep.taskLabels.isOf(open.request, holders)) reconsider(pep, open);
}

/** Another call has brought in what an open call of the same run or task brought in alone: from now on it counts for that one too. */
export function noLongerOwn(pep: Pep, holders: readonly string[], labels: readonly string[]): void {
  for (const open of pep.exchanges.list()) {
    const shared = pep.taskLabels.isOf(open.request, holders) ? labels.filter((label) => open.own.delete(label)) : [];
    if (shared.length > 0) reconsider(pep, open);
  }
}

/** Decides the other open calls of a run again, and those made for it: more speaks against it now. */
export function reconsiderRun(pep: Pep, run: string): void {
  for (const open of pep.exchanges.list())
    if (open.run === run || open.request.delegation?.chain.some((hop) => parseWorkload(hop).run === run) === true) reconsider(pep, open);
}

/** Decides the call again whenever its grant, its task token, or an entry of its mandate has ended. @returns stops */
export function watchEnds(pep: Pep, exchange: OpenExchange): () => void {
  const ends = endsOf(exchange);
  if (ends.length === 0) return () => undefined;
  let stop = (): void => undefined;
  const wait = (): void => {
    const now = pep.now();
    const next = Math.min(...ends.filter((end) => end > now));
    if (next === Infinity) return;
    stop = soonAfter(next, now, () => {
      if (reconsider(pep, exchange).length === 0) wait();
    });
  };
  wait();
  return () => stop();
}

/** Unix milliseconds. */
function endsOf({ until, request: { delegation } }: OpenExchange): readonly number[] {
  const approved = until === undefined ? [] : [until];
  if (delegation === undefined) return approved;
  return [...approved, delegation.expiresAt, ...delegation.mandate.flatMap(({ exp }) => (exp === undefined ? [] : [exp * 1000]))];
}
