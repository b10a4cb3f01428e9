// `off` and `release`: the order is logged and stored, then applied, then watched. What is reported is what PEPs saw. INVARIANT I6
import type { Level, Receipt } from '../domain/access.ts';
import { Refusal, asRefusal } from '../domain/refusal.ts';
import type { Levels } from '../store/ports.ts';
import type { Observed, Publisher } from './publisher.ts';
import { recordAct, type Act, type ActLog } from './acts.ts';

export type ContainmentStatus = 'contained' | 'partial' | 'not_contained';

export interface LevelOrder {
  readonly agent: string;
  readonly level: Level;
  /** SPIFFE ID of the operator. */
  readonly actor: string;
  readonly reason: string;
}

export type LevelResult = {
  readonly agent: string;
  readonly before: Level;
  readonly level: Level;
  readonly status: ContainmentStatus | 'released';
  readonly peps: readonly Observed[];
  /** From the order to the last close that was seen, milliseconds. */
  readonly cutMs: number;
  readonly receipt: Receipt;
};

export interface ContainmentParts extends ActLog {
  readonly publisher: Publisher;
  readonly levels: Pick<Levels, 'addLevel'>;
}

const SEVERITY: Readonly<Record<Level, number>> = { normal: 0, watched: 1, restricted: 2, off: 3 };

/**
 * Sets the level of an agent and reports what was observed.
 * @throws Refusal CORDON-1014 unknown agent, CORDON-9004 when it cannot be recorded or kept
 */
export async function setLevel(parts: ContainmentParts, order: LevelOrder): Promise<LevelResult> {
  const since = performance.now();
  const { publisher } = parts;
  const { agent, level } = order;
  const world = publisher.world();
  if (!world.agents.some(({ name }) => name === agent)) {
    throw new Refusal('CORDON-1014', `no agent is registered as \`${agent}\``);
  }
  const before = world.levels.get(agent) ?? 'normal';
  const releases = SEVERITY[level] < SEVERITY[before];
  const written = await write(parts, order, actOf(order, before, releases));
  if (written instanceof Refusal && releases) throw written;
  publisher.setLevel(agent, level);
  const peps = await publisher.contain({ kind: 'agent', id: agent }, since);
  if (written instanceof Refusal) throw written;
  const cutMs = Math.max(0, ...peps.map((pep) => pep.silentMs));
  return { agent, before, level, status: releases ? 'released' : statusOf(peps), peps, cutMs, receipt: written };
}

/**
 * Logs the order, then keeps it. A log or a store that fails must not keep an agent running: taking rights away goes on and is reported
 * as a failure afterwards; giving them back does not go on.
 */
async function write(parts: ContainmentParts, order: LevelOrder, act: Act): Promise<Receipt | Refusal> {
  try {
    const receipt = recordAct(parts, act);
    await parts.levels.addLevel({ ...order, at: parts.now() });
    return receipt;
  } catch (error) {
    return asRefusal(error, 'CORDON-9004', 'the order cannot be recorded and kept; a tighter level holds until Cordon stops');
  }
}

/** Contained only when every PEP is silent. */
export function statusOf(peps: readonly Observed[]): ContainmentStatus {
  const silent = peps.filter(({ remaining, unobserved }) => remaining === 0 && unobserved === undefined).length;
  if (silent === peps.length && peps.length > 0) return 'contained';
  return silent === 0 ? 'not_contained' : 'partial';
}

const actOf = ({ agent, level, actor, reason }: LevelOrder, before: Level, releases: boolean): Act => ({
  actor,
  act: releases ? 'agent.release' : 'agent.contain',
  target: agent,
  reason,
  detail: { before, level },
});
