// May a caller have an agent deliver to this webhook? A webhook that stands in a message is a call of its own, decided before the message goes:
// a policy that permits messages permits no webhook. INVARIANTS I1, I9
import { Refusal } from '../domain/refusal.ts';
import { webhookHost } from './a2a-push-decode.ts';
import { pushInput, type MessagePush, type WebhookTarget } from './a2a-push-params.ts';
import type { Call } from './call.ts';
import { permitPart } from './judge.ts';
import type { Pep } from './pep.ts';

/** @throws Refusal CORDON-3023 a host that is not registered, or not where the caller's segment leads: one answer for both */
export function checkReach(pep: Pep, { request: { subject } }: Call, webhook: WebhookTarget): void {
  if (webhookHost(pep, subject.id, webhook) !== undefined) return;
  throw new Refusal('CORDON-3023', 'the host of the webhook is not registered', {
    fix: 'register it as a resource with `egress:`, in a segment that the caller leads to',
  });
}

/** @throws Refusal CORDON-3023; what the decision says, when it is no */
export async function permitPush(pep: Pep, call: Call, push: MessagePush): Promise<void> {
  checkReach(pep, call, push.webhook);
  const action = { name: 'a2a/CreateTaskPushNotificationConfig' };
  await permitPart(pep, call, { ...call.request, action, context: { input: pushInput(push) } }, 'caller');
}
