// The workers of a Cordon, as the main process has them: started, told of every change, asked what they saw, and started again when one dies.
import { fork, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { recordAct } from '../../control/acts.ts';
import type { DecisionIndex } from '../../control/decisions.ts';
import type { ContainmentRules } from '../../control/containment-rules.ts';
import type { GrantDesk } from '../../control/grants.ts';
import type { Observed, Publisher } from '../../control/publisher.ts';
import { Refusal, asRefusal, errorTextOf } from '../../domain/refusal.ts';
import type { Target } from '../../domain/revocation.ts';
import { createSharedCounts } from '../../gateway/shared-counts.ts';
import { createSharedSessions, type SharedSessions } from '../../gateway/shared-sessions.ts';
import { createTaskLabels, type Bringing, type TaskLabels } from '../../gateway/task-labels.ts';
import { within } from '../../gateway/waiting.ts';
import type { Snapshot } from '../../pdp/snapshot.ts';
import type { Identities } from '../identities.ts';
import type { Rotation } from '../rotation.ts';
import type { Setting } from '../setting.ts';
import { logOf, seeLog, type State } from '../state.ts';
import { isFromWorker, sendable, type FromWorker, type Start, type ToWorker, type WorkerState } from './messages.ts';
import { digestOfConfig } from './same-config.ts';

export interface PoolParts {
  readonly setting: Setting & { readonly workers: NonNullable<Setting['workers']> };
  readonly state: State;
  readonly publisher: Publisher;
  readonly identities: Identities;
  readonly decisions: DecisionIndex;
  readonly grants: GrantDesk;
  readonly rules: ContainmentRules;
  /** The secrets of upstreams. */
  readonly secrets: () => Promise<ReadonlyMap<string, string>>;
}

export interface WorkerView extends WorkerState {
  readonly pep: string;
  readonly pid: number;
}

export interface WorkerPool {
  /** Starts them all. @throws Refusal why one did not; then none runs */
  start(): Promise<void>;
  readonly workers: () => readonly WorkerView[];
  /** Decisions that were told of so far. */
  readonly heard: () => number;
  /** Lets what is open end within `ms` milliseconds, and ends them. */
  drain(ms: number): Promise<void>;
}

/** Milliseconds. */
const OBSERVE_MS = 5_000;
/** Less than a worker waits for its answer. */
const LEARN_MS = 1_500;
const FIRST_RESTART = 100;
const LAST_RESTART = 5_000;
const STEADY_MS = 10_000;
const LAST_MS = 5_000;

export function createWorkerPool(parts: PoolParts): WorkerPool {
  assertCountable(parts.setting);
  const { now } = parts.setting;
  const sessions = createSharedSessions({ snapshot: parts.publisher.current, now });
  const since = now();
  const labels = createTaskLabels({ now, since });
  const shared: Shared = {
    counts: createSharedCounts(now),
    sessions,
    since,
    labels,
    heard: 0,
    learn: (bringing) => learnAll(pool, bringing),
  };
  const pool: readonly Supervised[] = Array.from(
    { length: parts.setting.workers.count },
    (_, n) => new Supervised(`gateway-${n + 2}`, parts, shared),
  );
  for (const one of pool) parts.publisher.attach(one);
  return {
    async start(): Promise<void> {
      await assertFree(parts.setting);
      await Promise.all(pool.map((one) => one.start())).catch(async (error: unknown) => {
        await Promise.all(pool.map((one) => one.drain(0)));
        throw error;
      });
    },
    workers: () => pool.flatMap((one) => one.view() ?? []),
    heard: () => shared.heard,
    drain: async (ms) => void (await Promise.all(pool.map((one) => one.drain(ms)))),
  };
}

/** A data plane that is not Cordon's own asks the main process, which would count by itself what may happen once. @throws Refusal CORDON-9006 */
function assertCountable({ config: { dataPlanes, resources } }: Setting): void {
  const intercepted = resources.find(({ upstream }) => upstream.kind === 'egress' && upstream.intercept);
  if (intercepted !== undefined) {
    throw new Refusal('CORDON-9006', `with workers, \`${intercepted.name}\` cannot be intercepted: its key stays in the main process`, {
      fix: 'start Cordon with one worker, or without `intercept`',
    });
  }
  const [plane] = dataPlanes;
  if (plane === undefined) return;
  throw new Refusal('CORDON-9006', `with workers, the data plane \`${plane.name}\` cannot be served`, {
    fix: 'start Cordon with one worker, or without `dataPlanes`',
  });
}

/** Processes that share a port do not notice another program on it. @throws Refusal CORDON-9006 */
async function assertFree({ config }: Setting): Promise<void> {
  const { host, port } = config.listen.gateway;
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', (cause) => reject(new Refusal('CORDON-9006', `cannot listen on \`${host}:${port}\``, { cause })));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()));
  });
}

/** Whether all of them know it. */
const learnAll = async (pool: readonly Supervised[], bringing: Bringing): Promise<boolean> =>
  (await Promise.all(pool.map((one) => one.learn(bringing)))).every(Boolean);

