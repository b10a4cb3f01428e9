// Sessions of 2025-11-25 towards the callee: begun with the server's own, its stream, the caller's answers, and the end.
import type { JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Call, Forwarded, PlanOf } from './call.ts';
import { sendEvent, sendReply, type Exchange } from './exchange.ts';
import { askable } from './mcp-asks.ts';
import { EVENT_ID } from './mcp-post.ts';
import { relayTo } from './mcp-relay.ts';
import type { CallerSession } from './mcp-sessions.ts';
import type { Pep } from './pep.ts';
import type { McpUpstream, SessionPort } from './upstreams.ts';

/** What a session must be of: INVARIANT I5. @throws Refusal CORDON-3020 */
export function checkOwner(session: CallerSession, { request: { delegation } }: Call): void {
  if (session.user !== delegation?.user?.id) throw new Refusal('CORDON-3020', 'no such session');
}

/** The server's answer to `initialize`, and our name for the session; undefined where the server has no sessions of this kind. */
export async function beginSession(
  pep: Pep,
  exchange: Exchange,
  call: Call,
  { upstream, plan }: { readonly upstream: McpUpstream; readonly plan: PlanOf<'mcp/session'> },
): Promise<{ readonly session: CallerSession; readonly capabilities: JsonObject } | undefined> {
  const { server, version, capabilities = {} } = plan;
  const begun = await upstream.sessions?.begin(version, askable(pep, call, server, capabilities), exchange.abort.signal);
  if (begun?.session.id === undefined) return undefined;
  const { peer } = exchange;
  if (peer === undefined) throw new Refusal('CORDON-1001', 'no client certificate');
  const of = {
    server,
    run: peer.run,
    user: call.request.delegation?.user?.id,

    upstream: begun.session,
  };
  return { session: pep.mcpSessions.open(of, pep.now()), capabilities: begun.capabilities };
}

/** The stream on which the server speaks of its own accord, for as long as both are there and nothing changes that forbids it. */
export async function streamSession(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/stream'>, call: Call): Promise<Forwarded> {
  const { session, server } = plan;
  checkOwner(session, call);
  const { upstream, sessions } = portOf(pep, server);
  const { res, abort, req } = exchange;
  const ids = eventIds(pep, session);
  const { 'last-event-id': last } = req.headers;
  const after = typeof last === 'string' ? ids.open(last) : undefined;
  const opened = (): void => {
    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    res.flushHeaders();
  };
  const relay = relayTo(pep, exchange, call, { upstream, plan });
  const status = await sessions.stream(session.upstream, {
    opened,
    after,
    onMessage: (message, id) => relay(message, id === undefined ? undefined : ids.seal(id)),
    onId: (id) => sendEvent(exchange, '', ids.seal(id)),
    signal: abort.signal,
  });
  if (res.headersSent) res.end();
  else sendReply(exchange, { status: status === 404 ? 404 : 405, headers: { allow: 'POST' }, body: '' });
  return { upstreamStatus: status };
}

interface EventIds {
  seal(id: string): string;
  /** @throws Refusal CORDON-9011 for one that was not handed out in this session */
  open(sealed: string): string;
}

/**
 * Events go to the caller under the server's ids, sealed for this session: an id of another session, or one made up, is refused here and
 * never reaches the server, whatever that would do with it. INVARIANT I5
 */
function eventIds({ stateSealer }: Pep, { id: session }: CallerSession): EventIds {
  const name = `mcp/event/${session}`;
  return {
    seal: (id) => Buffer.from(stateSealer.seal(name, Buffer.from(id))).toString('base64url'),
    open(sealed): string {
      try {
        const id = Buffer.from(stateSealer.open(name, Buffer.from(sealed, 'base64url'))).toString('utf8');
        if (EVENT_ID.test(id)) return id;
      } catch {
        // one message for every cause
      }
      throw new Refusal('CORDON-9011', 'the `Last-Event-ID` was not handed out in this session');
    },
  };
}

/** What the caller answers to a request of the server; once. */
export async function answerServer(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/answer'>, call: Call): Promise<Forwarded> {
  const { session, server, askedAs, answer } = plan;
  checkOwner(session, call);
  const asked = session.asked.get(askedAs);
  session.asked.delete(askedAs);
  if (asked !== undefined) {
    await portOf(pep, server).sessions.send(session.upstream, { jsonrpc: '2.0', id: asked.id, ...answer }, exchange.abort.signal);
  }
  sendReply(exchange, { status: 202, headers: {}, body: '' });
  return { upstreamStatus: 202 };
}

export async function endSession(pep: Pep, exchange: Exchange, plan: PlanOf<'mcp/end'>, call: Call): Promise<Forwarded> {
  checkOwner(plan.session, call);
  pep.mcpSessions.close(plan.session);
  await portOf(pep, plan.server).sessions.end(plan.session.upstream, exchange.abort.signal);
  sendReply(exchange, { status: 200, headers: {}, body: '' });
  return { upstreamStatus: 200 };
}

function portOf(pep: Pep, server: string): { readonly upstream: McpUpstream; readonly sessions: SessionPort } {
  const upstream = pep.upstreams.mcp(server);
  if (upstream?.sessions === undefined) throw new Refusal('CORDON-9010', 'the resource has no upstream with sessions');
  return { upstream, sessions: upstream.sessions };
}
