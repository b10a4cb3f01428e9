// Builds the gateway's way to every callee of the configuration.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type {
  ApiUpstreamConfig,
  Config,
  CredentialConfig,
  EgressUpstreamConfig,
  HttpUpstreamConfig,
  Resilience,
  StdioUpstreamConfig,
} from '../control/config.ts';
import { readKeySet } from '../control/oidc-keys.ts';
import type { Sealer } from '../crypto/seal.ts';
import type { JsonBounds } from '../domain/json.ts';
import { GATEWAY_NAME, type PartKind } from '../domain/registry.ts';
import { Refusal } from '../domain/refusal.ts';
import { createBreaker, type Breaker, type Circuit } from '../gateway/breaker.ts';
import { createChannel, type ChannelOptions } from '../gateway/channel.ts';
import { createGuards, type Guard } from '../gateway/guards.ts';
import { createMcpHttp } from '../gateway/mcp-http.ts';
import { createMcpStdio } from '../gateway/mcp-stdio.ts';
import { addressRule } from '../gateway/egress-addresses.ts';
import { createDial, type Resolve } from '../gateway/egress-dial.ts';
import { createOutsideDispatcher } from '../gateway/egress-dispatcher.ts';
import { createEgressTable, type EgressRow, type Outside } from '../gateway/egress-table.ts';
import { createRouteTable } from '../gateway/http-routes.ts';
import { createPool, type Pool } from '../gateway/pools.ts';
import {
  createUpstreams,
  type A2aUpstream,
  type ClientInfo,
  type HttpUpstream,
  type McpUpstream,
  type Upstreams,
} from '../gateway/upstreams.ts';
import type { Sealed } from '../store/ports.ts';
import type { Interception } from './interception.ts';
import { secretOf } from './secrets.ts';

export interface UpstreamParts {
  readonly config: Config;
  readonly store: Sealed;
  readonly sealer: Sealer;
  readonly channel: Omit<ChannelOptions, 'origin' | 'expect' | 'health' | keyof Times>;
  readonly client: ClientInfo;
  /** Of the gateway. */
  readonly publicUrl: string;
  /** The addresses of a host outside. */
  readonly resolve: Resolve;
  readonly interception: Interception | undefined;
  /** What an upstream may answer. */
  readonly bounds: JsonBounds;
  /** Lines that spawned servers write to their standard error. */
  readonly onStderr: (resource: string, line: string) => void;
  /** The circuit of a callee has changed. */
  readonly onCircuit: (guard: Pick<Guard, 'kind' | 'name'>, circuit: Circuit) => void;
}

const TEXT: readonly PartKind[] = ['text'];

type Times = Pick<Resilience, 'connectMs' | 'answerMs' | 'idleMs'>;

/** @throws Refusal CORDON-9006 when a credential is missing */
export async function buildUpstreams(parts: UpstreamParts): Promise<Upstreams> {
  const mcp = new Map<string, McpUpstream>();
  const http = new Map<string, HttpUpstream>();
  const guarded = guarding(parts);
  const rows: EgressRow[] = [];
  for (const { name, upstream, segment } of parts.config.resources) {
    const callee = guarded('resource', name, segment);
    if (upstream.kind === 'egress') rows.push(...(await outsideOf(parts, callee, upstream)));
    else if (upstream.kind === 'api') http.set(name, await apiOf(parts, callee, upstream));
    else mcp.set(name, upstream.kind === 'stdio' ? spawned(parts, callee, upstream) : await reached(parts, callee, upstream));
  }
  const a2a = new Map<string, A2aUpstream>();
  for (const { name, a2a: url, segment, cardKeys, contexts, push, binding = 'JSONRPC', parts: accepts = TEXT } of parts.config.agents) {
    if (url === undefined) continue;
    const { origin, pathname } = new URL(url);
    const { timing } = guarded('agent', name, segment);
    const channel = createChannel({ ...parts.channel, ...timing, origin: new URL(origin), expect: { kind: 'agent', name } });
    const keys = cardKeys === undefined ? {} : { cardKeys: await readKeySet(resolve(parts.config.base, cardKeys)) };
    const pushed = push === undefined ? {} : { pushBase: push === 'direct' ? parts.publicUrl : `http://${GATEWAY_NAME}` };
    a2a.set(name, { channel, path: pathname, binding, accepts: new Set(accepts), makesContexts: contexts === 'agent', ...keys, ...pushed });
  }
  return createUpstreams({ mcp, a2a, http, egress: createEgressTable(rows), guards: createGuards(guarded.all) });
}

/** A callee with what it is allowed. */
interface Callee {
  readonly name: string;
  readonly timing: Times & { readonly health: Breaker };
}

interface Guarding {
  (kind: Guard['kind'], name: string, segment: string): Callee;
  readonly all: readonly Guard[];
}

const MAX_TRY_AGAIN_MS = 30_000;

