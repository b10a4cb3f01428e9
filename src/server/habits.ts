// What runs of each agent usually do outlives a restart: sealed in the store, so that whoever can write there teaches nothing.
import type { Sealer } from '../crypto/seal.ts';
import { parseJson, writeJson } from '../domain/json.ts';
import { errorTextOf } from '../domain/refusal.ts';
import type { Habits } from '../gateway/run-risk.ts';
import type { Sealed } from '../store/ports.ts';
import { Baseline } from '../trust/baseline.ts';

export interface HabitsParts {
  readonly store: Sealed;
  readonly sealer: Sealer;
  readonly agents: readonly { readonly name: string }[];
  readonly onNotice: (line: string) => void;
}

const BOUNDS = { maxBytes: 4 * 1_048_576, maxDepth: 4 };
const nameOf = (agent: string): string => `habits/${agent}`;

/** `stack` waits for what is being written. @throws Refusal CORDON-9004 when the store cannot be read */
export async function openHabits({ store, sealer, agents, onNotice }: HabitsParts, stack: AsyncDisposableStack): Promise<Habits> {
  const kept = new Map<string, Baseline>();
  const unread = (agent: string, why: string): void =>
    onNotice(`! ${agent}: what its runs usually do cannot be read and is learned anew: ${why}`);
  for (const { name } of agents) {
    const sealed = await store.getSealed(nameOf(name));
    if (sealed === undefined) continue;
    try {
      const baseline = Baseline.parse(parseJson(sealer.open(nameOf(name), sealed), BOUNDS));
      if (baseline === undefined) unread(name, 'it has another form');
      else kept.set(name, baseline);
    } catch (error) {
      unread(name, errorTextOf(error));
    }
  }
  let writing: Promise<void> = Promise.resolve();
  stack.defer(() => writing);
  return {
    of: (agent) => kept.get(agent),
    keep(agent, baseline): void {
      const sealed = sealer.seal(nameOf(agent), Buffer.from(writeJson(baseline.json())));
      // in the order in which it was learned
      writing = writing
        .then(() => store.putSealed(nameOf(agent), sealed))
        .catch((error: unknown) => onNotice(`! ${agent}: what its runs usually do is not kept: ${errorTextOf(error)}`));
    },
  };
}
