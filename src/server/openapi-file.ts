// OpenAPI documents that `cordon.yaml` names: read within bounds, and their operations added to the routes of their API.
import { readFile } from 'node:fs/promises';
import { parseDocument } from 'yaml';
import type { ApiUpstreamConfig, Config, ResourceConfig } from '../control/config.ts';
import { isSafe, type HttpRoute } from '../domain/http-route.ts';
import { parseJson, type Json } from '../domain/json.ts';
import { errorTextOf, Refusal } from '../domain/refusal.ts';
import { documentPath } from './config-http.ts';
import { routesOf } from './openapi.ts';

const BOUNDS = { maxBytes: 8_388_608, maxDepth: 64 };

/** @throws Refusal CORDON-9006 */
export const withDocuments = async (config: Config): Promise<Config> => ({
  ...config,
  resources: await Promise.all(config.resources.map((resource) => withDocument(config.base, resource))),
});

/** Does it change nothing, by its method? Of a WebSocket the method says nothing. */
export const isReading = ({ method, websocket }: HttpRoute): boolean => websocket === undefined && isSafe(method);

async function withDocument(base: string, resource: ResourceConfig): Promise<ResourceConfig> {
  const { upstream, readsGiven, reads } = resource;
  if (upstream.kind !== 'api' || upstream.openapi === undefined) return resource;
  const routes = await routesIn(documentPath(base, upstream.openapi), upstream);
  return {
    ...resource,
    reads: readsGiven ? reads : routes.routes.flatMap((route) => (isReading(route) ? [route.name] : [])),
    upstream: { ...upstream, ...routes },
  };
}

/** The table of `cordon.yaml` goes first: what the document calls the same is not added. */
async function routesIn(path: string, { routes: table }: ApiUpstreamConfig): Promise<Pick<ApiUpstreamConfig, 'routes' | 'unusable'>> {
  const { routes: found, unusable } = await readRoutes(path);
  const names = new Set(table.map(({ name }) => name));
  const routes = [...table];
  const twice: { operation: string; why: string }[] = [];
  for (const route of found) {
    if (names.has(route.name)) twice.push({ operation: `${route.method} ${route.path}`, why: `another route is called \`${route.name}\`` });
    else routes.push(route);
    names.add(route.name);
  }
  return { routes, unusable: [...unusable, ...twice] };
}

async function readRoutes(path: string): Promise<ReturnType<typeof routesOf>> {
  try {
    return routesOf(await readDocument(path));
  } catch (error) {
    throw new Refusal('CORDON-9006', `${path}: ${errorTextOf(error)}`, { cause: error, fix: `mend ${path}` });
  }
}

async function readDocument(path: string): Promise<Json> {
  const bytes = await readFile(path);
  if (bytes.byteLength > BOUNDS.maxBytes) throw new Refusal('CORDON-9006', `longer than ${BOUNDS.maxBytes} bytes`);
  if (path.endsWith('.json')) return parseJson(bytes, BOUNDS);
  const document = parseDocument(bytes.toString('utf8'), { uniqueKeys: true, schema: 'core', merge: false });
  const [broken] = document.errors;
  if (broken !== undefined) throw new Refusal('CORDON-9006', broken.message.split('\n', 1)[0] ?? 'no YAML');
  // aliases can make a small file a huge value
  return parseJson(Buffer.from(JSON.stringify(document.toJS({ maxAliasCount: 0 }))), BOUNDS);
}
