// The section `dataPlanes` of `cordon.yaml`: nginx, Caddy, HAProxy, Envoy, which ask Cordon before they forward. There is none by default, and
// none without saying who may connect.
import { resolve } from 'node:path';
import * as z from 'zod';
import type { Address, DataPlaneConfig, PlaneDoorConfig } from '../control/config.ts';
import { name } from '../control/input.ts';
import { PLANE_PROTOCOLS, SHOWS_BODY } from '../domain/data-plane.ts';
import type { Issue } from './config-place.ts';

const route = z.strictObject({
  /** Decide MCP by its headers alone, where the body is not shown; the server has to hold them against the body. */
  headersOnly: z.boolean().default(false),
  /** Hand the data plane the credential of the callee. */
  credential: z.boolean().default(false),
  txnToken: z.boolean().default(false),
});

const plane = z.strictObject({
  protocol: z.enum(PLANE_PROTOCOLS),
  /** As agents call it. */
  url: z.url({ protocol: /^https$/ }).refine((text) => new URL(text).href === `${text}/`, '`https://host:port`, without a path'),
  socket: z.string().min(1).exactOptional(),
  /** Who may connect to the socket, by the mode of its file … */
  access: z.enum(['owner', 'group']).exactOptional(),
  /** … or by the user that the kernel names. */
  uids: z.array(z.int().min(0)).min(1).exactOptional(),
  listen: z
    .string()
    .regex(/^(\[[0-9a-f:]+\]|[0-9a-z.-]+):\d{1,5}$/, '`host:port`')
    .exactOptional(),
  /** The resource whose SVID must be shown there. */
  workload: name.exactOptional(),
  routes: z.record(
    z.string().regex(/^(mcp|api|a2a)\/[a-z0-9][a-z0-9-]{0,62}$/, '`mcp/RESOURCE`, `api/RESOURCE` or `a2a/AGENT`'),
    route.nullable().transform((row) => row ?? { headersOnly: false, credential: false, txnToken: false }),
  ),
});

export const DATA_PLANES_SECTION = z.record(name, plane);

type PlaneFile = z.infer<typeof plane>;

interface Registered {
  readonly agents: Readonly<Record<string, unknown>>;
  readonly resources: Readonly<Record<string, { readonly mcp?: object; readonly http?: object }>>;
}

export interface DataPlaneParts {
  readonly registered: Registered;
  /** Paths start there. */
  readonly base: string;
  readonly addressOf: (text: string) => Address;
  /** Is given the first thing that does not fit. */
  readonly refuse: (issue: Issue) => Error;
}

export const dataPlanesOf = (section: z.infer<typeof DATA_PLANES_SECTION>, parts: DataPlaneParts): readonly DataPlaneConfig[] =>
  Object.entries(section).map(([each, row]) => {
    const issue = routeIssue(row, parts.registered);
    if (issue !== undefined) throw parts.refuse({ path: ['dataPlanes', each, ...issue.path], message: issue.message });
    const door = doorOf(row, parts);
    if ('message' in door) throw parts.refuse({ path: ['dataPlanes', each, ...door.path], message: door.message });
    return { name: each, protocol: row.protocol, url: row.url, door, routes: new Map(Object.entries(row.routes)) };
  });

const MODES = { owner: 0o600, group: 0o660 } as const;
const ANYONE = 0o666;

/** INVARIANT I1: whoever may ask can be handed credentials, so nobody may who was not named. */
function doorOf(
  { socket, access, uids, listen, workload }: PlaneFile,
  { registered, base, addressOf }: DataPlaneParts,
): PlaneDoorConfig | Issue {
  if ((socket === undefined) === (listen === undefined)) return { path: [], message: 'needs either `socket` or `listen`' };
  if (listen !== undefined) {
    if (access !== undefined || uids !== undefined) return { path: ['listen'], message: '`access` and `uids` are for a `socket`' };
    if (workload === undefined) return { path: ['listen'], message: 'needs `workload`: the resource whose SVID must be shown' };
    if (!Object.hasOwn(registered.resources, workload)) return { path: ['workload'], message: `no resource is called \`${workload}\`` };
    return { kind: 'mtls', address: addressOf(listen), workload };
  }
  if (workload !== undefined) return { path: ['workload'], message: 'is for an address to `listen` on' };
  if ((access === undefined) === (uids === undefined)) {
    return { path: ['socket'], message: 'needs either `access` (owner, group) or `uids`: who may connect' };
  }
  const mode = access === undefined ? ANYONE : MODES[access];
  return { kind: 'socket', path: resolve(base, socket ?? ''), mode, ...(uids === undefined ? {} : { uids }) };
}

function routeIssue({ protocol, routes }: PlaneFile, { agents, resources }: Registered): Issue | undefined {
  for (const [each, { headersOnly, credential }] of Object.entries(routes)) {
    const [kind, callee = ''] = each.split('/');
    const { mcp, http } = resources[callee] ?? {};
    const upstream = kind === 'mcp' ? mcp : kind === 'api' ? http : undefined;
    if (kind === 'a2a' ? !Object.hasOwn(agents, callee) : upstream === undefined) {
      const what = kind === 'a2a' ? 'agent' : `resource with \`${kind === 'mcp' ? 'mcp' : 'http'}\``;
      return { path: ['routes', each], message: `no ${what} is called \`${callee}\`` };
    }
    if (headersOnly && SHOWS_BODY[protocol]) return { path: ['routes', each, 'headersOnly'], message: `\`${protocol}\` shows the body` };
    if (headersOnly && kind !== 'mcp') return { path: ['routes', each, 'headersOnly'], message: 'is for `mcp/…`' };
    if (credential && !hasCredential(upstream)) {
      return { path: ['routes', each, 'credential'], message: `\`resources.${callee}\` has no \`credential\`` };
    }
  }
  return undefined;
}

const hasCredential = (upstream: object | undefined): boolean =>
  upstream !== undefined && 'credential' in upstream && upstream.credential !== undefined;
