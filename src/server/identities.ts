// Who is who in a running Cordon: the issuer, the runs that survived a restart, and the credentials of Cordon's own parts.
import type { Config } from '../control/config.ts';
import { createIssuer, TOKEN_TTL, type Issuer, type OwnKind } from '../control/issuer.ts';
import type { Publisher } from '../control/publisher.ts';
import { Refusal, errorTextOf } from '../domain/refusal.ts';
import type { WorkloadKind } from '../domain/spiffe-id.ts';
import type { Run, Store } from '../store/ports.ts';
import { createRotation, type Rotation } from './rotation.ts';
import type { Setting } from './setting.ts';
import type { State } from './state.ts';

export interface Identities {
  readonly issuer: Issuer;
  readonly gateway: Rotation;
  readonly control: Rotation;
  /** The operator of this machine. */
  readonly operator: Rotation;
}

/** Longer than a working day, so that a terminal left open in the morning works in the evening. Milliseconds. */
const OPERATOR_TTL = 12 * 3_600_000;

/** Restores levels and runs, and makes the first credentials; `stack` stops their renewal. @throws Refusal CORDON-9004, CORDON-9006 */
export async function startIdentities(
  setting: Setting,
  state: State,
  publisher: Publisher,
  stack: AsyncDisposableStack,
): Promise<Identities> {
  const { config, pep } = setting;
  const issuer = issuerOf(setting, state, publisher);
  await restore(setting, state.store, publisher, issuer);
  const rotating = async (kind: OwnKind, name: string, ttl: number): Promise<Rotation> => {
    const onError = (error: unknown): void => setting.onNotice(`! credentials of ${name} are not renewed: ${errorTextOf(error)}`);
    const rotation = createRotation({ issue: () => issuer.own(kind, name, ttl), now: setting.now, onError });
    stack.defer(() => rotation.stop());
    await rotation.start();
    return rotation;
  };
  return {
    issuer,
    gateway: await rotating('gateway', pep, config.svidTtl),
    control: await rotating('control', 'control-1', config.svidTtl),
    operator: await rotating('operator', 'local', OPERATOR_TTL),
  };
}

const issuerOf = ({ config, now }: Setting, { authority, store, log }: State, publisher: Publisher): Issuer =>
  createIssuer({
    authority,
    store,
    log,
    now,
    ttl: config.svidTtl,
    isRegistered: (kind, name) => isRegistered(config, kind, name),
    mayHave: (run) => refuseOff(publisher, run),
    onIssued(run, svid): void {
      if (run.kind !== 'agent') return;
      publisher.setRun(run.id, { agent: run.name, notAfter: svid.notAfter });
      publisher.publish();
    },
  });

function isRegistered({ agents, resources }: Config, kind: WorkloadKind, name: string): boolean {
  const registered: readonly { readonly name: string }[] = kind === 'agent' ? agents : kind === 'resource' ? resources : [];
  return registered.some((member) => member.name === name);
}

function refuseOff(publisher: Publisher, { kind, name }: Pick<Run, 'kind' | 'name'>): void {
  if (kind === 'agent' && publisher.world().levels.get(name) === 'off') {
    throw new Refusal('CORDON-4002', `level \`off\`: no SVID is given to \`${name}\``, {
      fix: `lift it, when it is safe: cordon release ${name} --reason TEXT`,
    });
  }
}

/** Levels and runs survive a restart: what was `off` stays off. A run whose last certificate has expired is ended. INVARIANT I6 */
async function restore({ now }: Setting, store: Store, publisher: Publisher, issuer: Issuer): Promise<void> {
  for (const change of await store.currentLevels()) publisher.setLevel(change.agent, change.level);
  for (const run of await store.activeRuns()) {
    const [newest] = await store.certificatesOf(run.id, 1);
    const notAfter = newest?.notAfter ?? run.createdAt + TOKEN_TTL;
    if (notAfter <= now()) await issuer.endRun(run.id, 'cordon');
    else if (run.kind === 'agent' && newest !== undefined) publisher.setRun(run.id, { agent: run.name, notAfter });
  }
}
