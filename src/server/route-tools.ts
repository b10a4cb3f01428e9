// The routes of HTTP APIs as policy is told of them, beside the tools of MCP servers. The operator says them, so nothing has to be asked.
import type { ResourceConfig } from '../control/config.ts';
import type { HttpRoute } from '../domain/http-route.ts';
import type { Tool } from '../domain/registry.ts';

/** By name of the API. */
export const routesIn = (resources: readonly ResourceConfig[]): readonly (readonly [api: string, routes: readonly Tool[]])[] =>
  resources.flatMap(({ name, upstream }) => (upstream.kind === 'api' ? [[name, upstream.routes.map(routeTool)] as const] : []));

function routeTool({ name, inputSchema, method, path }: HttpRoute): Tool {
  const route = { method, path };
  return { name, definition: { name, inputSchema, route }, inputSchema, route };
}
