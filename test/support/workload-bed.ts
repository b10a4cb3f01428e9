// The Workload API of a Cordon without its listeners: real keys, store, log, issuer and sockets, on a clock that the test moves.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPublisher, type Publisher } from '../../src/control/publisher.ts';
import type { RefusedRequest } from '../../src/control/refusals.ts';
import type { DomainBundle } from '../../src/control/workload/ports.ts';
import { Refusal } from '../../src/domain/refusal.ts';
import type { TrustDomain } from '../../src/domain/spiffe-id.ts';
import { readConfig } from '../../src/server/config.ts';
import { startIdentities, type Identities } from '../../src/server/identities.ts';
import type { Setting } from '../../src/server/setting.ts';
import { openState, type State } from '../../src/server/state.ts';
import { openWorkload } from '../../src/server/workload.ts';

const YAML = `trustDomain: test.example
segments: { desk: }
agents:
  clerk: { segment: desk, owner: test, purpose: calls }
  scribe: { segment: desk, owner: test, purpose: is called }
`;

export interface WorkloadBedOptions {
  /** Lines of `cordon.yaml`. */
  readonly yaml?: string;
}

export interface WorkloadBed {
  readonly dir: string;
  readonly state: State;
  readonly identities: Identities;
  readonly publisher: Publisher;
  readonly federated: Map<TrustDomain, DomainBundle>;
  readonly refused: RefusedRequest[];
  readonly notices: string[];
  /** A run of an agent, and its socket for what this process starts (and itself). */
  start(agent: string, launcher?: number): Promise<{ readonly run: string; readonly socket: string }>;
  /** Moves the clock alone. */
  move(ms: number): void;
  /** Moves the clock, and has what is due happen. */
  pass(ms: number): Promise<void>;
  endRun(run: string): Promise<boolean>;
  /** As it would be when Cordon is stopped in the middle. */
  endRunQuietly(run: string): Promise<boolean>;
  /** Looks at every stream again. */
  refresh(): Promise<void>;
  /** Stops it and starts it again on the same data. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Nobody is let in but through the socket of a run. */
const NO_ATTESTATION = {
  attest: () => Promise.reject(new Refusal('CORDON-1012', 'no registration entry matches')),
  admit: () => Promise.reject(new Refusal('CORDON-1012', 'no registration entry matches')),
};

export async function openWorkloadBed(options: WorkloadBedOptions = {}): Promise<WorkloadBed> {
  const dir = await mkdtemp(join(tmpdir(), 'cordon-wl-'));
  await writeFile(join(dir, 'cordon.yaml'), YAML + (options.yaml ?? ''));
  const config = await readConfig(join(dir, 'cordon.yaml'));
  const federated = new Map<TrustDomain, DomainBundle>();
  const refused: RefusedRequest[] = [];
  const notices: string[] = [];
  let moved = 0;
  const setting: Setting = {
    config,
    dataDir: join(dir, 'data'),
    pep: 'gateway-1',
    onNotice: (line) => notices.push(line),
    now: () => Date.now() + moved,
  };

  const open = async () => {
    const stack = new AsyncDisposableStack();
    const state = await openState(setting, stack);
    const publisher = createPublisher(config, setting.now);
    const identities = await startIdentities(setting, state, publisher, stack);
    const endRun = async (id: string, actor: string): Promise<boolean> => {
      const ended = await identities.issuer.endRun(id, actor);
      publisher.endRun(id);
      publisher.publish();
      return ended;
    };
    const recorder = { refused: (request: RefusedRequest) => void refused.push(request) };
    const parts = { setting, state, publisher, identities, attestation: NO_ATTESTATION, recorder, federated: () => federated, endRun };
    return { stack, state, publisher, identities, endRun, workload: await openWorkload(parts, stack) };
  };
  let running = await open();

  return {
    dir,
    federated,
    refused,
    notices,
    get state() {
      return running.state;
    },
    get identities() {
      return running.identities;
    },
    get publisher() {
      return running.publisher;
    },
    async start(agent, launcher = process.pid) {
      const { run } = await running.identities.issuer.startRun('agent', agent, 'test');
      const socket = await running.workload.openRun(run.id, launcher);
      if (socket === undefined) throw new Error(`no socket: ${notices.join()}`);
      return { run: run.id, socket };
    },
    move(ms) {
      moved += ms;
    },
    endRunQuietly: (run) => running.identities.issuer.endRun(run, 'test'),
    async pass(ms) {
      moved += ms;
      await running.workload.refresh();
    },
    async endRun(run) {
      const ended = await running.endRun(run, 'test');
      await running.workload.refresh();
      return ended;
    },
    refresh: () => running.workload.refresh(),
    async restart() {
      await running.stack.disposeAsync();
      running = await open();
    },
    async close() {
      await running.stack.disposeAsync();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
