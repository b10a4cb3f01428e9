// What an agent or a tool server imports to live behind Cordon: its identity, a `fetch` through the gateway, and a listener that only the
// gateway reaches. Everything else (policy, audit, containment) happens outside the process, where it can't be talked out of it.
import type { RequestListener } from 'node:http';
import { fetch as undiciFetch, type Agent, type RequestInfo, type RequestInit, type Response } from 'undici';
import { Refusal } from '../domain/refusal.ts';
import { createAgent, type Trust } from './channel.ts';
import { joinDomain, type Identity } from './identity.ts';
import { serveProxy, type LocalProxy } from './local-proxy.ts';
import { serveGateway, type Address, type Served } from './serve.ts';
import { createTokens, type Task, type TaskToken, type Tokens } from './tokens.ts';

export { Refusal };
export type { Address, LocalProxy, Served, Task, TaskToken, Tokens };

export interface Cordon {
  /** `spiffe://<trust domain>/agent/<name>/run/<id>` */
  readonly spiffeId: string;
  readonly gateway: URL;
  /** mTLS to the gateway with this run's current SVID; give it to any client that takes a `fetch`. */
  readonly fetch: typeof globalThis.fetch;
  mcpUrl(server: string): URL;
  /** The agent card is at `<this>/.well-known/agent-card.json`. */
  a2aUrl(agent: string): URL;
  /** Task tokens: on whose behalf this run acts. */
  readonly tokens: Tokens;
  /** Serves `listener` to the gateway alone. @throws Error when it cannot listen there */
  serve(listener: RequestListener, at: Address): Promise<Served>;
  /** A proxy on loopback for programs that cannot do mTLS: they call as this run. @throws Error when loopback has no free port */
  proxy(): Promise<LocalProxy>;
  /** Ends everything that was opened here, calls under way too. */
  close(): Promise<void>;
}

const VARIABLES = ['CORDON_JOIN_TOKEN', 'CORDON_IDENTITY_URL', 'CORDON_BUNDLE'] as const;

/**
 * Joins the trust domain that the environment names. The join token is removed from the environment.
 * @throws Refusal CORDON-1005 when the environment names no Cordon or the token is not good
 */
export async function connect(env: NodeJS.ProcessEnv = process.env): Promise<Cordon> {
  const missing = VARIABLES.filter((name) => env[name] === undefined);
  if (missing.length > 0) {
    throw new Refusal('CORDON-1005', 'this process was not started by Cordon', {
      observed: `${missing.join(', ')} not set`,
      fix: 'start it with `cordon run --as AGENT -- CMD`',
    });
  }
  const token = env['CORDON_JOIN_TOKEN'] ?? '';
  delete env['CORDON_JOIN_TOKEN'];
  const identity = await joinDomain({
    token,
    identityUrl: new URL(env['CORDON_IDENTITY_URL'] ?? ''),
    bundle: env['CORDON_BUNDLE'] ?? '',
  });
  return cordonOf(identity);
}

function cordonOf(identity: Identity): Cordon {
  const { gateway, workload } = identity;
  const trust = (): Trust => ({ bundle: identity.current().bundle, expect: 'gateway', own: identity.current() });
  const agents = createAgents(identity, trust);
  const opened = new Set<Pick<Served, 'close'>>();
  const kept = <T extends Pick<Served, 'close'>>(made: T): T => {
    opened.add(made);
    return made;
  };
  return {
    spiffeId: workload.id,
    gateway,
    fetch: fetchOver(agents.current),
    mcpUrl: (server) => new URL(`/mcp/${server}`, gateway),
    a2aUrl: (name) => new URL(`/a2a/${name}`, gateway),
    tokens: createTokens(identity),
    serve: async (listener, at) => kept(await serveGateway(identity, listener, at)),
    proxy: async () => kept(await serveProxy({ gateway, agent: agents.current, trust })),
    async close(): Promise<void> {
      identity.stop();
      await Promise.all([...opened].map((made) => made.close()));
      await agents.destroy();
    },
  };
}

interface Agents {
  readonly current: () => Agent;
  readonly destroy: () => Promise<void>;
}

/** A connection keeps the certificate it was made with: after a renewal new calls take a new pool, and open ones end in the old. */
function createAgents(identity: Identity, trust: () => Trust): Agents {
  const make = (): Agent => createAgent(trust());
  const draining = new Set<Agent>();
  let current = make();
  identity.onRotate(() => {
    const old = current;
    current = make();
    draining.add(old);
    const gone = (): void => void draining.delete(old);
    old.close().then(gone, gone); // one that was destroyed meanwhile says so by rejecting
  });
  return {
    current: () => current,
    destroy: async () => void (await Promise.all([current, ...draining].map((agent) => agent.destroy()))),
  };
}

function fetchOver(agent: () => Agent): typeof globalThis.fetch {
  const fetch = (input: RequestInfo, init?: RequestInit): Promise<Response> => undiciFetch(input, { ...init, dispatcher: agent() });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the global fetch is undici's too, typed by another copy of its types
  return fetch as unknown as typeof globalThis.fetch;
}
