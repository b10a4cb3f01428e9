// What every subject that decides decides with: 1,000 policies of 200 agents over the tools of one server.
import type { World } from '../../src/domain/registry.ts';
import { policiesOf, worldOf, type Desk } from '../desks.ts';

export const POLICIES = 1_000;
const SERVER = 'bench';

/** The first is the one that calls. */
export const gatewayDesks = (): readonly Desk[] =>
  Array.from({ length: Math.ceil(POLICIES / 5) }, (_, n) => ({ agent: n === 0 ? 'caller' : `clerk-${n}`, team: 'desk', server: SERVER }));

export const gatewayPolicies = (): string => policiesOf(POLICIES, gatewayDesks());

/** With the one server that all of them call. */
export function gatewayWorld(desks: readonly Desk[]): World {
  const world = worldOf(desks);
  return { ...world, resources: world.resources.slice(0, 1) };
}
