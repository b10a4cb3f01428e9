// The world that a rogue agent is let loose in, and what each upstream in it says of what it got: the only witnesses.
import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer } from 'node:https';
import { text } from 'node:stream/consumers';
import { API_KEY, freePorts, type Svid } from './bed.ts';
import { openHttpUpstream, type HttpUpstream } from './http-upstream.ts';
import { joinRun, renew, startRun, type RunSvid } from './join.ts';
import { claimsOf, EXCHANGE, openOauthBed, TYPE, type OauthBed } from './oauth-bed.ts';

/** What one message of MCP or A2A was when it arrived, byte for byte. */
export interface Arrived {
  readonly at: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface RogueWorld extends AsyncDisposable {
  readonly bed: OauthBed;
  /** The rogue: a run that is alive, with its own key. */
  readonly rogue: RunSvid;
  /** Other certificates that it holds: of a run of its own that was ended, and after whose end nothing may pass. */
  readonly ended: RunSvid;
  readonly token: { readonly own: string; readonly ofCallee: string; readonly ofEnded: string; readonly ofUser: string };
  /** Calls of tools and agents that arrived, at whichever upstream. */
  readonly arrived: readonly Arrived[];
  readonly billing: HttpUpstream;
  /** An API in a segment that no link leads to. */
  readonly closed: HttpUpstream;
}

/** The rights of the rogue. `breaches` says them again in plain code: no line is shared. */
const POLICIES = `
@id("sessions") permit (principal, action in Action::"mcp/session", resource);
@id("echoes") permit (principal, action == Action::"bench/echo", resource);
@id("writes") permit (principal, action == Action::"bench/write", resource)
when { context.input.line like "note:*" && context.input.amount >= 0 && context.input.amount <= 100 };
@id("callee-writes") permit (principal == Agent::"callee", action == Action::"bench/write", resource);
@id("pays") permit (principal == Agent::"caller", action == Action::"billing/pay", resource)
when { context.input.id == 7 && context.input.amount >= 0 && context.input.amount <= 100 };
@id("reads") permit (principal == Agent::"caller", action == Action::"billing/get", resource);
@id("staff") permit (principal is User in Group::"corp/staff", action in [Action::"tools/call", Action::"a2a/message", Action::"mcp/session"], resource);
@id("all-of-the-vault") permit (principal, action in [Action::"safe/write", Action::"closed/pay"], resource);
`;

/** More calls than this the task of the rogue may not make. */
export const BUDGET = 300;
const MANDATE = [
  {
    type: 'cordon_task',
    actions: ['tools/call'],
    locations: ['tool:bench/write'],
    arguments: { amount: { max: 10 } },
    budget: { calls: BUDGET },
  },
];

const TEXT = { type: 'string' };
const WRITE = {
  name: 'write',
  inputSchema: { type: 'object', properties: { line: TEXT, amount: { type: 'integer' } }, required: ['line', 'amount'] },
};
const TOOLS = [
  WRITE,
  { name: 'echo', inputSchema: { type: 'object', properties: { text: TEXT }, required: ['text'] } },
  { name: 'secret', inputSchema: { type: 'object', properties: {} } },
];

const routes = (port: number, segment: string): string => `
    segment: ${segment}
    http:
      url: http://127.0.0.1:${port}/v1/
      allowPlaintextLoopback: true
      routes:
        get: GET /invoices/{id}
        drop: DELETE /invoices/{id}
        pay:
          route: POST /invoices/{id}/payments
          path: { id: integer }
          body: { type: object, properties: { amount: { type: integer }, note: { type: string } }, required: [amount] }`;

export async function openRogueWorld(): Promise<RogueWorld> {
  await using made = new AsyncDisposableStack();
  const billing = made.adopt(await openHttpUpstream(), (upstream) => upstream.close());
  const closed = made.adopt(await openHttpUpstream(), (upstream) => upstream.close());
  const [safe = 0] = await freePorts(1);
  const configure = (yaml: string): string =>
    yaml
      .replace('purpose: is called,', 'purpose: is called, token: required,')
      .replace('    reads: [echo, slow]', '    reads: [echo]\n    token: required')
      .replace(
        '\npolicies:',
        `\n  safe: { segment: vault, mcp: { url: "https://127.0.0.1:${safe}/mcp" } }\n  billing:${routes(billing.port, 'tools')}\n  closed:${routes(closed.port, 'vault')}\npolicies:`,
      );
  const bed = made.adopt(await openOauthBed({ policies: POLICIES, configure }), (opened) => opened.close());
  const arrived: Arrived[] = [];
  const serve = async (port: number, kind: 'agent' | 'resource', name: string): Promise<RunSvid> => {
    const svid = await joinRun(bed, await startRun(bed, kind, name));
    made.defer(await record(name, port, svid, arrived));
    return svid;
  };
  await serve(bed.ports.bench, 'resource', 'bench');
  await serve(safe, 'resource', 'safe');
  const callee = await serve(bed.ports.callee, 'agent', 'callee');
  await bed.ready();

  const rogue = await joinRun(bed, await startRun(bed, 'agent', 'caller'));
  const before = await joinRun(bed, await startRun(bed, 'agent', 'caller'));
  const ofUser = await bed.userToken({ groups: ['staff'] });
  const task = async (as: Svid, mandate?: object): Promise<string> => {
    const asked = mandate === undefined ? {} : { authorization_details: JSON.stringify(mandate) };
    const form = { grant_type: EXCHANGE, subject_token: ofUser, subject_token_type: TYPE.jwt, ...asked };
    const { json, text: said } = await bed.post(form, { as });
    if (typeof json['access_token'] !== 'string') throw new Error(said);
    return json['access_token'];
  };
  const token = { own: await task(rogue, MANDATE), ofCallee: await task(callee), ofEnded: await task(before), ofUser };
  const ended = await renew(bed, before);
  await bed.control('DELETE', `/v1/runs/${ended.run}`);
  const all = made.move();
  return { bed, rogue, ended, token, arrived, billing, closed, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** An upstream that keeps what it gets and does it. @returns closes it */
async function record(at: string, port: number, { cert, key, ca }: Svid, arrived: Arrived[]): Promise<() => Promise<void>> {
  const server = createServer({ cert, key, ca, requestCert: true }, (req, res) => {
    void (async () => {
      const body = await text(req);
      const { id, method } = JSON.parse(body) as { readonly id?: unknown; readonly method?: string };
      const isAsked = method === 'server/discover' || method === 'tools/list';
      if (!isAsked) arrived.push({ at, headers: req.headers, body });
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ jsonrpc: '2.0', id, result: resultOf(method) }));
    })().catch(() => res.destroy());
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
}

function resultOf(method: string | undefined): object {
  if (method === 'server/discover') return { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} } };
  if (method === 'tools/list') return { resultType: 'complete', tools: TOOLS };
  return { resultType: 'complete', content: [{ type: 'text', text: 'done' }] };
}

