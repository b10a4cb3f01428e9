// The scenarios `auth/*` of the official suite test clients against a pair of servers that the suite plays itself. Here the same is asked
// with the parts turned: Cordon is the authorization server and the resource server, the client is the official SDK, and each row says what
// must come of it. Rows bear the suite's names where it has such a scenario.
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import * as mcp from '@modelcontextprotocol/client';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { parse, stringify } from 'yaml';
import * as z from 'zod';
import { ASSERTION, claimsOf, type Fetch } from '../../test/support/oauth-bed.ts';
import { type ForeignIssuer, openForeignIssuer } from '../../test/support/oauth-issuer.ts';
import { openWorld, type RunSvid, type World } from '../../test/support/oauth-world.ts';

const CLIENT = 'spiffe://test.example/agent/caller';
const POLICIES = `@id("everything") permit (principal == Agent::"caller", action, resource);`;

export interface AuthDesk {
  readonly world: World;
  readonly issuer: ForeignIssuer;
  /** Headers of every request that reached the server behind Cordon. */
  readonly reached: readonly IncomingHttpHeaders[];
  close(): Promise<void>;
}

export async function openAuthDesk(): Promise<AuthDesk> {
  const reached: IncomingHttpHeaders[] = [];
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: 'behind', version: '1' }, { capabilities: {} });
    server.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, ({ text }) => ({ content: [{ type: 'text', text }] }));
    return server;
  });
  const server = createServer((req, res) => {
    reached.push(req.headers);
    const headers = Object.entries(req.headers).map(([name, value]): [string, string] => [name, String(value)]);
    const body = req.method === 'POST' ? (Readable.toWeb(req) as unknown as ReadableStream) : null;
    void handler
      .fetch(new Request(`http://127.0.0.1${req.url ?? '/'}`, { method: req.method ?? 'GET', headers, body, duplex: 'half' }))
      .then(async (answer) => res.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const mcpRow = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, allowPlaintextLoopback: true };
  const issuer = await openForeignIssuer();
  const world = await openWorld({
    policies: POLICIES,
    trust: `    foreign: { issuer: "${issuer.issuer}", allowPlaintextLoopback: true }`,
    configure: (yaml) => {
      const { resources, ...rest } = parse(yaml) as { resources: { bench: object } };
      const row = { ...resources.bench, token: 'required', mcp: mcpRow };
      return stringify({ ...rest, resources: { bench: row, second: row } }, { aliasDuplicateObjects: false });
    },
  });
  await world.ready();
  return {
    world,
    issuer,
    reached,
    async close(): Promise<void> {
      await world.close();
      await issuer.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Case = (desk: AuthDesk) => Promise<void>;

const bench = ({ world }: AuthDesk): URL => new URL(`${world.gateway}/mcp/bench`);
const signedIn = ({ world }: AuthDesk): mcp.StaticPrivateKeyJwtProvider =>
  new mcp.StaticPrivateKeyJwtProvider({ clientId: CLIENT, jwtBearerAssertion: world.assertions.caller, expectedIssuer: world.issuer });

/** Connects as the official client does, and calls a tool: discovery, token and call are its own. */
async function call(
  desk: AuthDesk,
  authProvider: mcp.OAuthClientProvider,
  fetch: Fetch = desk.world.fetchAs(desk.world.runs.caller),
): Promise<unknown> {
  const client = new mcp.Client({ name: 'conformance', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
  await client.connect(new mcp.StreamableHTTPClientTransport(bench(desk), { fetch, authProvider }));
  const { content } = await client.callTool({ name: 'echo', arguments: { text: 'héllo' } });
  await client.close();
  return content;
}
const HELLO = [{ type: 'text', text: 'héllo' }];

/** A call with this token, as it is. */
function show(desk: AuthDesk, authorization: string, as: RunSvid = desk.world.runs.caller): Promise<Response> {
  const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
  const params = { name: 'echo', arguments: { text: 'x' }, _meta };
  return desk.world.fetchAs(as)(bench(desk), {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'echo',
      ...(authorization === '' ? {} : { authorization }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
  });
}
const challengeIn = (answer: Response): string => answer.headers.get('www-authenticate') ?? '';

async function tokenOf(desk: AuthDesk, serverUrl: URL, provider = signedIn(desk)): Promise<string> {
  equal(await mcp.auth(provider, { serverUrl, fetchFn: desk.world.fetchAs(desk.world.runs.caller) }), 'AUTHORIZED');
  return provider.tokens()?.access_token ?? '';
}

export const AUTH_CASES: Readonly<Record<string, Case>> = {
  'auth/metadata-default': async (desk) => {
    const asked: string[] = [];
    const own = desk.world.fetchAs(desk.world.runs.caller);
    const heard: Fetch = (url, init) => {
      asked.push(new URL(url).pathname);
      return own(url, init);
    };
    deepEqual(await call(desk, signedIn(desk), heard), HELLO);
    ok(asked.indexOf('/.well-known/oauth-protected-resource/mcp/bench') < asked.indexOf('/.well-known/oauth-authorization-server'));
    ok(asked.indexOf('/.well-known/oauth-authorization-server') < asked.indexOf('/oauth2/token'));
  },
  'auth/no-token': async (desk) => {
    const answer = await show(desk, '');
    equal(answer.status, 401);
    equal(challengeIn(answer), `Bearer resource_metadata="${desk.world.gateway}/.well-known/oauth-protected-resource/mcp/bench"`);
  },
  'auth/client-credentials-jwt': async (desk) => {
    const { sub, aud } = claimsOf(await tokenOf(desk, bench(desk)));
    deepEqual([sub, aud], [CLIENT, bench(desk).href]);
  },
  'auth/client-credentials-basic': async (desk) => {
    const provider = new mcp.ClientCredentialsProvider({ clientId: CLIENT, clientSecret: 'a secret', expectedIssuer: desk.world.issuer });
    await rejects(call(desk, provider));
    equal(provider.tokens(), undefined);
  },
  'auth/token-endpoint-auth-none': async ({ world }) => {
    const { status, json } = await world.post({ grant_type: 'client_credentials', client_id: CLIENT });
    deepEqual([status, json['error']], [401, 'invalid_client']);
  },
  'auth/resource-mismatch': async (desk) => {
    const answer = await show(desk, `Bearer ${await tokenOf(desk, new URL(`${desk.world.gateway}/mcp/second`))}`);
    equal(answer.status, 401);
    match(challengeIn(answer), /error="invalid_token"/);
  },
  'auth/metadata-issuer-mismatch': async (desk) => {
    const options = { clientId: CLIENT, jwtBearerAssertion: desk.world.assertions.caller, expectedIssuer: 'https://as.example' };
    await rejects(call(desk, new mcp.StaticPrivateKeyJwtProvider(options)));
  },
  'auth/enterprise-managed-authorization': async (desk) => {
    const { world, issuer } = desk;
    const provider = new mcp.CrossAppAccessProvider({
      clientId: CLIENT,
      clientSecret: 'none',
      expectedIssuer: world.issuer,
      fetchFn: world.fetchAs(world.runs.caller),
      assertion: async ({ authorizationServerUrl }) => issuer.idJag(authorizationServerUrl, CLIENT),
    });
    const addClientAuthentication = (_headers: Headers, params: URLSearchParams): void => {
      for (const [name, value] of Object.entries({ ...world.signedIn(), client_assertion_type: ASSERTION.bearer })) params.set(name, value);
    };
    const token = await tokenOf(desk, bench(desk), Object.assign(provider, { addClientAuthentication }) as never);
    equal(claimsOf(token)['sub'], 'foreign/bob');
  },
  'auth/dpop': async (desk) => {
    const session = await mcp.DpopSession.create();
    const provider = Object.assign(signedIn(desk), { dpop: () => session });
    deepEqual(await call(desk, provider), HELLO);
    const { access_token: token = '', token_type: type } = provider.tokens() ?? {};
    equal(type?.toLowerCase(), 'dpop');
    for (const scheme of ['Bearer', 'DPoP']) equal((await show(desk, `${scheme} ${token}`)).status, 401, `${scheme} without a proof`);
  },
  'auth/dpop-nonce': async (desk) => {
    const proof = await desk.world.proof({ htu: `${desk.world.issuer}/oauth2/token`, nonce: undefined });
    const form = { grant_type: 'client_credentials', ...desk.world.signedIn() };
    const { status, json, headers } = await desk.world.post(form, { headers: { dpop: proof } });
    deepEqual([status, json['error'], typeof headers['dpop-nonce']], [400, 'use_dpop_nonce', 'string']);
  },
  'auth/stolen-token': async (desk) => {
    const token = await tokenOf(desk, bench(desk));
    equal((await show(desk, `Bearer ${token}`)).status, 200);
    equal((await show(desk, `Bearer ${token}`, await desk.world.svid('caller'))).status, 401);
    equal((await show(desk, `Bearer ${token.slice(0, -8)}AAAAAAAA`)).status, 401);
  },
  'auth/no-token-passthrough': async (desk) => {
    await call(desk, signedIn(desk));
    ok(desk.reached.length > 0);
    for (const headers of desk.reached) deepEqual([headers.authorization, headers['dpop']], [undefined, undefined]);
  },
};
