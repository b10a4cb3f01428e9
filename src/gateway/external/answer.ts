// The story of one call that another data plane carries out: the steps of enforce.ts up to the record, then an answer instead of
// forwarding. Whatever happens, the answer to what was not decided and recorded is no. INVARIANTS I1, I3
import { asRefusal, type Refusal } from '../../domain/refusal.ts';
import { claimedId } from '../../identity/svid.ts';
import type { Call } from '../call.ts';
import { checkHeaders } from '../body.ts';
import type { Peer } from '../connections.ts';
import { decode } from '../decode.ts';
import type { Exchange } from '../exchange.ts';
import { checkConnection } from '../http-headers.ts';
import { askRemote, judge } from '../judge.ts';
import type { Pep } from '../pep.ts';
import { recordRefusal, type Seen } from '../record.ts';
import { withTask } from '../task-token.ts';
import { checkNames, checkWhole, exchangeOf, type Asked } from './asked.ts';
import type { Caller, Shown } from './callers.ts';
import { checkExact } from './exact.ts';
import { handOver, type HandedOver } from './hand-over.ts';
import { noFor, type Denied } from './no.ts';
import { enforcerOf, type Plane } from './plane.ts';
import { decodeUnseen, servedBy, type Served } from './unseen.ts';

/** What the data plane is told. */
export type Answer = HandedOver | Denied;

/** Never rejects. */
export async function answer(pep: Pep, plane: Plane, asked: Asked): Promise<Answer> {
  let caller: Caller | undefined;
  const exchange = exchangeOf(asked, plane.origin, () => caller);
  let leave = (): void => undefined;
  try {
    caller = plane.callers.callerOf(asked.shown); // 1 who
    const peer = (exchange.peer = caller.peer);
    leave = pep.limiter.enter(peer.run, pep.now()); // 2 how much
    checkNames(asked.headers);
    checkWhole(exchange, asked.body);
    checkHeaders(exchange);
    checkConnection(exchange.req); // HAProxy sends it on, and a hop behind would drop what Cordon adds
    const served = servedBy(plane, exchange);
    checkSession(pep, plane, exchange, peer);
    const call = asked.body === undefined ? await decodeUnseen(pep, exchange, peer, served) : await decode(pep, exchange, peer); // 3 what
    checkExact(pep, exchange, call, asked.body);
    return await judged(pep, plane, served, exchange, withTask(pep, exchange, peer, call)); // 4 for whom
  } catch (error) {
    const claimed = caller === undefined ? claimOf(asked.shown) : undefined;
    return refused(pep, plane, { ...exchange, claimed }, asRefusal(error, 'CORDON-9001', 'the gateway failed'));
  } finally {
    leave();
  }
}

async function judged(pep: Pep, plane: Plane, { terms }: Served, exchange: Exchange, asked: Call): Promise<Answer> {
  const judging = { enforcer: enforcerOf(plane) };
  const remote = await askRemote(pep, asked, judging);
  const { decision, authorized, recorded } = judge(pep, asked, remote, judging); // 6 may it, 7 before any effect
  if (authorized !== undefined) return handOver(pep, plane, terms, authorized, recorded); // 8; 9 to 11 are the data plane's
  const { code = 'CORDON-9001', reason } = decision;
  return noFor(pep, plane, exchange, { code, reason, decisionId: recorded.id });
}

function checkSession(pep: Pep, { sessions }: Plane, { action, resource, req }: Exchange, { run }: Peer): void {
  const session = req.headers['mcp-session-id'];
  if (action !== 'mcp' || typeof session !== 'string') return;
  sessions.check(resource, session, run, (each) => pep.snapshot()?.runs.has(each) === true);
}

/** What a certificate that was not believed says of itself. */
function claimOf(shown: Shown | undefined): string | undefined {
  try {
    const [leaf] = shown?.read() ?? [];
    return leaf && claimedId(leaf);
  } catch {
    return undefined; // nothing readable was handed over
  }
}

/** Says no before there was anything to decide on. If even that can't be recorded, the answer is that it can't. */
function refused(pep: Pep, plane: Plane, exchange: Exchange & Pick<Seen, 'claimed'>, refusal: Refusal): Denied {
  try {
    const { id } = recordRefusal(pep, refusal, { ...exchange, enforcer: enforcerOf(plane) });
    return noFor(pep, plane, exchange, { code: refusal.code, reason: refusal.message, decisionId: id });
  } catch (error) {
    const { code, message } = asRefusal(error, 'CORDON-9004', 'the log cannot record');
    return noFor(pep, plane, exchange, { code, reason: message, decisionId: undefined });
  }
}
