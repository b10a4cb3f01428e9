// Just-in-time grants of a running Cordon: whoever watches its terminal sees what waits for a person.
import { openGrants, type GrantDesk, type GrantView } from '../control/grants.ts';
import type { Publisher } from '../control/publisher.ts';
import { errorTextOf } from '../domain/refusal.ts';
import type { Setting } from './setting.ts';
import type { State } from './state.ts';

/** @throws Refusal CORDON-9004 */
export async function startGrants(
  { now, onNotice }: Setting,
  { store, sealer, log }: State,
  publisher: Publisher,
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
    onAsked: (asked) => onNotice(noticeOf(asked)),
    onError: (error) => onNotice(`! grants: ${errorTextOf(error)}`),
  });
  stack.defer(() => desk.close());
  return desk;
}

const noticeOf = ({ id, agent, action, resource }: GrantView): string =>
  `? ${agent} asks for approval: ${action} ${resource}, see \`cordon grant get ${id}\``;
