// Which protocol a path speaks. Exact: no normalising, no trailing slash, no query.
import { Refusal } from '../domain/refusal.ts';

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
