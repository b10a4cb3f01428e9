// The story of one call. Each line takes what the line above proved; a refusal at any line is recorded and answered in the caller's
// protocol.
import type { Decision, Outcome } from '../domain/access.ts';
import type { Code } from '../domain/codes.ts';
import { unexplained } from '../domain/provenance.ts';
import { Refusal, asRefusal } from '../domain/refusal.ts';
import { withOwnIds } from './a2a-inward.ts';
import { authenticate } from './authenticate.ts';
import { checkHeaders } from './body.ts';
import type { Call, No } from './call.ts';
import type { Peer } from './connections.ts';
import { decode } from './decode.ts';
import { sendReply, type Exchange } from './exchange.ts';
import type { OpenExchange } from './exchanges.ts';
import { forward } from './forward.ts';
import { judgeReady, readied } from './judge.ts';
import type { Pep } from './pep.ts';
import { approvalPage } from './mcp-approval.ts';
import { challengeOf, isMetadata, sendMetadata } from './protected-resource.ts';
import { recordRefusal, type RecordedDecision } from './record.ts';
import { watchEnds } from './reconsider.ts';
import { withTask } from './task-token.ts';
import { abortReason } from './waiting.ts';

/** Handles one request from its first byte to its last. Rejects only when not even the refusal could be sent. */
export async function enforce(pep: Pep, exchange: Exchange): Promise<void> {
  try {
    const peer = (exchange.peer = authenticate(pep, exchange.req)); // 1 who
    const leave = pep.limiter.enter(peer.run, pep.now()); // 2 how much
    exchange.res.once('close', leave);
    checkHeaders(exchange);
    if (exchange.via === undefined && isMetadata(exchange.req)) return sendMetadata(pep, exchange, peer);
    const call = await decode(pep, exchange, peer); // 3 what
    const asked = withTask(pep, exchange, peer, call); // 4 for whom
    await enforceCall(pep, exchange, peer, withOwnIds(pep, asked));
  } catch (error) {
    refuse(pep, exchange, asRefusal(error, 'CORDON-9001', 'the gateway failed'));
  }
}

/** INVARIANT I6: nothing is awaited between `judgeReady` and `register`, so no change of level or policy falls between the two unseen. */
async function enforceCall(pep: Pep, exchange: Exchange, peer: Peer, asked: Call): Promise<void> {
  const started = performance.now();
  const ready = await readied(pep, exchange, asked);
  const { call, decision, authorized, recorded, leave } = judgeReady(pep, ready); // 5 what its session knows, 6 may it, 7 before any effect
  const pdp = performance.now() - started;
  if (authorized === undefined) {
    if (isOff(pep, peer)) exchange.res.setHeader('connection', 'close'); // INVARIANT I6: told why, and let go
    const no = noOf(pep, exchange, decision.code ?? 'CORDON-9001', recorded.id, decision.reason);
    const retryAfter = decision.code === 'CORDON-9014' ? pep.upstreams.guards.retryAfter(call.plan) : undefined;
    const { session } = call.request;
    const of = session === undefined || decision.code !== 'CORDON-3002' ? undefined : unexplained(session);
    const { narrowed } = decision;
    sendReply(exchange, exchange.wire({ ...no, retryAfter, unexplained: of, narrowed, page: approvalPage(pep, call, decision) }));
    return;
  }
  const end = register(pep, exchange, peer, call, decision, recorded);
  try {
    const { upstreamStatus } = await forward(pep, exchange, authorized, recorded.receipt); // 8, 9, 10
    finish(pep, exchange, recorded, { status: 'completed', upstream_status: upstreamStatus }, pdp); // 11
  } catch (error) {
    const refusal = endOf(exchange, error);
    finish(pep, exchange, recorded, { status: statusOf(exchange, refusal), code: refusal.code }, pdp);
    sendReply(exchange, exchange.wire({ code: refusal.code, decisionId: recorded.id, reason: refusal.message }));
  } finally {
    leave();
    end();
  }
}

