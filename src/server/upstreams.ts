// Builds the gateway's way to every callee of the configuration.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Config, ResourceConfig, SecretSource } from '../control/config.ts';
import type { Sealer } from '../crypto/seal.ts';
import { Refusal } from '../domain/refusal.ts';
import { createChannel, type ChannelOptions } from '../gateway/channel.ts';
import { createMcpHttp } from '../gateway/mcp-http.ts';
import { createMcpStdio } from '../gateway/mcp-stdio.ts';
import { createUpstreams, type A2aUpstream, type McpUpstream, type Upstreams } from '../gateway/upstreams.ts';
import type { Sealed } from '../store/ports.ts';

export interface UpstreamParts {
  readonly config: Config;
  readonly store: Sealed;
  readonly sealer: Sealer;
  readonly channel: Omit<ChannelOptions, 'origin' | 'expect'>;
  readonly client: { readonly name: string; readonly version: string };
  readonly onStderr: (resource: string, line: string) => void;
}

const REPLY = { maxBytes: 16_777_216, maxDepth: 64 };

export async function buildUpstreams(parts: UpstreamParts): Promise<Upstreams> {
  const mcp = new Map<string, McpUpstream>();
  for (const resource of parts.config.resources) mcp.set(resource.name, await mcpOf(parts, resource));
  const a2a = new Map<string, A2aUpstream>();
  for (const { name, a2a: url } of parts.config.agents) {
    if (url === undefined) continue;
    const origin = new URL(url);
    const channel = createChannel({ ...parts.channel, origin: new URL(origin.origin), expect: { kind: 'agent', name } });
    a2a.set(name, { channel, path: origin.pathname });
  }
  return createUpstreams(mcp, a2a);
}

async function mcpOf(parts: UpstreamParts, { name, upstream }: ResourceConfig): Promise<McpUpstream> {
  const { client } = parts;
  if (upstream.kind === 'stdio') {
    const { command, env } = upstream;
    const path = process.env['PATH'] ?? '';
    return createMcpStdio({ name, command, cwd: parts.config.base, env: { PATH: path, ...env }, bounds: REPLY, client, onStderr: (line) => parts.onStderr(name, line) });
  }
  const { url, plaintext, credential } = upstream;
  const expect = plaintext ? undefined : ({ kind: 'resource', name } as const);
  const channel = createChannel({ ...parts.channel, origin: new URL(url.origin), expect });
  const secret = credential === undefined ? '' : await secretOf(parts, `secret/${name}`, credential.secret);
  const headers = credential === undefined ? {} : { [credential.header]: `${credential.scheme} ${secret}`.trim() };
  return createMcpHttp({ channel, path: url.pathname, credential: () => headers, bounds: REPLY, client });
}

/** Reads a secret from its source when that has one, seals it, and otherwise opens what was sealed before. INVARIANT I8 */
async function secretOf(parts: UpstreamParts, name: string, source: SecretSource): Promise<string> {
  const fresh = await readSource(parts.config, source);
  if (fresh !== undefined) {
    await parts.store.putSealed(name, parts.sealer.seal(name, Buffer.from(fresh)));
    return fresh;
  }
  const sealed = await parts.store.getSealed(name);
  if (sealed !== undefined) return Buffer.from(parts.sealer.open(name, sealed)).toString('utf8');
  const where = 'env' in source ? `the environment variable \`${source.env}\`` : `the file \`${source.file}\``;
  throw new Refusal('CORDON-9006', `the credential of \`${name.slice('secret/'.length)}\` is missing`, { expected: `${where}, at the first start`, fix: `provide ${where} and start again` });
}

async function readSource(config: Config, source: SecretSource): Promise<string | undefined> {
  if ('env' in source) {
    const value = process.env[source.env];
    return value === undefined || value === '' ? undefined : value;
  }
  const text = await readFile(resolve(config.base, source.file), 'utf8').catch(() => undefined);
  return text?.trim() === '' ? undefined : text?.trim();
}
