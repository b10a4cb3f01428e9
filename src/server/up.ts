// Composition root: every long-lived part of a running Cordon, in the order in which one needs the next, and the reverse when it stops.
import { createDecisionIndex, type DecisionIndex } from '../control/decisions.ts';
import type { Config } from '../control/config.ts';
import type { Control } from '../control/control.ts';
import { createPublisher, type Publisher } from '../control/publisher.ts';
import { errorTextOf } from '../domain/refusal.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { buildAdministration } from './administration.ts';
import { openApprovalWebhook } from './approval-webhook.ts';
import { steadyClock } from './clock.ts';
import type { DataDir } from './data-dir.ts';
import { openDataPlanes } from './data-planes.ts';
import { openDoors } from './doors.ts';
import { buildEnforcement } from './enforcement.ts';
import { startRules } from './containment-rules.ts';
import { startGrants } from './grants.ts';
import { startIdentities } from './identities.ts';
import { interceptionOf } from './interception.ts';
import type { Setting } from './setting.ts';
import { openState, type State } from './state.ts';
import { createWorkerPool, type PoolParts, type WorkerPool } from './workers/pool.ts';
import { noting } from './workers/vault.ts';

export interface UpOptions {
  readonly config: Config;
  readonly dataDir: string;
  /** Told of what an operator should see: a line, no secrets. */
  readonly onNotice: (line: string) => void;
  /** Processes that carry calls out beside this one, each with the same configuration file. */
  readonly workers?: NonNullable<Setting['workers']>;
  /** Milliseconds since the epoch; tests move it. */
  readonly now?: () => number;
  /** The addresses of a host outside; as the system resolves names when absent. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

export interface Running {
  readonly control: Control;
  readonly gateway: Gateway;
  /** Absent where the gateway of this process carries the calls out. */
  readonly workers: WorkerPool | undefined;
  readonly data: DataDir;
  close(): Promise<void>;
}

/** Starts Cordon. @throws Refusal CORDON-9006, CORDON-9004; then nothing of it runs any more */
export async function up(options: UpOptions): Promise<Running> {
  const stack = new AsyncDisposableStack();
  const setting: Setting = { now: clockOf(options), ...options, pep: 'gateway-1' };
  try {
    const running = await start(setting, stack);
    const owned = stack.move();
    return {
      ...running,
      async close(): Promise<void> {
        const { drainMs } = setting.config; // while the control plane still answers and renews
        await Promise.all([running.gateway.drain(drainMs), running.workers?.drain(drainMs)]);
        await owned.disposeAsync();
      },
    };
  } catch (error) {
    // why it did not start is what matters, also when stopping fails too
    await stack.disposeAsync().catch((cause: unknown) => setting.onNotice(`! ${errorTextOf(cause)}`));
    throw error;
  }
}

const clockOf = ({ onNotice }: UpOptions): (() => number) =>
  steadyClock({
    wall: Date.now,
    monotonic: () => performance.now(),
    onSetBack: (by) => onNotice(`! CORDON-9009 the clock was set back by ${Math.round(by / 1000)} s: what has expired stays expired`),
  });

async function start(setting: Setting, stack: AsyncDisposableStack): Promise<Omit<Running, 'close'>> {
  const state = await openState(setting, stack);
  const publisher = createPublisher(setting.config, setting.now);
  const decisions = openDecisions(setting, state, publisher, stack);
  const identities = await startIdentities(setting, state, publisher, stack);
  const webhook = await openApprovalWebhook(setting, state, stack);
  const grants = await startGrants(setting, state, { publisher, webhook }, stack);
  const interception = await interceptionOf(setting, state);
  const rules = startRules(setting, state, publisher, stack);
  const built = { interception, setting, state, publisher, identities, decisions, grants, webhook, rules };
  const vault = noting(state);
  const gateway = await buildEnforcement({ ...built, vault }, stack);
  const workers = workersOf({ ...built, secrets: vault.secrets });
  if (workers !== undefined) stack.defer(() => workers.drain(0));
  const control = await buildAdministration({ ...built, gateway, workers }, stack);
  await openDoors({ setting, state, identities, control, gateway }, stack);
  await workers?.start();
  await openDataPlanes({ ...built, gateway }, stack);
  stack.defer(() => control.catalog.stop());
  await control.catalog.start();
  keepFresh(setting, publisher, stack);
  return { control, gateway, workers, data: state.data };
}

function workersOf({ setting, ...parts }: Omit<PoolParts, 'setting'> & { readonly setting: Setting }): WorkerPool | undefined {
  const { workers } = setting;
  return workers === undefined ? undefined : createWorkerPool({ ...parts, setting: { ...setting, workers } });
}

function openDecisions(setting: Setting, state: State, publisher: Publisher, stack: AsyncDisposableStack): DecisionIndex {
  const decisions = createDecisionIndex({
    store: state.store,
    sealer: state.sealer,
    snapshot: publisher.current,
    onError: (error) => setting.onNotice(`! decision index: ${errorTextOf(error)}`),
  });
  stack.defer(() => decisions.close());
  return decisions;
}

/** Vouches for the snapshot four times in the time after which a gateway would stop deciding with it. */
function keepFresh({ config }: Setting, publisher: Publisher, stack: AsyncDisposableStack): void {
  const timer = setInterval(() => publisher.heartbeat(), config.maxStaleness / 4).unref();
  stack.defer(() => clearInterval(timer));
}
