// The section `http` of a resource in `cordon.yaml`: an HTTP API, where it is, who must answer there, and which routes it has.
import { resolve } from 'node:path';
import * as z from 'zod';
import type { ApiUpstreamConfig } from '../control/config.ts';
import { HTTP_METHODS, type HttpRoute } from '../domain/http-route.ts';
import { parseJson, type Json } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { mayPass } from '../gateway/http-headers.ts';
import type { Issue } from './config-place.ts';
import { credential, isLoopback, PLAINTEXT } from './config-values.ts';
import { type Parameter, routeFrom } from './http-route.ts';

/** `GET /invoices/{id}` */
const line = z.string().regex(new RegExp(`^(?:${HTTP_METHODS.join('|')}) /[^\\s?#]*$`), 'a method and a path: `GET /invoices/{id}`');
export const routeName = z.string().regex(/^[A-Za-z0-9][\w.:{}/-]{0,127}$/, 'letters, digits, `_`, `-`, `.`');
const header = z.string().refine(mayPass, 'a header that may be handed on; lower case');
/** JSON Schema, or the name of a simple type. */
const schema = z.union([z.enum(['string', 'integer', 'number', 'boolean']), z.record(z.string(), z.json())]);

const route = z.strictObject({
  route: line,
  /** Of the parameters in the path; what is not named is a string. */
  path: z.record(z.string(), schema).default({}),
  query: z.record(z.string(), schema).default({}),
  /** Query parameters that have to be there. */
  required: z.array(z.string()).default([]),
  /** JSON Schema of a JSON body. */
  body: z.record(z.string(), z.json()).exactOptional(),
  /** Media types of a body that is handed on as it is. */
  content: z
    .array(z.string().regex(/^[a-z0-9.+-]+\/[a-z0-9.+-]+$/))
    .min(1)
    .exactOptional(),
  headers: z.array(header).default([]),
  trailers: z.array(z.string().regex(/^[a-z0-9-]+$/)).default([]),
  websocket: z.strictObject({ origins: z.array(z.url()).default([]) }).exactOptional(),
});

export const HTTP_SECTION = z.strictObject({
  url: z.url({ protocol: /^https?$/ }),
  /** One that can't do TLS, on loopback only. */
  allowPlaintextLoopback: z.boolean().default(false),
  /** `spiffe`: the workload of this name, by its SVID, and it is shown the gateway's. `web`: whoever has a certificate for the host. */
  server: z.enum(['spiffe', 'web']).default('spiffe'),
  /** Of `web`: a PEM file with the private authority behind its certificate. */
  ca: z.string().exactOptional(),
  credential: credential.exactOptional(),
  /** Request headers that are handed on besides those that always are. */
  headers: z.array(header).default([]),
  routes: z.record(routeName, z.union([line, route])).default({}),
  /** OpenAPI 3: a YAML or JSON file whose operations are routes too. */
  openapi: z.string().exactOptional(),
  replyBytes: z.int().min(1024).default(67_108_864),
});

type HttpSection = z.infer<typeof HTTP_SECTION>;

/** @throws Refusal CORDON-9006 */
export function httpOf(name: string, section: HttpSection, misfitAt: (issue: Issue) => Refusal): ApiUpstreamConfig {
  const { url: text, allowPlaintextLoopback, server, ca, credential: shown, headers, routes, openapi, replyBytes } = section;
  const at = (...path: readonly string[]): readonly string[] => ['resources', name, 'http', ...path];
  const url = new URL(text);
  const plaintext = url.protocol === 'http:';
  if (plaintext && !(allowPlaintextLoopback && isLoopback(url))) throw misfitAt({ path: at('url'), message: PLAINTEXT });
  if (url.search !== '' || url.hash !== '' || url.username !== '') throw misfitAt({ path: at('url'), message: 'an origin and a path' });
  if (ca !== undefined && server !== 'web') throw misfitAt({ path: at('ca'), message: 'only with `server: web`' });
  if (openapi === undefined && Object.keys(routes).length === 0) throw misfitAt({ path: at(), message: '`routes`, or `openapi`' });
  return {
    kind: 'api',
    url,
    server: plaintext ? 'plaintext' : server,
    ...(ca === undefined ? {} : { ca }),
    ...(shown === undefined ? {} : { credential: shown }),
    headers,
    routes: Object.entries(routes).map(([key, row]) => tableRoute(key, row, (message) => misfitAt({ path: at('routes', key), message }))),
    ...(openapi === undefined ? {} : { openapi }),
    unusable: [],
    replyBytes,
  };
}

type RouteRow = HttpSection['routes'][string];

function tableRoute(name: string, row: RouteRow, misfit: (message: string) => Refusal): HttpRoute {
  const { route: text, path, query, required, body, content, ...rest } = typeof row === 'string' ? route.parse({ route: row }) : row;
  const [method, template = ''] = text.split(' ');
  const found = HTTP_METHODS.find((one) => one === method) ?? 'GET';
  try {
    return routeFrom({
      name,
      method: found,
      path: template,
      parameters: [
        ...namesIn(template).map((parameter): Parameter => ({
          name: parameter,
          in: 'path',
          required: true,
          schema: schemaOf(path[parameter] ?? 'string'),
        })),
        ...Object.entries(query).map(([key, value]): Parameter => ({
          name: key,
          in: 'query',
          required: required.includes(key),
          schema: schemaOf(value),
        })),
      ],
      ...(body === undefined ? {} : { json: { type: 'application/json', required: true, schema: jsonOf(body) } }),
      ...(content === undefined ? {} : { bytes: { types: content, required: true } }),
      root: {},
      ...rest,
    });
  } catch (error) {
    throw misfit(error instanceof Refusal ? error.message : 'no route');
  }
}

const namesIn = (template: string): readonly string[] => [...template.matchAll(/\{([^{}]*)\}/g)].map(([, name = '']) => name);

const schemaOf = (value: z.infer<typeof schema>): Json => (typeof value === 'string' ? { type: value } : jsonOf(value));

/** As the strict parser reads it. */
const jsonOf = (value: unknown): Json => parseJson(Buffer.from(JSON.stringify(value)), { maxBytes: 1_048_576, maxDepth: 64 });

/** The file of the document. */
export const documentPath = (base: string, openapi: string): string => resolve(base, openapi);
