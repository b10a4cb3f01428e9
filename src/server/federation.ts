// The federation of a running Cordon: who else is believed, told to every enforcement point.
import { openFederation, type Federation } from '../control/federation/federation.ts';
import type { Publisher } from '../control/publisher.ts';
import type { Setting } from './setting.ts';
import type { State } from './state.ts';

/** How often it is looked whether a bundle is due or too old. Milliseconds. */
const TEND_MS = 15_000;

/** Opens it and fetches what is due, without waiting for anybody; `stack` stops that. @throws Refusal CORDON-9004, CORDON-9006 */
export async function startFederation(
  { config, now, onNotice }: Setting,
  { store, sealer, log }: State,
  publisher: Publisher,
  stack: AsyncDisposableStack,
): Promise<Federation> {
  const federation = await openFederation({
    config: config.federation,
    store,
    sealer,
    log,
    now,
    onNotice,
    onChange(believed): void {
      publisher.setFederated(believed);
      publisher.publish();
    },
  });
  if (config.federation.domains.length === 0) return federation;
  void federation.tend();
  const timer = setInterval(() => void federation.tend(), TEND_MS).unref();
  stack.defer(() => clearInterval(timer));
  return federation;
}