/** What the workers have in common. */
interface Shared {
  readonly counts: ReturnType<typeof createSharedCounts>;
  readonly sessions: SharedSessions;
  /** Since when runs and tasks are known. Unix milliseconds. */
  readonly since: number;
  readonly labels: TaskLabels;
  readonly learn: (bringing: Bringing) => Promise<boolean>;
  heard: number;
}

/** One worker, and those that take its place. */
class Supervised {
  readonly id: string;
  readonly #parts: PoolParts;
  readonly #shared: Shared;
  readonly #asked = new Map<number, (observed: Observed | undefined) => void>();
  readonly #learning = new Map<number, () => void>();
  #credentials: Rotation | undefined;
  #isReady = false;
  #child: ChildProcess | undefined;
  #state: WorkerState | undefined;
  #nextId = 1;
  #sent = 0;
  #wait = FIRST_RESTART;
  #stopping = false;
  #ended: Promise<void> = Promise.resolve();

  constructor(id: string, parts: PoolParts, shared: Shared) {
    this.id = id;
    this.#parts = parts;
    this.#shared = shared;
  }

  view(): WorkerView | undefined {
    const [state, pid] = [this.#state, this.#child?.pid];
    return state === undefined || pid === undefined ? undefined : { ...state, pep: this.id, pid };
  }

  apply(snapshot: Snapshot): void {
    if (snapshot.version === this.#sent) this.#say({ kind: 'alive', version: snapshot.version, at: snapshot.at });
    else this.#say({ kind: 'snapshot', snapshot: this.#sendable(snapshot) });
    this.#sent = snapshot.version;
  }

  /** What it saw, timed from here; of one that does not answer nothing was seen. One that is not there has nothing open. INVARIANT I6 */
  async contain(snapshot: Snapshot, target: Target, since: number): Promise<Observed | undefined> {
    if (this.#child === undefined || this.#state === undefined) {
      this.apply(snapshot); // for one that is starting
      return undefined;
    }
    const id = this.#nextId++;
    let observed: Observed | undefined;
    const answered = new Promise<void>((resolve) => {
      this.#asked.set(id, (seen) => {
        observed = seen;
        resolve();
      });
    });
    this.#say({ kind: 'contain', id, snapshot: this.#sendable(snapshot), target });
    this.#sent = snapshot.version;
    await within(OBSERVE_MS, answered);
    this.#asked.delete(id);
    const silentMs = performance.now() - since;
    return observed === undefined
      ? { pep: this.id, connections: 0, calls: 0, remaining: 0, silentMs, unobserved: true }
      : { ...observed, silentMs };
  }

