// The story of one call. Each line takes what the line above proved; a refusal at any line is recorded and answered in the caller's
// protocol. The task token (step 4) and the session (step 5) join here when the token service issues them.
import { Refusal, asRefusal } from '../domain/refusal.ts';
import { decide } from '../pdp/decide.ts';
import { authenticate } from './authenticate.ts';
import { checkHeaders } from './body.ts';
import type { Call } from './call.ts';
import type { Peer } from './connections.ts';
import { decode } from './decode.ts';
import { sendReply, type Exchange } from './exchange.ts';
import { forward } from './forward.ts';
import type { Pep } from './pep.ts';
import { recordDecision, recordOutcome, recordRefusal, type RecordedDecision } from './record.ts';

/** Handles one request from its first byte to its last; never throws. */
export async function enforce(pep: Pep, exchange: Exchange): Promise<void> {
  try {
    const peer = (exchange.peer = authenticate(pep, exchange.req)); // 1 who
    const leave = pep.limiter.enter(peer.run, pep.now()); // 2 how much
    exchange.res.once('close', leave);
    checkHeaders(exchange.req);
    const call = await decode(pep, exchange, peer); // 3 what
    await enforceCall(pep, exchange, peer, call);
  } catch (error) {
    refuse(pep, exchange, asRefusal(error, 'CORDON-9001', 'the gateway failed'));
  }
}

async function enforceCall(pep: Pep, exchange: Exchange, peer: Peer, call: Call): Promise<void> {
  const started = performance.now();
  const decided = decide(pep.snapshot(), call, pep.now(), pep.settings); // 6 may it
  const recorded = recordDecision(pep, call.request, decided.decision); // 7 before any effect
  const pdp = performance.now() - started;
  const { code = 'CORDON-9001', reason } = decided.decision;
  if (decided.authorized === undefined) return sendReply(exchange, exchange.wire({ code, decisionId: recorded.id, reason }));
  const end = register(pep, exchange, peer, call, recorded);
  try {
    const { upstreamStatus } = await forward(pep, exchange, decided.authorized, recorded.receipt); // 8, 9, 10
    finish(pep, exchange, recorded, { status: 'completed', upstream_status: upstreamStatus }, pdp);
  } catch (error) {
    const refusal = exchange.abort.signal.aborted ? reasonOf(exchange) : asRefusal(error, 'CORDON-9010', 'the upstream failed');
    finish(pep, exchange, recorded, { status: statusOf(exchange, refusal), code: refusal.code }, pdp);
    sendReply(exchange, exchange.wire({ code: refusal.code, decisionId: recorded.id, reason: refusal.message }));
  } finally {
    end();
  }
}

const reasonOf = (exchange: Exchange): Refusal => asRefusal(exchange.abort.signal.reason, 'CORDON-9010', 'the call was ended');

type OutcomeStatus = Parameters<typeof recordOutcome>[1]['status'];

const statusOf = (exchange: Exchange, refusal: Refusal): OutcomeStatus => {
  if (!exchange.abort.signal.aborted) return 'failed';
  return refusal.code === 'CORDON-9010' ? 'aborted' : 'cut';
};

/** 11: the outcome, a fact of its own. */
function finish(
  pep: Pep,
  exchange: Exchange,
  recorded: RecordedDecision,
  outcome: Pick<Parameters<typeof recordOutcome>[1], 'status' | 'upstream_status' | 'code'>,
  pdp: number,
): void {
  const total = performance.now() - exchange.startedAt;
  const latency = { pdp: round(pdp), pep: round(total), upstream: round(Math.max(0, total - pdp)) };
  recordOutcome(pep, { decision: recorded.id, ...outcome, bytes: exchange.bytesOut, latency_ms: latency });
}

const round = (ms: number): number => Math.round(ms * 1000) / 1000;

/** Keeps the call where a change of policy, level or identity finds it. */
function register(pep: Pep, exchange: Exchange, peer: Peer, call: Call, recorded: RecordedDecision): () => void {
  const { plan } = call;
  const end = (refusal: Refusal): void => {
    exchange.abort.abort(refusal);
    exchange.res.destroy();
  };
  return pep.exchanges.open({
    decisionId: recorded.id,
    agent: peer.agent,
    run: peer.run,
    callee: 'server' in plan ? plan.server : plan.agent,
    rpcId: 'id' in plan ? plan.id : undefined,
    request: call.request,
    cut: (decision) => end(new Refusal('CORDON-4008', decision.reason ?? 'no longer allowed', { observed: decision.code ?? '' })),
    cancel: () => exchange.abort.abort(new Refusal('CORDON-9010', 'cancelled by the caller')),
  });
}

/** Says no before there was anything to decide on. If even that can't be recorded, the answer is that it can't. */
function refuse(pep: Pep, exchange: Exchange, refusal: Refusal): void {
  let no = refusal;
  let decisionId: string | undefined;
  try {
    decisionId = recordRefusal(pep, refusal, { peer: exchange.peer, action: exchange.action, resource: exchange.resource }).id;
  } catch (error) {
    no = asRefusal(error, 'CORDON-9004', 'the log cannot record');
  }
  if (!exchange.req.complete) exchange.res.setHeader('connection', 'close');
  sendReply(exchange, exchange.wire({ code: no.code, decisionId, reason: no.message }));
}
