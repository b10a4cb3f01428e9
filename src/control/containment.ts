// `off` and `release`: the level is stored and logged first, then applied, then watched. What is reported is what PEPs saw. INVARIANT I6
import type { ActRecord, Level, LogRecord, Receipt } from '../domain/access.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Levels } from '../store/ports.ts';
import type { Observed, Publisher } from './publisher.ts';

export type ContainmentStatus = 'contained' | 'partial' | 'not_contained' | 'released';

export interface LevelOrder {
  readonly agent: string;
  readonly level: Level;
  readonly actor: string;
  readonly reason: string;
}

export interface LevelResult {
  readonly agent: string;
  readonly before: Level;
  readonly level: Level;
  readonly status: ContainmentStatus;
  readonly peps: readonly Observed[];
  /** From the order to the last close that was seen, milliseconds. */
  readonly cutMs: number;
  readonly receipt: Receipt;
}

export interface ContainmentParts {
  readonly publisher: Publisher;
  readonly levels: Levels;
  readonly log: { append(record: LogRecord): Receipt };
  readonly now: () => number;
}

const SEVERITY: Readonly<Record<Level, number>> = { normal: 0, watched: 1, restricted: 2, off: 3 };

/** Sets the level of an agent and reports what was observed. @throws Refusal CORDON-1014 unknown agent, CORDON-9004 */
export async function setLevel(parts: ContainmentParts, order: LevelOrder): Promise<LevelResult> {
  const since = performance.now();
  const { publisher } = parts;
  const world = publisher.world();
  if (!world.agents.some((agent) => agent.name === order.agent)) {
    throw new Refusal('CORDON-1014', `no agent is registered as \`${order.agent}\``);
  }
  const before = world.levels.get(order.agent) ?? 'normal';
  const receipt = parts.log.append(actOf(order, before, parts.now()));
  await parts.levels.addLevel({ ...order, at: parts.now() });
  publisher.setLevel(order.agent, order.level);
  const peps = await publisher.contain(order.agent, since);
  const status = SEVERITY[order.level] < SEVERITY[before] ? 'released' : statusOf(peps);
  const cutMs = Math.max(0, ...peps.map((pep) => pep.silentMs));
  return { agent: order.agent, before, level: order.level, status, peps, cutMs, receipt };
}

function statusOf(peps: readonly Observed[]): ContainmentStatus {
  const silent = peps.filter((pep) => pep.remaining === 0).length;
  if (silent === peps.length && peps.length > 0) return 'contained';
  return silent === 0 ? 'not_contained' : 'partial';
}

const actOf = (order: LevelOrder, before: Level, now: number): ActRecord => ({
  schema: 'cordon.act/v1',
  ts: new Date(now).toISOString(),
  actor: order.actor,
  act: SEVERITY[order.level] < SEVERITY[before] ? 'agent.release' : 'agent.contain',
  target: order.agent,
  reason: order.reason,
  detail: { before, level: order.level },
});
