// The history of the policy set read as a story: what an act changes, what was enforced before, and what a directory that was set aside
// holds. Pure: it takes the changes, newest first, as the ledger gives them.
import { Refusal } from '../domain/refusal.ts';
import type { PolicyAct, PolicyChange } from './policy-proof.ts';

/** What an act does with its version. */
const EFFECTS: Readonly<Record<PolicyAct, 'enforce' | 'return' | 'place' | 'withdraw'>> = {
  start: 'enforce',
  apply: 'enforce',
  promote: 'enforce',
  rollback: 'return',
  shadow: 'place',
  withdraw: 'withdraw',
};

const changesEnforced = ({ act }: PolicyChange): boolean => EFFECTS[act] === 'enforce' || EFFECTS[act] === 'return';

/** What is enforced and looked at after an act. A candidate that is enforced is none any more. */
export function outcomeOf(act: PolicyAct, version: number, last: Pick<PolicyChange, 'enforced' | 'candidate'> | undefined): Outcome {
  const effect = EFFECTS[act];
  const enforced = effect === 'enforce' || effect === 'return' || last === undefined ? version : last.enforced;
  const candidate = effect === 'place' ? version : last?.candidate;
  return effect === 'withdraw' || candidate === undefined || candidate === enforced ? { enforced } : { enforced, candidate };
}

export interface Outcome {
  readonly enforced: number;
  readonly candidate?: number;
}

/**
 * The version to return to: the one that was enforced before the one that is now. Versions that were rolled back are not returned to, so
 * that two rollbacks in a row go back two steps. @throws Refusal CORDON-3003 when there is none, CORDON-9008 when a change was altered
 */
export function enforcedBefore(history: Kept): number {
  const stack: number[] = [];
  for (const change of history.toReversed()) {
    if (change instanceof Refusal)
      throw new Refusal(change.code, change.message, { fix: 'name the version: `cordon policy rollback --to VERSION`' });
    const at = stack.lastIndexOf(change.enforced);
    if (EFFECTS[change.act] === 'return' && at !== -1) stack.splice(at + 1);
    if (changesEnforced(change) && stack.at(-1) !== change.enforced) stack.push(change.enforced);
  }
  const before = stack.at(-2);
  if (before !== undefined) return before;
  throw new Refusal('CORDON-3003', 'no version was enforced before this one', { fix: 'list what there is: `cordon policy history`' });
}

type Kept = readonly (PolicyChange | Refusal)[];

/** The newest of these changes that changed what is enforced. */
export const enforcing = (history: Kept): PolicyChange | undefined => newest(history, changesEnforced);

/** The newest of these changes that named a candidate. */
export const placing = (history: Kept): PolicyChange | undefined => newest(history, ({ act }) => EFFECTS[act] === 'place');

function newest(history: Kept, is: (change: PolicyChange) => boolean): PolicyChange | undefined {
  for (const change of history) if (!(change instanceof Refusal) && is(change)) return change;
  return undefined;
}

/** Why a directory is not enforced although it holds this version, in words; nothing when it is. */
export function setAside(held: number, last: PolicyChange, since: PolicyChange | undefined): string | undefined {
  if (held === last.enforced) return undefined;
  const holds = `holds version ${held}`;
  if (held === last.candidate) return `${holds}, the candidate; version ${last.enforced} is enforced: \`cordon policy promote\``;
  const why = since?.act === 'rollback' ? ' since the rollback' : '';
  return `${holds}; version ${last.enforced} is enforced${why}: \`cordon policy apply\` to go forward`;
}
