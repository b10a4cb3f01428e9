// What operators see of policy versions: what is enforced and looked at since when and by whom, what the directory holds, and the history.
import { Refusal } from '../domain/refusal.ts';
import type { Decisions } from '../store/ports.ts';
import { hashOf, readPoliciesOrNone } from './policies.ts';
import { enforcing, placing } from './policy-history.ts';
import type { PolicyLedger } from './policy-ledger.ts';
import type { PolicyChange } from './policy-proof.ts';
import type { Placed, PolicyRollout } from './policy-orders.ts';

export interface PolicyViewParts {
  readonly rollout: Pick<PolicyRollout, 'placing'>;
  readonly ledger: Pick<PolicyLedger, 'find' | 'history'>;
  readonly decisions: Pick<Decisions, 'countShadow'>;
  /** The configured directory. */
  readonly directory: string;
}

type Problem = { readonly code: string; readonly message: string; readonly fix: string };

export type VersionView = {
  readonly version: number;
  readonly hash: string;
  /** How many policies, guardrails included; 0 when it is not admitted. */
  readonly policies: number;
  /** Since when it is where it is, Unix milliseconds; by which act, whose, and why. */
  readonly since?: number;
  readonly act?: string;
  readonly actor?: string;
  readonly note?: string;
  /** Why it is not decided with. */
  readonly error?: Problem;
};

export type CandidateView = VersionView & {
  /** Decisions since it is the candidate. */
  readonly seen: number;
  readonly wouldDeny: number;
  readonly wouldAllow: number;
};

export type PoliciesView = {
  readonly schema: 'cordon.policies/v1';
  /** Absent when what is enforced cannot be read. */
  readonly enforced?: VersionView;
  readonly candidate?: CandidateView;
  /** Why nothing is enforced, so that every call is denied. */
  readonly error?: Problem;
  /** What the configured directory holds: its version, when it is one. */
  readonly directory: { readonly path: string; readonly version?: number; readonly error?: Problem };
};

export type HistoryView = {
  readonly schema: 'cordon.policyhistory/v1';
  readonly items: readonly (Omit<PolicyChange, 'schema' | 'directory'> | { readonly error: Problem })[];
};

/** @throws Refusal CORDON-9004 */
export async function policiesView({ rollout, ledger, decisions, directory }: PolicyViewParts): Promise<PoliciesView> {
  const { enforced, candidate } = rollout.placing();
  const history = await ledger.history();
  const broken = enforced instanceof Refusal ? enforced : enforced.set instanceof Refusal ? enforced.set : undefined;
  const named = placing(history);
  return {
    schema: 'cordon.policies/v1',
    ...(enforced instanceof Refusal ? {} : { enforced: versionView(enforced, enforcing(history)) }),
    ...(candidate === undefined || candidate instanceof Refusal
      ? {}
      : { candidate: { ...versionView(candidate, named), ...(await countsOf(decisions, candidate, named)) } }),
    ...(broken === undefined ? {} : { error: problemOf(broken) }),
    directory: { path: directory, ...(await heldIn(directory, ledger)) },
  };
}

/** @throws Refusal CORDON-9004 */
export async function historyView({ ledger }: Pick<PolicyViewParts, 'ledger'>, limit: number): Promise<HistoryView> {
  const items = (await ledger.history(limit)).map((change) => {
    if (change instanceof Refusal) return { error: problemOf(change) };
    const { schema: _schema, directory: _directory, ...shown } = change;
    return shown;
  });
  return { schema: 'cordon.policyhistory/v1', items };
}

function versionView({ version: { version, hash }, set }: Placed, change: PolicyChange | undefined): VersionView {
  const { at: since, act, actor, note } = change ?? {};
  const by = since === undefined || act === undefined || actor === undefined ? {} : { since, act, actor };
  return {
    version,
    hash,
    policies: set instanceof Refusal ? 0 : set.policies.length,
    ...by,
    ...(note === undefined ? {} : { note }),
    ...(set instanceof Refusal ? { error: problemOf(set) } : {}),
  };
}

async function countsOf(
  decisions: PolicyViewParts['decisions'],
  { version: { version } }: Placed,
  named: PolicyChange | undefined,
): Promise<Pick<CandidateView, 'seen' | 'wouldDeny' | 'wouldAllow'>> {
  const { seen, differing } = await decisions.countShadow(version, named?.record.seq ?? 0);
  const count = (from: boolean, to: boolean): number =>
    differing
      .filter(({ verdict, shadow }) => (verdict === 'allow') === from && (shadow === 'allow') === to)
      .reduce((sum, row) => sum + row.count, 0);
  return { seen, wouldDeny: count(true, false), wouldAllow: count(false, true) };
}

async function heldIn(directory: string, ledger: Pick<PolicyLedger, 'find'>): Promise<{ version?: number; error?: Problem }> {
  try {
    const held = await ledger.find(hashOf(await readPoliciesOrNone(directory)));
    return held === undefined ? {} : { version: held.version };
  } catch (error) {
    if (error instanceof Refusal) return { error: problemOf(error) };
    throw error;
  }
}

const problemOf = ({ code, message, fix }: Refusal): Problem => ({ code, message, fix });