/** Makes the guard of each callee, and one pool for each segment. */
function guarding({ config: { resilience }, onCircuit }: UpstreamParts): Guarding {
  const all: Guard[] = [];
  const segments = new Map<string, Pool>();
  const segmentPool = (segment: string): Pool => {
    const known = segments.get(segment) ?? createPool(`segment \`${segment}\``, resilience.segments.get(segment) ?? 0);
    segments.set(segment, known);
    return known;
  };
  const guard = (kind: Guard['kind'], name: string, segment: string): Callee => {
    const settings = (kind === 'agent' ? resilience.agents : resilience.resources).get(name);
    if (settings === undefined) throw new Refusal('CORDON-9006', `nothing bounds \`${name}\``);
    const { connectMs, answerMs, idleMs, inFlight, failures, tryAgainMs, retry } = settings;
    const breaker = createBreaker(
      { failures, retryMs: tryAgainMs, maxRetryMs: MAX_TRY_AGAIN_MS },
      () => performance.now(),
      (circuit) => onCircuit({ kind, name }, circuit),
    );
    all.push({ kind, name, segment, breaker, pools: [createPool(`\`${name}\``, inFlight), segmentPool(segment)], retry: new Set(retry) });
    return { name, timing: { connectMs, answerMs, idleMs, health: breaker } };
  };
  return Object.assign(guard, { all });
}

/** Of our environment a spawned server gets the search path alone. */
function spawned(
  { config, client, bounds, onStderr }: UpstreamParts,
  { name, timing }: Callee,
  { command, env, asks }: StdioUpstreamConfig,
): McpUpstream {
  const path = process.env['PATH'] ?? '';
  return createMcpStdio({
    name,
    command,
    cwd: config.base,
    env: { PATH: path, ...env },
    bounds,
    client,
    answerMs: timing.answerMs,
    asks,
    health: timing.health,
    onStderr: (line) => onStderr(name, line),
  });
}

async function reached(parts: UpstreamParts, { name, timing }: Callee, upstream: HttpUpstreamConfig): Promise<McpUpstream> {
  const { client, bounds } = parts;
  const { url, plaintext, credential } = upstream;
  const expect = plaintext ? undefined : ({ kind: 'resource', name } as const);
  const channel = createChannel({ ...parts.channel, ...timing, origin: new URL(url.origin), expect });
  const headers = await credentialOf(parts, name, credential);
  return createMcpHttp({ channel, path: url.pathname, credential: () => headers, bounds, client, takesTxnToken: !plaintext });
}

/** The credential of a callee as headers; empty where it has none. INVARIANT I8 @throws Refusal CORDON-9006 when it is missing */
export async function credentialOf(
  { config, store, sealer }: Pick<UpstreamParts, 'config' | 'store' | 'sealer'>,
  name: string,
  credential: CredentialConfig | undefined,
): Promise<Readonly<Record<string, string>>> {
  if (credential === undefined) return {};
  const secret = await secretOf({ base: config.base, store, sealer }, name, credential.secret);
  return { [credential.header]: `${credential.scheme} ${secret}`.trim() };
}

async function apiOf(parts: UpstreamParts, { name, timing }: Callee, upstream: ApiUpstreamConfig): Promise<HttpUpstream> {
  const { url, server, ca, credential, headers, routes, replyBytes } = upstream;
  const origin = new URL(url.origin);
  const pem = ca === undefined ? {} : { ca: await readFile(resolve(parts.config.base, ca), 'utf8') };
  const expect = { plaintext: undefined, spiffe: { kind: 'resource', name }, web: { kind: 'web', name, ...pem } } as const;
  const shown = await credentialOf(parts, name, credential);
  return {
    channel: createChannel({ ...parts.channel, ...timing, origin, expect: expect[server] }),
    routes: createRouteTable(routes),
    origin,
    base: url.pathname.replace(/\/+$/, ''),
    credential: () => shown,
    headers,
    takesTxnToken: server === 'spiffe',
    maxReplyBytes: replyBytes,
  };
}

/** INVARIANT: what is registered for interception is intercepted or not reached at all. */
function standInBy(interception: Interception | undefined): NonNullable<Outside['intercept']> {
  if (interception === undefined) throw new Refusal('CORDON-9006', 'there is no authority to intercept with');
  return (host) => interception.certificateFor(host);
}

async function outsideOf(parts: UpstreamParts, { name, timing }: Callee, upstream: EgressUpstreamConfig): Promise<readonly EgressRow[]> {
  const { hosts, addresses, tunnel, intercept, ca, headers, credential, bounds, replyBytes } = upstream;
  const { interception, config } = parts;
  const { connectMs, answerMs } = timing;
  const pem = ca === undefined ? undefined : await readFile(resolve(config.base, ca), 'utf8');
  const dial = createDial({ resolve: parts.resolve, mayReach: addressRule(addresses), connectMs });
  const outside = {
    name,
    tunnel,
    intercept: intercept ? standInBy(interception) : undefined,
    bounds,
    dial,
    dispatcher: createOutsideDispatcher({ dial, connectMs, answerMs, ca: pem }),
    headers,
    credential: credential === undefined ? undefined : await credentialOf(parts, name, credential),
    maxReplyBytes: replyBytes,
  };
  return hosts.map((pattern) => ({ pattern, outside }));
}
