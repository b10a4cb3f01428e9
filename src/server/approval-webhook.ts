// The webhook of a running Cordon: whoever cordon.yaml names hears of each request for approval, and of what became of it.
import { readFile } from 'node:fs/promises';
import { recordAct } from '../control/acts.ts';
import { approvalMessage } from '../control/approval-message.ts';
import type { WebhookState } from '../control/control.ts';
import type { ApprovalWebhookConfig } from '../control/config.ts';
import type { GrantEvent } from '../control/grants.ts';
import { postWebhook } from '../control/webhook-post.ts';
import { createWebhookQueue } from '../control/webhook-queue.ts';
import { Draws, randomId } from '../crypto/random.ts';
import { webhookSigner } from '../crypto/webhook.ts';
import { writeJson } from '../domain/json.ts';
import { errorTextOf, Refusal } from '../domain/refusal.ts';
import { requestPageOf } from './operators.ts';
import { secretOf } from './secrets.ts';
import { urlOf, type Setting } from './setting.ts';
import type { State } from './state.ts';

export interface ApprovalWebhook {
  /** Never waits for anybody. */
  tell(event: GrantEvent): void;
  state(): WebhookState;
}

/** What became of a request is of interest for so long; that it waits, until it ends. Milliseconds. */
const NEWS = 60 * 60_000;

/** Undefined: nobody is to be told. `stack` ends it. @throws Refusal CORDON-9006 */
export async function openApprovalWebhook(
  setting: Setting,
  state: State,
  stack: AsyncDisposableStack,
): Promise<ApprovalWebhook | undefined> {
  const { config, now } = setting;
  const { webhook } = config.approvals;
  if (webhook === undefined) return undefined;
  const receiver = await receiverOf(webhook, setting, state);
  const draws = new Draws();
  const queue = createWebhookQueue({
    post: (message, signal) => postWebhook(receiver, message, signal),
    now,
    random: () => draws.next(),
    later: (ms, act) => {
      const timer = setTimeout(act, ms).unref();
      return () => clearTimeout(timer);
    },
    onTurn: (why) => noteTurn(setting, state, webhook.url, why),
  });
  stack.defer(() => queue.close());
  const controlUrl = urlOf(config.listen.control);
  const { values } = webhook;
  const parts = { trustDomain: config.trustDomain, controlUrl, values, pageOf: requestPageOf(config) };
  return {
    tell(event): void {
      const { grant, kind } = event;
      const body = writeJson(approvalMessage(event, now(), parts));
      const until = kind === 'asked' ? grant.until : now() + NEWS;
      queue.send({ id: `msg_${randomId(20)}`, about: grant.id, body, until });
    },
    state: () => ({ receiver: webhook.url.origin, ...queue.counts() }),
  };
}

async function receiverOf(
  { url, key, ca, timeoutMs }: ApprovalWebhookConfig,
  { config: { base }, now }: Setting,
  { store, sealer }: State,
): Promise<Parameters<typeof postWebhook>[0]> {
  const sign = webhookSigner(await secretOf({ base, store, sealer }, 'approvals.webhook', key));
  return { url, sign, timeoutMs, now, ca: ca === undefined ? undefined : await authorityOf(ca) };
}

async function authorityOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new Refusal('CORDON-9006', `cannot read \`${path}\``, { cause, fix: 'mend `approvals.webhook.ca` in cordon.yaml' });
  }
}

/** Once for each turn: on record, and at the terminal. */
function noteTurn({ now, onNotice }: Setting, { log }: State, { origin }: URL, why: string | undefined): void {
  const failing = why !== undefined;
  onNotice(
    failing ? `! approvals webhook: ${origin} does not take what it is told: ${why}` : `approvals webhook: ${origin} takes it again`,
  );
  try {
    const act = failing ? 'webhook.failing' : 'webhook.recovered';
    recordAct({ log, now }, { actor: 'cordon', act, target: origin, ...(failing ? { reason: why } : {}) });
  } catch (error) {
    onNotice(`! approvals webhook: ${errorTextOf(error)}`);
  }
}
