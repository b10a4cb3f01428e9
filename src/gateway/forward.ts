// Steps 8 to 10: carry out what was authorised and recorded, and hand back what came of it. Nothing gets here without both proofs: an
// `Authorized` call made by the PDP and a `Receipt` made by the log.
import type { Receipt } from '../domain/access.ts';
import type { Authorized } from '../pdp/decide.ts';
import { sendCard, sendExtendedCard } from './a2a-cards.ts';
import { askAboutTask, sendMessage } from './a2a-forward.ts';
import { listTasks } from './a2a-list.ts';
import { askAboutPush, deliverPush } from './a2a-push-forward.ts';
import type { Call, Forwarded, PlanKind, PlanOf } from './call.ts';
import type { Exchange } from './exchange.ts';
import { openTunnel, requestOutside } from './egress-forward.ts';
import { callRoute } from './http-forward.ts';
import { openWebSocket } from './http-websocket.ts';
import { askServer, browse, callTool, listTools, notify, speakForServer } from './mcp-forward.ts';
import { listen } from './mcp-listen.ts';
import { answerServer, endSession, streamSession } from './mcp-session-forward.ts';
import type { Pep } from './pep.ts';
import { mayRepeat } from './repeatable.ts';

type Forwarder<K extends PlanKind> = (pep: Pep, exchange: Exchange, plan: PlanOf<K>, call: Call) => Promise<Forwarded>;

const FORWARDERS: { readonly [K in PlanKind]: Forwarder<K> } = {
  'mcp/session': speakForServer,
  'mcp/notification': notify,
  'mcp/list': listTools,
  'mcp/browse': browse,
  'mcp/ask': askServer,
  'mcp/call': callTool,
  'mcp/stream': streamSession,
  'mcp/answer': answerServer,
  'mcp/end': endSession,
  'mcp/listen': listen,
  'a2a/send': sendMessage,
  'a2a/task': (pep, exchange, plan, call) => (plan.method === 'ListTasks' ? listTasks : askAboutTask)(pep, exchange, plan, call),
  'a2a/push-config': askAboutPush,
  'a2a/push': deliverPush,
  'a2a/card': sendCard,
  'a2a/extended-card': sendExtendedCard,
  'http/call': callRoute,
  'http/upgrade': openWebSocket,
  'egress/connect': openTunnel,
  'egress/request': requestOutside,
};

/** @throws Refusal CORDON-9010 and whatever reason the exchange was aborted for */
export function forward(pep: Pep, exchange: Exchange, authorized: Authorized<Call>, _receipt: Receipt): Promise<Forwarded> {
  const { call } = authorized;
  exchange.mayRepeat = mayRepeat(pep, authorized);
  const carryOut = <K extends PlanKind>(plan: PlanOf<K>): Promise<Forwarded> => FORWARDERS[plan.kind](pep, exchange, plan, call);
  return carryOut(call.plan);
}
