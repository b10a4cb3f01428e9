// Which protocol a path speaks. Exact: no normalising, no trailing slash, no query; of an HTTP API the rest is read later (http-target.ts).
import { Refusal } from '../domain/refusal.ts';
import { kindOf, type ResourceKind, type World } from '../domain/registry.ts';
import { linked } from '../pdp/segments.ts';

export type Route =
  | { readonly protocol: 'mcp'; readonly name: string }
  | { readonly protocol: 'a2a'; readonly name: string; readonly card: boolean }
  /** HTTP+JSON: `rest` is path and query below the agent. */
  | { readonly protocol: 'a2a'; readonly name: string; readonly card: false; readonly rest: string }
  /** Where an agent delivers a push notification. */
  | { readonly protocol: 'a2a'; readonly name: string; readonly card: false; readonly sealed: string }
  /** `target`: path and query below the API. */
  | { readonly protocol: 'api'; readonly name: string; readonly target: string };

const ROUTES: readonly { readonly pattern: RegExp; readonly route: (name: string, rest: string) => Route }[] = [
  { pattern: /^\/mcp\/([a-z0-9][a-z0-9-]{0,62})$/, route: (name) => ({ protocol: 'mcp', name }) },
  { pattern: /^\/a2a\/([a-z0-9][a-z0-9-]{0,62})$/, route: (name) => ({ protocol: 'a2a', name, card: false }) },
  {
    pattern: /^\/a2a\/([a-z0-9][a-z0-9-]{0,62})\/\.well-known\/agent-card\.json$/,
    route: (name) => ({ protocol: 'a2a', name, card: true }),
  },
  {
    pattern:
      /^\/a2a\/([a-z0-9][a-z0-9-]{0,62})(\/(?:message:(?:send|stream)|extendedAgentCard|tasks(?:\/[^/?]+(?:\/pushNotificationConfigs(?:\/[^/?]+)?)?)?)(?:\?.*)?)$/s,
    route: (name, rest) => ({ protocol: 'a2a', name, card: false, rest }),
  },
  {
    pattern: /^\/a2a\/([a-z0-9][a-z0-9-]{0,62})\/push\/([\w-]{1,16384})$/,
    route: (name, sealed) => ({ protocol: 'a2a', name, card: false, sealed }),
  },
  {
    pattern: /^\/api\/([a-z0-9][a-z0-9-]{0,62})((?:[/?].*)?)$/s,
    route: (name, rest) => ({ protocol: 'api', name, target: rest.startsWith('/') ? rest : `/${rest}` }),
  },
];

/** @throws Refusal CORDON-3003 */
export function routeOf(url: string): Route {
  for (const { pattern, route } of ROUTES) {
    const [, name, rest = ''] = pattern.exec(url) ?? [];
    if (name !== undefined) return route(name, rest);
  }
  throw new Refusal('CORDON-3003', 'no such path');
}

const KINDS = { mcp: 'mcp', api: 'http' } as const satisfies Record<string, ResourceKind>;

/** Is the callee inside the caller's segment, or linked from it? Only then may the caller learn that it exists. INVARIANT I9 */
export function knows(world: World, caller: { readonly agent: string }, { protocol, name }: Route): boolean {
  const { agents, resources } = world;
  const from = agents.find((agent) => agent.name === caller.agent)?.segment;
  const to =
    protocol === 'a2a'
      ? agents.find((agent) => agent.name === name)
      : resources.find((one) => one.name === name && kindOf(one) === KINDS[protocol]);
  return from !== undefined && to !== undefined && linked(world, from, to.segment);
}
