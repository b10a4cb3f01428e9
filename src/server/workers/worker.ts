// A worker: a whole gateway in a process of its own, on the port that it shares with the others. It decides alone, with what the main
// process tells it over the channel between the two; when that process is gone, it stops. INVARIANT I1: silence of the main process is a
// snapshot that grows stale.
import { DecisionCheck } from '../../control/decision-check.ts';
import { ed25519FromPem } from '../../crypto/ed25519.ts';
import { jwsSignerFromPem, type JwsSigner } from '../../crypto/jws.ts';
import { Draws } from '../../crypto/random.ts';
import { asRefusal, Refusal } from '../../domain/refusal.ts';
import type { Credentials } from '../../gateway/channel.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import type { Snapshot } from '../../pdp/snapshot.ts';
import { openDecisionLog, type DecisionLog } from '../../store/log-files.ts';
import { steadyClock } from '../clock.ts';
import { openDataDir } from '../data-dir.ts';
import { buildGateway } from '../gateway.ts';
import { Asking } from './asking.ts';
import { vaultOf } from './vault.ts';
import {
  isToWorker,
  type FromWorker,
  type SentDecision,
  type SentSnapshot,
  type Start,
  type ToWorker,
  type WorkerState,
} from './messages.ts';
import { readSameConfig, shareOf } from './same-config.ts';
import { createWorkerPolicies, type WorkerPolicies } from './worker-policies.ts';

/** Milliseconds. */
const TELL_MS = 20;
const STATE_MS = 250;
/** Decisions that wait to be told; what is above stands in the log alone. */
const MOST_UNTOLD = 10_000;
/** The share of decisions that the official engine decides again. */
const CHECKED = 0.01;

const say = (message: FromWorker): void => void (process.connected && process.send?.(message));
const notice = (line: string): void => say({ kind: 'notice', line });

class Worker {
  readonly #stack: AsyncDisposableStack;
  readonly #shared: Asking;
  readonly #gateway: Gateway;
  readonly #log: DecisionLog;
  readonly #policies: WorkerPolicies;
  readonly #keep: Kept;
  readonly #address: Built['address'];
  #current: Snapshot;

  private constructor(parts: Built, first: SentSnapshot) {
    this.#stack = parts.stack;
    this.#shared = parts.shared;
    this.#gateway = parts.gateway;
    this.#log = parts.log;
    this.#policies = parts.policies;
    this.#keep = parts.keep;
    this.#address = parts.address;
    this.#current = this.#take(first);
    this.#gateway.apply(this.#current);
  }

  /** It does not listen yet: what it is told of until then it must know before its first call. INVARIANT I6 */
  static async open(start: Start): Promise<Worker> {
    const built = await build(start);
    for (const bringing of start.labels) built.gateway.learn(bringing);
    return new Worker(built, start.snapshot);
  }

