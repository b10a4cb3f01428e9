// The routes of one HTTP API: which of them a method and a path are, and what the path says of its parameters. A path that no route has
// does not exist, whatever the API behind it would answer.
import type { HttpRoute } from '../domain/http-route.ts';
import { readPath } from './http-target.ts';

export interface MatchedRoute {
  readonly route: HttpRoute;
  /** Path parameters by name, decoded. */
  readonly path: ReadonlyMap<string, string>;
}

export interface RouteTable {
  match(method: string, segments: readonly string[]): MatchedRoute | undefined;
}

/** One segment of a template: a text, or the name of a parameter. */
type Part = { readonly literal: string } | { readonly parameter: string };

interface Row {
  readonly route: HttpRoute;
  readonly parts: readonly Part[];
}

/** A literal goes before a parameter (OpenAPI 3.1 §4.8.8.2), from left to right. */
export function createRouteTable(routes: readonly HttpRoute[]): RouteTable {
  const rows = Map.groupBy(
    routes.map((route): Row => ({ route, parts: partsOf(route.path) })).toSorted((a, b) => compare(rankOf(a), rankOf(b))),
    ({ route, parts }) => keyOf(route.method, parts.length),
  );
  return {
    match(method, segments): MatchedRoute | undefined {
      for (const { route, parts } of rows.get(keyOf(method, segments.length)) ?? []) {
        const path = parametersIn(parts, segments);
        if (path !== undefined) return { route, path };
      }
      return undefined;
    },
  };
}

const keyOf = (method: string, length: number): string => `${method} ${length}`;
const rankOf = ({ parts }: Row): string => parts.map((part) => ('literal' in part ? '0' : '1')).join('');
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const PARAMETER = /^\{([^{}]+)\}$/;

const partsOf = (template: string): readonly Part[] =>
  template
    .slice(1)
    .split('/')
    .map((part) => {
      const parameter = PARAMETER.exec(part)?.[1];
      return parameter === undefined ? { literal: readPath(`/${part}`)[0] ?? '' } : { parameter };
    });

function parametersIn(parts: readonly Part[], segments: readonly string[]): ReadonlyMap<string, string> | undefined {
  const found = new Map<string, string>();
  for (const [at, part] of parts.entries()) {
    const segment = segments[at] ?? '';
    if ('literal' in part) {
      if (part.literal !== segment) return undefined;
    } else if (segment === '') return undefined;
    else found.set(part.parameter, segment);
  }
  return found;
}
