// How a process of the desk reaches the others and is reached: through Cordon, or over plain HTTP. The only file that knows which.
import { createServer, type RequestListener } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Cordon } from '../../src/sdk/index.ts';

/** What the SDKs ask of a `fetch`. */
export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** How something is reached: by HTTP, or as a process that speaks MCP on its stdio. */
export type Target = { readonly url: URL; readonly fetch: Fetch } | { readonly command: readonly string[] };

export interface Served {
  /** Its own address, as others name it. */
  readonly url: URL;
  close(): Promise<void>;
}

export interface Wire {
  /** Serves at DESK_LISTEN. */
  serve(listener: RequestListener): Promise<Served>;
  /** MCP server `name`. */
  server(name: string): Target;
  /** A2A agent `name`; the card is at `.well-known/agent-card.json` below the URL. */
  agent(name: string): Extract<Target, { readonly url: URL }>;
  /** MCP server `name`, called under the name of another agent. */
  serverAs(agent: string, name: string): Promise<Target>;
  /** The ledger's own port, called around everything in between. */
  ledgerDirectly(): Target;
  close(): Promise<void>;
}

/** A required setting of the environment. @throws Error naming it */
export function setting(name: string, env: NodeJS.ProcessEnv = process.env): string {
  const value = env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set`);
  return value;
}

/** The official filesystem server, seeing one directory and nothing else. */
export const inboxServer = (dir: string): string[] => [
  process.execPath,
  join(import.meta.dirname, '../../node_modules/@modelcontextprotocol/server-filesystem/dist/index.js'),
  dir,
];

/** Protected unless DESK_MODE says `unprotected` in so many words: a missing Cordon must not turn into no protection. */
export async function openWire(env: NodeJS.ProcessEnv = process.env): Promise<Wire> {
  const listen = new URL(`tcp://${setting('DESK_LISTEN', env)}`);
  const at = { host: listen.hostname, port: Number(listen.port) };
  if (env['DESK_MODE'] === 'unprotected') return plainWire(at, env);
  const { connect } = await import('../../src/sdk/index.ts');
  return cordonWire(await connect(env), at, env);
}

interface At {
  readonly host: string;
  readonly port: number;
}

const cordonWire = (cordon: Cordon, at: At, env: NodeJS.ProcessEnv): Wire => ({
  serve: async (listener) => {
    const served = await cordon.serve(listener, at);
    return { url: new URL(`https://${at.host}:${at.port}`), close: () => served.close() };
  },
  server: (name) => ({ url: cordon.mcpUrl(name), fetch: cordon.fetch }),
  agent: (name) => ({ url: cordon.a2aUrl(name), fetch: cordon.fetch }),
  serverAs: async (agent, name) => {
    const claimed = new URL(cordon.spiffeId);
    claimed.pathname = `/agent/${agent}/run/forged`;
    const { forgeIdentity, recklessFetch } = await import('./forged.ts');
    return { url: cordon.mcpUrl(name), fetch: recklessFetch(await forgeIdentity(claimed.href)) };
  },
  ledgerDirectly: () => ({
    url: new URL(`https://${setting('DESK_DIRECT_LEDGER', env)}/mcp`),
    fetch: withAllItHolds(cordon.fetch),
  }),
  close: () => cordon.close(),
});

/** First with the run's own identity; when that way is barred, without any. */
const withAllItHolds =
  (own: Fetch): Fetch =>
  async (url, init) => {
    try {
      return await own(url, init);
    } catch {
      const { recklessFetch } = await import('./forged.ts');
      return recklessFetch()(url, init);
    }
  };

function plainWire(at: At, env: NodeJS.ProcessEnv): Wire {
  const name = setting('DESK_NAME', env);
  const key = env['LEDGER_API_KEY'];
  const http = (base: string, path: string, by = name): { url: URL; fetch: Fetch } => ({
    url: new URL(path, base),
    fetch: withHeaders({ 'x-desk-agent': by, ...(key === undefined ? {} : { authorization: `Bearer ${key}` }) }),
  });
  const urlOf = (peer: string): string => setting(`DESK_URL_${peer.toUpperCase()}`, env);
  return {
    serve: (listener) => serveHttp(listener, at),
    server: (peer) => (peer === 'inbox' ? { command: inboxServer(setting('DESK_INBOX', env)) } : http(urlOf(peer), '/mcp')),
    agent: (peer) => http(urlOf(peer), '/'),
    serverAs: (agent, peer) => Promise.resolve(http(urlOf(peer), '/mcp', agent)),
    ledgerDirectly: () => http(`http://${setting('DESK_DIRECT_LEDGER', env)}`, '/mcp', `${name} (directly)`),
    close: () => Promise.resolve(),
  };
}

const withHeaders =
  (more: Readonly<Record<string, string>>): Fetch =>
  (input, init) => {
    const headers = new Headers(init?.headers);
    for (const [header, value] of Object.entries(more)) headers.set(header, value);
    return fetch(input, { ...init, headers });
  };

async function serveHttp(listener: RequestListener, at: At): Promise<Served> {
  const server = createServer(listener).listen(at.port, at.host);
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : at.port;
  return {
    url: new URL(`http://${at.host}:${port}`),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