  async #listen(): Promise<void> {
    const { host, port } = this.#address;
    await this.#gateway.listen(host, port, { reusePort: true });
    say({ kind: 'seen', checkpoint: await this.#log.checkpoint() });
    say({ kind: 'listening', state: this.state() });
    const telling = setInterval(() => say({ kind: 'state', state: this.state() }), STATE_MS);
    this.#stack.defer(() => clearInterval(telling));
  }

  state(): WorkerState {
    const { connections, exchanges, outcomes, upstreams } = this.#gateway.pep;
    outcomes.flush();
    const { world, policies } = this.#current;
    const open = world.agents.map(({ name }) => [name, connections.socketsOf(name).length] as const);
    return {
      connections: new Map(open.filter(([, count]) => count > 0)),
      openCalls: exchanges.count(),
      policies: policies instanceof Refusal ? 0 : policies.version,
      log: { origin: this.#log.origin, size: this.#log.size },
      upstreams: upstreams.guards.views(),
    };
  }

  async hear(message: ToWorker): Promise<void> {
    switch (message.kind) {
      case 'start':
        return; // it has
      case 'snapshot':
        return this.#apply(this.#take(message.snapshot));
      case 'alive':
        // of a version that is not ours another snapshot is on its way
        if (message.version === this.#current.version) this.#apply({ ...this.#current, at: message.at });
        return;
      case 'credentials':
        return this.#keep.rotate(message.credentials);
      case 'signer':
        this.#keep.signer = jwsSignerFromPem(message.signer.pem, message.signer.kid);
        return;
      case 'contain': {
        const since = performance.now();
        this.#current = this.#take(message.snapshot);
        const observed = await this.#gateway.contain(this.#current, message.target, since);
        return say({ kind: 'observed', id: message.id, observed });
      }
      case 'taken':
      case 'counted':
      case 'brought':
        return this.#shared.answered(message);
      case 'learn':
        this.#gateway.learn(message.bringing);
        return say({ kind: 'learnt', id: message.id });
      case 'listen':
        return this.#listen().catch(fail);
      case 'drain':
        await this.#gateway.drain(message.ms);
        return this.stop();
    }
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    await this.#log
      .checkpoint()
      .then((checkpoint) => say({ kind: 'seen', checkpoint }))
      .catch(() => undefined); // what cannot be signed now is told by closing
    await this.#stack.disposeAsync();
    if (process.connected) process.disconnect();
    // oxlint-disable-next-line unicorn/no-process-exit -- what an embedded server of a resource still holds open is no reason to stay
    process.exit(0);
  }

  #apply(snapshot: Snapshot): void {
    this.#current = snapshot;
    this.#gateway.apply(snapshot);
  }

  #take(sent: SentSnapshot): Snapshot {
    return this.#policies.take(sent, (snapshot) => this.#apply({ ...snapshot, at: Math.max(snapshot.at, this.#current.at) }));
  }
}

/** What is replaced while the gateway runs. */
interface Kept {
  credentials: Credentials;
  signer: JwsSigner;
  rotate(credentials: Credentials): void;
}

interface Built {
  readonly stack: AsyncDisposableStack;
  readonly shared: Asking;
  readonly gateway: Gateway;
  readonly log: DecisionLog;
  readonly policies: WorkerPolicies;
  readonly keep: Kept;
  readonly address: { readonly host: string; readonly port: number };
}

async function build(start: Start): Promise<Built> {
  const stack = new AsyncDisposableStack();
  const config = shareOf(await readSameConfig(start.configFile, start.digest), start.workers);
  const now = steadyClock({
    wall: Date.now,
    monotonic: () => performance.now(),
    onSetBack: () => undefined, // the main process tells it
  });
  const data = await openDataDir(start.dataDir);
  const log = await openDecisionLog({
    dir: data.log(start.pep),
    origin: `${config.trustDomain}/log/${start.pep}`,
    signer: ed25519FromPem(start.logKey),
    ...(start.pinned === undefined ? {} : { pinned: start.pinned }),
    onFault: (fault) => notice(`x ${start.pep} ${fault.code} ${fault.message}`),
  });
  stack.defer(() => log.close());
  const listeners = new Set<(credentials: Credentials) => void>();
  const keep: Kept = {
    credentials: start.credentials,
    signer: jwsSignerFromPem(start.signer.pem, start.signer.kid),
    rotate(credentials): void {
      keep.credentials = credentials;
      for (const listener of listeners) listener(credentials);
    },
  };
  const untold: SentDecision[] = [];
  const tell = setInterval(() => untold.length > 0 && say({ kind: 'recorded', decisions: untold.splice(0) }), TELL_MS);
  stack.defer(() => clearInterval(tell));
  const shared = new Asking(say);
  const draws = new Draws();
  const policies: WorkerPolicies = createWorkerPolicies((set) => check.setPolicies(set));
  const check = new DecisionCheck({
    sample: CHECKED,
    random: () => draws.next(),
    publisher: { setPolicies: (set) => policies.replace(set), publish: () => policies.again() },
    log,
    now,
    onNotice: notice,
  });
  stack.defer(() => check.close());
  const gateway: Gateway = await buildGateway(
    {
      setting: { config, dataDir: start.dataDir, pep: start.pep, now, onNotice: (line) => notice(`${line} (${start.pep})`) },
      secrets: await vaultOf(start.secrets),
      log,
      credentials: { current: () => keep.credentials, onRotate: (listener) => void listeners.add(listener) },
      isRevoked: (run) => gateway.pep.snapshot()?.revoked.runs.has(run) ?? true,
      signer: () => keep.signer,
      stateKey: start.stateKey,
      shared,
      knownSince: start.since,
      onRecorded: ({ record, receipt, request }) => void (untold.length < MOST_UNTOLD && untold.push({ record, receipt, request })),
    },
    stack,
  );
  return { stack, shared, gateway, log, policies, keep, address: config.listen.gateway };
}

let worker: Promise<Worker> | undefined;

async function begin(start: Start): Promise<Worker> {
  try {
    return await Worker.open(start);
  } catch (error) {
    fail(error);
    throw error;
  }
}

function fail(error: unknown): void {
  const { code, message, fix } = asRefusal(error, 'CORDON-9001', 'the worker does not start');
  say({ kind: 'failed', code, message, fix });
  process.exitCode = 1;
  process.disconnect();
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined); // the main process drains its workers
process.on('message', (message) => {
  if (!isToWorker(message)) return;
  if (message.kind === 'start') {
    worker ??= begin(message.start);
    void worker.then(() => say({ kind: 'ready' })).catch(() => undefined);
    return;
  }
  void worker?.then((one) => one.hear(message)).catch(() => undefined);
});
process.once('disconnect', () => {
  process.exitCode = 1;
  void worker?.then((one) => one.stop()).catch(() => undefined); // one that did not start has nothing open, and ends by itself
});
