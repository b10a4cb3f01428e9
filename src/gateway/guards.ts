// What keeps one callee in trouble from troubling the others: places in flight, per callee and per segment, and a circuit breaker per
// callee. Asked after the decision, so that nobody learns of a callee by its load (INVARIANT I9), and before anything is spent on the call.
import type { Plan, PlanKind } from './call.ts';
import type { Breaker, Circuit } from './breaker.ts';
import { enterAll, type Pool } from './pools.ts';

export interface Guard {
  readonly kind: 'agent' | 'resource';
  readonly name: string;
  readonly segment: string;
  readonly breaker: Breaker;
  /** Tools that the operator lets be called again. */
  readonly retry: ReadonlySet<string>;
  /** Of the callee, then of its segment. */
  readonly pools: readonly [Pool, Pool];
}

export type GuardView = {
  readonly kind: Guard['kind'];
  readonly name: string;
  readonly circuit: Circuit;
  readonly inFlight: number;
  readonly most: number;
};

export interface Guards {
  /** A place for the call and a closed circuit. @returns gives the place back @throws Refusal CORDON-9013, CORDON-9014 */
  enter(plan: Plan): () => void;
  /** Seconds after which the callee of a refused call may be asked again. */
  retryAfter(plan: Plan): number;
  /** Does the operator let this tool be called again when no answer came? */
  allowsRetry(server: string, tool: string): boolean;
  views(): readonly GuardView[];
}

/** What the gateway answers by itself takes no place and passes an open circuit. */
const OWN: ReadonlySet<PlanKind> = new Set<PlanKind>(['mcp/session', 'mcp/notification', 'mcp/list']);

const keyOf = ({ kind, name }: Pick<Guard, 'kind' | 'name'>): string => `${kind}/${name}`;

export function createGuards(guards: readonly Guard[]): Guards {
  const byKey = new Map(guards.map((guard) => [keyOf(guard), guard]));
  const guardOf = (plan: Plan): Guard | undefined => {
    if (OWN.has(plan.kind)) return undefined;
    return byKey.get('server' in plan ? `resource/${plan.server}` : `agent/${plan.agent}`);
  };
  return {
    enter(plan): () => void {
      const guard = guardOf(plan);
      return guard === undefined ? () => undefined : enterAll([...guard.pools, guard.breaker]);
    },
    retryAfter: (plan) => Math.max(1, Math.ceil((guardOf(plan)?.breaker.waitMs() ?? 0) / 1000)),
    allowsRetry: (server, tool) => byKey.get(`resource/${server}`)?.retry.has(tool) === true,
    views: () =>
      guards.map(({ kind, name, breaker, pools: [{ inFlight, most }] }) => ({
        kind,
        name,
        circuit: breaker.circuit,
        inFlight,
        most,
      })),
  };
}