const noOf = (pep: Pep, exchange: Exchange, code: Code, decisionId: string | undefined, reason: string | undefined): No => ({
  code,
  decisionId,
  reason,
  challenge: challengeOf(pep, exchange, code),
});

const isOff = (pep: Pep, { agent }: Peer): boolean => pep.snapshot()?.world.levels.get(agent) === 'off';

/** Why a forwarded call ended early: what ended it, rather than what broke because of that. */
const endOf = (exchange: Exchange, error: unknown): Refusal => {
  const { signal } = exchange.abort;
  return signal.aborted ? abortReason(signal) : asRefusal(error, 'CORDON-9010', 'the upstream failed');
};

const statusOf = (exchange: Exchange, refusal: Refusal): Outcome['status'] => {
  if (!exchange.abort.signal.aborted) return 'failed';
  return refusal.code === 'CORDON-9010' ? 'aborted' : 'cut';
};

/** 11: the outcome, a fact of its own, its members in the order of the log. `pdp`: milliseconds that deciding and recording took. */
function finish(
  pep: Pep,
  exchange: Exchange,
  recorded: RecordedDecision,
  outcome: Pick<Outcome, 'status' | 'upstream_status' | 'code'>,
  pdp: number,
): void {
  const total = performance.now() - exchange.startedAt;
  const latency = { pdp: round(pdp), pep: round(total), upstream: round(Math.max(0, total - pdp)) };
  pep.outcomes.add({
    bytes: exchange.bytesOut,
    ...(exchange.taken ? { bytes_in: exchange.bytesIn } : {}),
    ...(outcome.code === undefined ? {} : { code: outcome.code }),
    decision: recorded.id,
    latency_ms: latency,
    status: outcome.status,
    ts: new Date(pep.now()).toISOString(),
    ...(outcome.upstream_status === undefined ? {} : { upstream_status: outcome.upstream_status }),
  });
}

const round = (ms: number): number => Math.round(ms * 1000) / 1000;

/** Keeps the call where a change of policy, level or identity finds it. @returns says that it has ended */
function register(pep: Pep, exchange: Exchange, peer: Peer, call: Call, { grant }: Decision, recorded: RecordedDecision): () => void {
  const { plan, request } = call;
  const open: OpenExchange = {
    decisionId: recorded.id,
    agent: peer.agent,
    run: peer.run,
    own: new Set(call.brought),
    callee: 'server' in plan ? plan.server : plan.agent,
    rpcId: 'id' in plan ? plan.id : undefined,
    request: grant === undefined ? request : { ...request, grant: grant.id },
    ...(grant === undefined ? {} : { until: grant.until }),
    cut(decision) {
      exchange.abort.abort(new Refusal('CORDON-4008', decision.reason ?? 'no longer allowed', { observed: decision.code ?? '' }));
      exchange.res.destroy();
    },
    cancel: () => exchange.abort.abort(new Refusal('CORDON-9010', 'cancelled by the caller')),
  };
  const end = pep.exchanges.open(open);
  const stop = watchEnds(pep, open);
  return () => {
    stop();
    end();
  };
}

/** Says no before there was anything to decide on. If even that can't be recorded, the answer is that it can't. */
function refuse(pep: Pep, exchange: Exchange, refusal: Refusal): void {
  let no = refusal;
  let decisionId: string | undefined;
  try {
    decisionId = recordRefusal(pep, refusal, { ...exchange, peer: pep.connections.peerOf(exchange.req.socket) }).id;
  } catch (error) {
    no = asRefusal(error, 'CORDON-9004', 'the log cannot record');
  }
  // what is left of the request is not read, so the connection cannot be used again
  if (!exchange.req.complete && !exchange.res.headersSent) exchange.res.setHeader('connection', 'close');
  sendReply(exchange, exchange.wire(noOf(pep, exchange, no.code, decisionId, no.message)));
}