  /**
   * Whether it knows what a run has brought in, and has cut what is no longer allowed. One that is not there has nothing open; one that is not
   * ready yet has heard it before it listens. INVARIANT I6
   */
  async learn(bringing: Bringing): Promise<boolean> {
    const id = this.#nextId++;
    let isLearnt = !this.#isReady;
    const learnt = Promise.withResolvers<void>();
    this.#learning.set(id, () => {
      isLearnt = true;
      learnt.resolve();
    });
    this.#say({ kind: 'learn', id, bringing });
    if (!isLearnt) await within(LEARN_MS, learnt.promise);
    this.#learning.delete(id);
    return isLearnt;
  }

  /** @throws Refusal why it does not start */
  async start(): Promise<void> {
    const { identities, state } = this.#parts;
    if (this.#credentials === undefined) {
      this.#credentials = await identities.gatewayOf(this.id);
      this.#credentials.onRotate((credentials) => this.#say({ kind: 'credentials', credentials }));
      state.authority.onChange((use) => use === 'sts' && this.#say({ kind: 'signer', signer: state.authority.sts.handOut() }));
    }
    await this.#begin(await this.#startOf(this.#credentials));
  }

  async drain(ms: number): Promise<void> {
    this.#stopping = true;
    this.#say({ kind: 'drain', ms });
    await within(ms + LAST_MS, this.#ended);
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }

  #begin(beginning: Omit<Start, 'labels'>): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = fork(new URL('./worker.ts', import.meta.url), {
        serialization: 'advanced',
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      });
      const startedAt = performance.now();
      let why = new Refusal('CORDON-9001', `\`${this.id}\` ended before it listened`);
      this.#child = child;
      this.#ended = new Promise((gone) => {
        child.once('exit', (code, signal) => {
          if (this.#child === child) this.#child = undefined;
          const wasListening = this.#state !== undefined;
          this.#gone();
          gone();
          if (wasListening) this.#again(signal ?? `exit code ${code ?? ''}`, performance.now() - startedAt);
          else reject(why);
        });
      });
      child.on('error', () => undefined); // a message that could not be sent: it is gone, or will be
      child.on('message', (message) => {
        if (!isFromWorker(message)) return;
        if (message.kind === 'failed') why = new Refusal(message.code, `\`${this.id}\`: ${message.message}`, { fix: message.fix });
        if (message.kind === 'listening') resolve();
        this.#hear(message);
      });
      const start: Start = { ...beginning, labels: this.#shared.labels.list() };
      this.#sent = start.snapshot.version;
      child.send({ kind: 'start', start } satisfies ToWorker, () => undefined);
      this.apply(this.#parts.publisher.current()); // what was published since the start was put together
    });
  }

  #gone(): void {
    this.#state = undefined;
    this.#isReady = false;
    for (const learnt of this.#learning.values()) learnt();
    for (const answer of this.#asked.values()) answer(undefined);
  }

  /** It ended though nobody asked it to: its log is recovered by the one that takes its place. */
  #again(how: string, ranMs: number): void {
    if (this.#stopping) return;
    const { setting, state } = this.#parts;
    setting.onNotice(`! ${this.id} has ended (${how}): it is started again`);
    try {
      recordAct({ log: state.log, now: setting.now }, { actor: 'cordon', act: 'worker.restart', target: this.id, detail: { ended: how } });
    } catch {
      // a log that cannot record is told of elsewhere
    }
    this.#wait = ranMs > STEADY_MS ? FIRST_RESTART : Math.min(LAST_RESTART, this.#wait * 2);
    this.#restartIn(this.#wait);
  }

  #restartIn(ms: number): void {
    setTimeout(() => {
      if (this.#stopping) return;
      this.start().catch((error: unknown) => {
        this.#parts.setting.onNotice(`x ${this.id} does not start: ${errorTextOf(error)}`);
        this.#restartIn(LAST_RESTART);
      });
    }, ms).unref();
  }

  async #startOf(credentials: Rotation): Promise<Omit<Start, 'labels'>> {
    const { setting, state, publisher, secrets } = this.#parts;
    const { key, pinned } = await logOf(state, this.id);
    return {
      pep: this.id,
      configFile: setting.workers.configFile,
      digest: digestOfConfig(setting.config),
      dataDir: setting.dataDir,
      workers: setting.workers.count,
      secrets: await secrets(),
      logKey: key,
      pinned,
      credentials: credentials.current(),
      signer: state.authority.sts.handOut(),
      stateKey: this.#parts.state.stateKey,
      snapshot: this.#sendable(publisher.current()),
      since: this.#shared.since,
    };
  }

  #sendable(snapshot: Snapshot): ReturnType<typeof sendable> {
    return sendable(snapshot, this.#parts.state.authority.sts.jwks());
  }

  #say(message: ToWorker): void {
    if (this.#child?.connected === true) this.#child.send(message, () => undefined);
  }

  #hear(message: FromWorker): void {
    const { setting, state, decisions, grants, rules } = this.#parts;
    switch (message.kind) {
      case 'listening':
      case 'state':
        this.#state = message.state;
        return;
      case 'failed':
        return;
      case 'recorded':
        for (const decision of message.decisions) {
          // in the order in which they were heard of, among those of all logs; each log numbers its own
          decisions.add({ ...decision, receipt: { ...decision.receipt, seq: state.log.size + this.#shared.heard++ } });
          grants.note(decision);
          rules.note(decision);
        }
        return;
      case 'observed':
        return this.#asked.get(message.id)?.(message.observed);
      case 'take':
        return this.#say({ kind: 'taken', id: message.id, before: this.#take(message.what) });
      case 'give':
        return this.#shared.counts.giveBack(message.what);
      case 'ready':
        this.#isReady = true;
        return this.#say({ kind: 'listen' });
      case 'bring':
        return void this.#bring(message.bringing).then((own) => this.#say({ kind: 'brought', id: message.id, own }));
      case 'learnt':
        return this.#learning.get(message.id)?.();
      case 'count':
        return this.#say({ kind: 'counted', id: message.id, before: this.#shared.sessions.count(message.made) });
      case 'uncount':
        return this.#shared.sessions.uncount(message.made);
      case 'seen':
        void seeLog(state, this.id, message.checkpoint).catch((error: unknown) => setting.onNotice(`! ${this.id}: ${errorTextOf(error)}`));
        return;
      case 'notice':
        return setting.onNotice(message.line);
    }
  }

  /** Held here first, so that a worker that begins meanwhile begins with it. */
  async #bring(bringing: Bringing): Promise<Extract<ToWorker, { readonly kind: 'brought' }>['own']> {
    try {
      const { own } = this.#shared.labels.bring(bringing, this.#parts.publisher.current());
      if (await this.#shared.learn(bringing)) return own;
      return { code: 'CORDON-9012', message: 'not every worker answers' };
    } catch (error) {
      const { code, message } = asRefusal(error, 'CORDON-9001', 'the main process failed');
      return { code, message };
    }
  }

  #take(what: Parameters<Shared['counts']['take']>[0]): number | undefined {
    try {
      return this.#shared.counts.take(what);
    } catch {
      return undefined; // there are more than can be counted: refused
    }
  }
}
