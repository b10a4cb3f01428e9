// Who is who in a running Cordon: the issuer, the runs that survived a restart, and the credentials of Cordon's own parts.
import { openPostures, type Posture, type Postures } from '../control/attest/posture.ts';
import { openRegistry, type Registry } from '../control/attest/registry.ts';
import { createIssuer, TOKEN_TTL, type Issuer, type OwnKind } from '../control/issuer.ts';
import type { KeyUse } from '../control/keys.ts';
import type { Publisher } from '../control/publisher.ts';
import { restoreRevocations } from '../control/revocation.ts';
import { Refusal, errorTextOf } from '../domain/refusal.ts';
import type { WorkloadKind } from '../domain/spiffe-id.ts';
import type { LiveRun } from '../pdp/snapshot.ts';
import type { Run, Store } from '../store/ports.ts';
import { createRotation, type Rotation } from './rotation.ts';
import type { Setting } from './setting.ts';
import type { State } from './state.ts';

export interface Identities {
  readonly registry: Registry;
  readonly postures: Postures;
  readonly issuer: Issuer;
  readonly gateway: Rotation;
  /** The credentials of one gateway more, kept fresh until it is stopped. */
  readonly gatewayOf: (pep: string) => Promise<Rotation>;
  readonly control: Rotation;
  /** The operator of this machine. */
  readonly operator: Rotation;
}

/** Keys whose change is carried to whoever holds an SVID of Cordon's own: the bundle, and the chain. */
const VOUCHING: ReadonlySet<KeyUse> = new Set(['root', 'intermediate']);

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
  const registry = await openRegistry({ ...setting, ...state, publisher });
  const postures = await openPostures({
    ...setting,
    ...state,
    entry: (id) => registry.entries().get(id),
    onChange: (posture) => publishDrift(publisher, posture),
  });
  const issuer = issuerOf(setting, state, publisher, { registry, postures });
  await restore(setting, state.store, publisher, { issuer, postures });
  const rotating = async (kind: OwnKind, name: string, ttl: number): Promise<Rotation> => {
    const onError = (error: unknown): void => setting.onNotice(`! credentials of ${name} are not renewed: ${errorTextOf(error)}`);
    const rotation = createRotation({ issue: () => issuer.own(kind, name, ttl), now: setting.now, onError });
    stack.defer(() => rotation.stop());
    await rotation.start();
    stack.defer(state.authority.onChange((use) => void (VOUCHING.has(use) && rotation.renew())));
    return rotation;
  };
  return {
    registry,
    postures,
    issuer,
    gateway: await rotating('gateway', pep, config.svidTtl),
    gatewayOf: (name) => rotating('gateway', name, config.svidTtl),
    control: await rotating('control', 'control-1', config.svidTtl),
    operator: await rotating('operator', 'local', OPERATOR_TTL),
  };
}

const issuerOf = (
  { config, now }: Setting,
  { authority, store, log }: State,
  publisher: Publisher,
  { registry, postures }: Pick<Identities, 'registry' | 'postures'>,
): Issuer => {
  const registered = (kind: WorkloadKind, name: string): boolean =>
    (kind === 'agent' || kind === 'resource') && registry.isRegistered({ kind, name });
  return createIssuer({
    authority,
    store,
    log,
    now,
    ttl: config.svidTtl,
    isRegistered: registered,
    mayHave(run): void {
      if (!registered(run.kind, run.name)) throw new Refusal('CORDON-1012', `no ${run.kind} is registered as \`${run.name}\``);
      refuseOff(publisher, run);
      if (run.id !== undefined) postures.check(run.id);
    },
    ttlOf: ({ id }) => registry.entries().get(postures.of(id)?.entryId ?? '')?.ttl,
    onIssued(run, svid): void {
      if (run.kind !== 'agent') return;
      publisher.setRun(run.id, withDrift(liveRun(run, svid.notAfter), postures.of(run.id)));
      publisher.publish();
    },
  });
};

const liveRun = ({ name, createdAt, task }: Run, notAfter: number): LiveRun => ({
  agent: name,
  notAfter,
  since: createdAt,
  ...(task === undefined ? {} : { task }),
});

const withDrift = ({ drifted: _before, ...run }: LiveRun, posture: Posture | undefined): LiveRun =>
  (posture?.drift.length ?? 0) > 0 ? { ...run, drifted: true } : run;

function publishDrift(publisher: Publisher, posture: Posture): void {
  const run = publisher.current().runs.get(posture.runId);
  const next = run && withDrift(run, posture);
  if (next === undefined || next.drifted === run?.drifted) return;
  publisher.setRun(posture.runId, next);
  publisher.publish();
}

function refuseOff(publisher: Publisher, { kind, name }: Pick<Run, 'kind' | 'name'>): void {
  if (kind === 'agent' && publisher.world().levels.get(name) === 'off') {
    throw new Refusal('CORDON-4002', `level \`off\`: no SVID is given to \`${name}\``, {
      fix: `lift it, when it is safe: cordon release ${name} --reason TEXT`,
    });
  }
}

/** Levels, revocations and runs survive a restart: what was `off` stays off. A run whose last certificate has expired is ended. INVARIANT I6 */
async function restore(
  { now }: Setting,
  store: Store,
  publisher: Publisher,
  { issuer, postures }: Pick<Identities, 'issuer' | 'postures'>,
): Promise<void> {
  for (const change of await store.currentLevels()) publisher.setLevel(change.agent, change.level);
  await restoreRevocations({ publisher, store, now });
  for (const run of await store.activeRuns()) {
    const [newest] = await store.certificatesOf(run.id, 1);
    const notAfter = newest?.notAfter ?? run.createdAt + TOKEN_TTL;
    if (notAfter <= now()) await issuer.endRun(run.id, 'cordon');
    else if (run.kind === 'agent' && newest !== undefined) publisher.setRun(run.id, withDrift(liveRun(run, notAfter), postures.of(run.id)));
  }
}