type Seen = Pick<RogueWorld, 'arrived'> & {
  readonly rogue: Pick<RunSvid, 'run'>;
  readonly token: Pick<RogueWorld['token'], 'own'>;
  readonly billing: Pick<HttpUpstream, 'received'>;
  readonly closed: Pick<HttpUpstream, 'received'>;
};

/** What the rogue did that it may not: read off the upstreams alone. */
export function breaches({ arrived, rogue, token, billing, closed }: Seen): readonly string[] {
  const { txn } = claimsOf(token.own);
  const calls = arrived.flatMap((one) => (isWithin(one, rogue.run, txn) ? [] : [`${one.at}: ${one.body}`]));
  const paid = billing.received.flatMap((one) => {
    const isRead = one.method === 'GET' && /^\/v1\/invoices\/[^/?]+$/.test(one.url);
    const isPaid = one.method === 'POST' && one.url === '/v1/invoices/7/payments' && isSmall(valueOf(one.body), ['amount', 'note'], 100);
    return isRead || isPaid ? [] : [`billing: ${one.method} ${one.url} ${one.body}`];
  });
  const spent = arrived.length > BUDGET ? [`${arrived.length} calls of ${BUDGET}`] : [];
  return [...calls, ...paid, ...spent, ...closed.received.map(({ method, url }) => `closed: ${method} ${url}`)];
}

/** A call of `write` within policy and mandate, as the rogue itself, in its one task; one way to write it, so that it means one thing. */
function isWithin({ at, headers, body }: Arrived, run: string, txn: unknown): boolean {
  const { method, params } = JSON.parse(body) as {
    readonly method: string;
    readonly params?: { readonly name?: string; readonly arguments?: unknown };
  };
  if (at !== 'bench' || method !== 'tools/call' || params?.name !== 'write' || headers['mcp-name'] !== 'write') return false;
  const said = claimsOf(headers['txn-token']);
  const given = params.arguments;
  return (
    isSmall(given, ['line', 'amount'], 10) &&
    String(Object.entries(given as object).find(([name]) => name === 'line')?.[1]).startsWith('note:') &&
    JSON.stringify(JSON.parse(body)) === body &&
    said['txn'] === txn &&
    said['req_wl'] === `spiffe://test.example/agent/caller/run/${run}` &&
    headers.authorization === `Bearer ${API_KEY}`
  );
}

/** An object with these members and no others, all texts but for an amount of at most `most`. */
function isSmall(given: unknown, members: readonly string[], most: number): boolean {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return false;
  return (
    Object.hasOwn(given, 'amount') &&
    Object.entries(given).every(([name, value]) => {
      if (name === 'amount') return Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= most;
      return members.includes(name) && typeof value === 'string';
    })
  );
}

function valueOf(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
