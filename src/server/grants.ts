// Just-in-time grants of a running Cordon: whoever watches its terminal sees what waits for a person.
import { openGrants, type GrantDesk, type GrantView } from '../control/grants.ts';
import type { Publisher } from '../control/publisher.ts';
import { errorTextOf } from '../domain/refusal.ts';
import type { ApprovalWebhook } from './approval-webhook.ts';
import type { Setting } from './setting.ts';
import type { State } from './state.ts';

/** @throws Refusal CORDON-9004 */
export async function startGrants(
  { now, onNotice }: Setting,
  { store, sealer, log }: State,
  { publisher, webhook }: { readonly publisher: Publisher; readonly webhook: ApprovalWebhook | undefined },
  stack: AsyncDisposableStack,
): Promise<GrantDesk> {
  const desk = await openGrants({
    store,
    sealer,
    log,
    now,
    publish: (grants) => {
      publisher.setGrants(grants);
      publisher.publish();
    },
    onEvent: (event) => {
      if (event.kind === 'asked') onNotice(noticeOf(event.grant));
      webhook?.tell(event);
    },
    later: (ms, act) => {
      const timer = setTimeout(act, ms).unref();
      return () => clearTimeout(timer);
    },
    onError: (error) => onNotice(`! grants: ${errorTextOf(error)}`),
  });
  stack.defer(() => desk.close());
  return desk;
}

const noticeOf = ({ id, agent, action, resource }: GrantView): string =>
  `? ${agent} asks for approval: ${action} ${resource}, see \`cordon grant get ${id}\``;
