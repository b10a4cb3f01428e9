// Builds the gateway's way to every callee of the configuration.
import type { Config, HttpUpstreamConfig, ResourceConfig, StdioUpstreamConfig } from '../control/config.ts';
import type { Sealer } from '../crypto/seal.ts';
import type { JsonBounds } from '../domain/json.ts';
import { createChannel, type ChannelOptions } from '../gateway/channel.ts';
import { createMcpHttp } from '../gateway/mcp-http.ts';
import { createMcpStdio } from '../gateway/mcp-stdio.ts';
import { createUpstreams, type A2aUpstream, type ClientInfo, type McpUpstream, type Upstreams } from '../gateway/upstreams.ts';
import type { Sealed } from '../store/ports.ts';
import { secretOf } from './secrets.ts';

export interface UpstreamParts {
  readonly config: Config;
  readonly store: Sealed;
  readonly sealer: Sealer;
  readonly channel: Omit<ChannelOptions, 'origin' | 'expect'>;
  readonly client: ClientInfo;
  /** What an upstream may answer. */
  readonly bounds: JsonBounds;
  /** Lines that spawned servers write to their standard error. */
  readonly onStderr: (resource: string, line: string) => void;
}

/** @throws Refusal CORDON-9006 when a credential is missing */
export async function buildUpstreams(parts: UpstreamParts): Promise<Upstreams> {
  const mcp = new Map<string, McpUpstream>();
  for (const resource of parts.config.resources) mcp.set(resource.name, await mcpOf(parts, resource));
  const a2a = new Map<string, A2aUpstream>();
  for (const { name, a2a: url } of parts.config.agents) {
    if (url === undefined) continue;
    const { origin, pathname } = new URL(url);
    const channel = createChannel({ ...parts.channel, origin: new URL(origin), expect: { kind: 'agent', name } });
    a2a.set(name, { channel, path: pathname });
  }
  return createUpstreams(mcp, a2a);
}

async function mcpOf(parts: UpstreamParts, { name, upstream }: ResourceConfig): Promise<McpUpstream> {
  return upstream.kind === 'stdio' ? spawned(parts, name, upstream) : reached(parts, name, upstream);
}

/** Of our environment a spawned server gets the search path alone. */
function spawned({ config, client, bounds, onStderr }: UpstreamParts, name: string, { command, env }: StdioUpstreamConfig): McpUpstream {
  const path = process.env['PATH'] ?? '';
  return createMcpStdio({
    name,
    command,
    cwd: config.base,
    env: { PATH: path, ...env },
    bounds,
    client,
    onStderr: (line) => onStderr(name, line),
  });
}

async function reached(parts: UpstreamParts, name: string, upstream: HttpUpstreamConfig): Promise<McpUpstream> {
  const { config, store, sealer, client, bounds } = parts;
  const { url, plaintext, credential } = upstream;
  const expect = plaintext ? undefined : ({ kind: 'resource', name } as const);
  const channel = createChannel({ ...parts.channel, origin: new URL(url.origin), expect });
  const secret = credential === undefined ? '' : await secretOf({ base: config.base, store, sealer }, name, credential.secret);
  const headers = credential === undefined ? {} : { [credential.header]: `${credential.scheme} ${secret}`.trim() };
  return createMcpHttp({ channel, path: url.pathname, credential: () => headers, bounds, client, takesTxnToken: !plaintext });
}
