// Which task tokens there are, by what was said of them when they were issued: through whom they came, until when. Not the tokens themselves,
// which nobody keeps. For telling what an agent holds and what hangs on it; nothing is decided by this. INVARIANT I10
import { type SpiffeId, withoutRun } from '../../domain/spiffe-id.ts';
import type { Issued } from '../../sts/request.ts';
import { MOST_TASK_LIFE } from '../../sts/task-token.ts';

/** Task tokens that came through an agent: its own and those exchanged from them. */
export type Delegated = {
  readonly tokens: number;
  readonly tasks: number;
  /** Agents that hold one which came through this one. */
  readonly agents: readonly SpiffeId[];
  /** False when there may be more: of before Cordon was started, or more than are remembered. */
  readonly complete: boolean;
};

export interface IssuedTokens {
  /** `now`: Unix milliseconds, here and below. */
  note(issued: Issued, now: number): void;
  /** Those that have not expired and that `isAlive`. `agent`: the agent, without a run. */
  through(agent: SpiffeId, isAlive: (token: Remembered) => boolean, now: number): Delegated;
}

export type Remembered = Pick<Issued, 'txn' | 'chain' | 'parents'> & { readonly token: string; readonly expiresAt: number };

const MOST = 20_000;

/** `since`: the first token that this can know of. */
export function createIssuedTokens(since: number, most = MOST): IssuedTokens {
  /** Oldest first. */
  const known = new Map<string, Remembered>();
  let knownSince = since;

  const makeRoom = (now: number): void => {
    for (const [token, { expiresAt }] of known) if (expiresAt <= now) known.delete(token);
    for (const token of known.keys()) {
      if (known.size < most) return;
      known.delete(token);
      knownSince = now;
    }
  };

  return {
    note({ jti, txn, chain, parents, expiresAt }, now): void {
      if (jti === undefined) return; // a transaction token dies with its task
      if (known.size >= most) makeRoom(now);
      known.set(jti, { token: jti, txn, chain, parents, expiresAt: expiresAt * 1000 });
    },
    through(agent, isAlive, now): Delegated {
      const isOf = (id: SpiffeId): boolean => id.startsWith(`${agent}/run/`);
      const found = [...known.values()].filter((one) => one.expiresAt > now && one.chain.some(isOf) && isAlive(one));
      const holders = found.flatMap(({ chain }) => chain.slice(-1)).filter((id) => !isOf(id));
      return {
        tokens: found.length,
        tasks: new Set(found.map(({ txn }) => txn)).size,
        agents: [...new Set(holders.map(withoutRun))].toSorted(),
        complete: now - knownSince >= MOST_TASK_LIFE * 1000,
      };
    },
  };
}
