// Which protocol a path speaks. Exact: no normalising, no trailing slash, no query.
import { Refusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import { linked } from '../pdp/segments.ts';

export type Route =
  | { readonly protocol: 'mcp'; readonly name: string }
  | { readonly protocol: 'a2a'; readonly name: string; readonly card: boolean };

const ROUTES: readonly { readonly pattern: RegExp; readonly route: (name: string) => Route }[] = [
  { pattern: /^\/mcp\/([a-z0-9][a-z0-9-]{0,62})$/, route: (name) => ({ protocol: 'mcp', name }) },
  { pattern: /^\/a2a\/([a-z0-9][a-z0-9-]{0,62})$/, route: (name) => ({ protocol: 'a2a', name, card: false }) },
  {
    pattern: /^\/a2a\/([a-z0-9][a-z0-9-]{0,62})\/\.well-known\/agent-card\.json$/,
    route: (name) => ({ protocol: 'a2a', name, card: true }),
  },
];

/** @throws Refusal CORDON-3003 */
export function routeOf(url: string): Route {
  for (const { pattern, route } of ROUTES) {
    const name = pattern.exec(url)?.[1];
    if (name !== undefined) return route(name);
  }
  throw new Refusal('CORDON-3003', 'no such path');
}

/** Is the callee inside the caller's segment, or linked from it? Only then may the caller learn that it exists. INVARIANT I9 */
export function knows(world: World, caller: { readonly agent: string }, { protocol, name }: Route): boolean {
  const { agents, resources } = world;
  const from = agents.find((agent) => agent.name === caller.agent)?.segment;
  const to = (protocol === 'mcp' ? resources : agents).find((callee) => callee.name === name)?.segment;
  return from !== undefined && to !== undefined && linked(world, from, to);
}
