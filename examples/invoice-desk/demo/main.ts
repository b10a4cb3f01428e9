// The demo: a real invoice desk, one poisoned invoice, and what becomes of the agent that obeys it, with Cordon and without.
// Everything told here happened: in other processes, over sockets, in files. Nothing is simulated but the language model.
import { randomBytes } from 'node:crypto';
import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { once } from 'node:events';
import { assess, loadInbox, startDesk, type Assessment, type DeskEvent, type DeskProcess, type Inbox, type RunningDesk } from '../desk.ts';
import { freePorts } from '../ports.ts';
import { Attacks } from './attacks.ts';
import { verifyAudit } from './audit.ts';
import { deskConfig, type DeskPorts } from './config.ts';
import { Credentials, Level, Run, Status, read, type SeenDecision } from './answers.ts';
import { operatorOf, type Operator } from './control.ts';
import { cordonUp, type CordonUp } from './cordon.ts';
import type { StoryEvent, Summary, Tell } from './story.ts';

export interface DemoOptions {
  readonly protected: boolean;
  readonly inboxDir: string;
  /** Made anew; everything the demo writes is in here. */
  readonly dataDir: string;
  readonly tell: Tell;
  /** Called when the story is told and everything still runs; the demo stops when it resolves. */
  readonly stay: () => Promise<void>;
  /** Aborted when the user wants out: what runs is stopped, nothing is left behind. */
  readonly interrupted: AbortSignal;
}

export { shownOn } from './show.ts';

const HIJACKABLE = 'clerk';

/** Tells the story. @returns whether all that Cordon promises held (protected), or whether it ran through (unprotected) */
export async function runDemo(options: DemoOptions): Promise<boolean> {
  const started = performance.now();
  const dataDir = resolve(options.dataDir);
  await freshDirectory(dataDir);
  const inbox = await loadInbox(options.inboxDir);
  options.tell({ type: 'begin', protected: options.protected, inbox: options.inboxDir, invoices: inbox.invoices.length });
  const story = new Story({ ...options, dataDir }, inbox, started);
  const interrupted = new Promise<boolean>((give) => {
    options.interrupted.addEventListener('abort', () => give(false), { once: true });
  });
  const told = options.protected ? story.withCordon() : story.without();
  try {
    return await Promise.race([told, interrupted]);
  } finally {
    await story.stop();
    await told.catch(() => undefined); // what an interruption broke off has nothing more to say
  }
}

/** The data directory is somebody else's, or in use. */
export class DirectoryTaken extends Error {
  override readonly name = 'DirectoryTaken';
}

/** Marks a directory as the demo's own, so that it and nothing else is ever emptied. */
const MARK = 'made-by-cordon-demo';

/** Empties the demo's own directory from the last time. @throws Error when it holds anything else */
async function freshDirectory(dataDir: string): Promise<void> {
  const found: readonly string[] = await readdir(dataDir).catch(() => []);
  if (found.length > 0 && !found.includes(MARK)) {
    throw new DirectoryTaken(`\`${dataDir}\` is not empty and was not made by the demo`);
  }
  const pid = await readFile(join(dataDir, 'operator', 'credentials.json'), 'utf8').then(
    (text) => read(Credentials, text).pid,
    () => undefined,
  );
  if (pid !== undefined && isRunning(pid)) {
    throw new DirectoryTaken(`a demo is running in \`${dataDir}\`, its Cordon is process ${pid}`);
  }
  await rm(dataDir, { recursive: true, force: true });
  await mkdir(join(dataDir, 'state'), { recursive: true, mode: 0o700 });
  await writeFile(join(dataDir, MARK), '');
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

class Story {
  readonly #options: DemoOptions;
  readonly #inbox: Inbox;
  readonly #started: number;
  readonly #attacks: Attacks;
  readonly #calls = { allowed: 0, denied: 0 };
  #cordon: CordonUp | undefined;
  #operator: Operator | undefined;
  #desk: RunningDesk | undefined;
  #hijacked = false;
  #mark = performance.now();

  constructor(options: DemoOptions, inbox: Inbox, started: number) {
    this.#options = options;
    this.#inbox = inbox;
    this.#started = started;
    this.#attacks = new Attacks(options.protected, (outcome) => this.#tell({ type: 'attack', ...outcome }));
  }

  #tell(event: StoryEvent): void {
    this.#options.tell(event);
  }

  #step(what: string, detail: string): void {
    const now = performance.now();
    this.#tell({ type: 'step', what, detail, ms: Math.round(now - this.#mark) });
    this.#mark = now;
  }

  async withCordon(): Promise<boolean> {
    const operator = await this.#startCordon();
    const desk = this.#need(this.#desk);
    await desk.command('orchestrator', 'run', ({ event }) => event === 'done');
    await this.#settleAttacks();
    const cutMs = await this.#contain(operator, desk);
    const auditVerified = await this.#verify(operator);
    await this.#release(operator, desk);
    const summary = await this.#summary(cutMs, auditVerified);
    await this.#options.stay();
    const { benign, attacks, stolen } = summary;
    const nothingGone = stolen.payments + stolen.mails + stolen.reads === 0;
    return benign.done === benign.total && attacks.denied === attacks.tried && nothingGone && auditVerified;
  }

  async without(): Promise<boolean> {
    const { inboxDir, dataDir } = this.#options;
    this.#desk = await startDesk({ inboxDir, stateDir: join(dataDir, 'state'), onEvent: (event) => this.#heard(event) });
    this.#step('desk', '3 agents and 3 tool servers over plain HTTP; every agent holds the keys it needs');
    await this.#desk.command('orchestrator', 'run', ({ event }) => event === 'done');
    this.#attacks.finish();
    await this.#summary(null, null);
    await this.#options.stay();
    return true;
  }

  async #startCordon(): Promise<Operator> {
    const { dataDir, inboxDir } = this.#options;
    const ledgerApiKey = randomBytes(24).toString('base64url');
    const ports = await deskPorts();
    await cp(join(import.meta.dirname, '../policies'), join(dataDir, 'policies'), { recursive: true });
    const config = join(dataDir, 'cordon.yaml');
    await writeFile(config, deskConfig(ports, this.#inbox, resolve(inboxDir), 'policies'));
    this.#cordon = await cordonUp(config, dataDir, { DESK_LEDGER_KEY: ledgerApiKey });
    this.#step('cordon up', 'trust domain desk.example: CA, control plane, gateway, audit log');
    const operator = (this.#operator = await operatorOf(dataDir));
    await operator.watch((decision) => this.#decided(decision));
    this.#desk = await startDesk({
      inboxDir,
      stateDir: join(dataDir, 'state'),
      onEvent: (event) => this.#heard(event),
      protection: { ports: ports.processes, ledgerApiKey, joinEnv: (process) => joinEnv(operator, process) },
      beforeAgents: () => this.#toolsReady(operator),
    });
    this.#step('agents', 'orchestrator, researcher, clerk: a process and an SVID each, mTLS on every call');
    return operator;
  }

  async #toolsReady(operator: Operator): Promise<void> {
    this.#step('tool servers', 'ledger, mail, payroll answer only the gateway; inbox is spawned by it');
    for (;;) {
      const status = await operator.call(Status, 'GET', '/v1/status');
      if (!status.ready) {
        await tick();
        continue;
      }
      const tools = status.resources.reduce((sum, resource) => sum + resource.tools, 0);
      return this.#step('policies', `${status.policies.count} enforce, validated against the schemas of ${tools} tools`);
    }
  }

  #heard(event: DeskEvent): void {
    if (event.event === 'invoice')
      this.#tell({ type: 'invoice', invoice: event.invoice ?? event.file ?? '', ok: event.ok === true, text: event.text ?? '' });
    if (event.event === 'thought' && !this.#hijacked) {
      this.#hijacked = true;
      this.#tell({ type: 'hijack', agent: event.at, invoice: event.invoice, says: event.text ?? '' });
    }
    this.#attacks.event(event);
  }

  #decided(decision: SeenDecision): void {
    this.#calls[decision.verdict === 'allow' ? 'allowed' : 'denied']++;
    this.#attacks.decision(decision);
  }

  /** Records arrive a moment after the refusals themselves. */
  async #settleAttacks(): Promise<void> {
    for (let tries = 0; this.#attacks.waiting > 0 && tries < 100; tries++) await tick();
    this.#attacks.finish();
  }

  async #contain(operator: Operator, desk: RunningDesk): Promise<number> {
    const ordered = performance.timeOrigin + performance.now();
    const cut = desk.event(({ at, event, state }) => at === HIJACKABLE && event === 'stream' && state === 'cut');
    const reason = this.#hijacked ? 'obeys an invoice' : 'drill';
    const off = await operator.call(Level, 'POST', `/v1/agents/${HIJACKABLE}/level`, { level: 'off', reason });
    const seen = await cut;
    const cutMs = round((seen.t ?? ordered) - ordered);
    const [pep] = off.peps;
    this.#tell({
      type: 'contained',
      agent: HIJACKABLE,
      status: off.status,
      connections: pep?.connections ?? 0,
      calls: pep?.calls ?? 0,
      gatewayMs: round(off.cutMs),
      cutMs,
      because: this.#hijacked ? 'attack' : 'drill',
    });
    await this.#probe(desk, 'off');
    return cutMs;
  }

  async #probe(desk: RunningDesk, when: 'off' | 'released'): Promise<void> {
    const seen = await desk.command(HIJACKABLE, 'probe', ({ at, because }) => at === HIJACKABLE && because === 'probe');
    this.#tell({ type: 'probe', agent: HIJACKABLE, ok: seen.ok === true, ...(seen.code === undefined ? {} : { code: seen.code }), when });
  }

  async #verify(operator: Operator): Promise<boolean> {
    const { log } = await operator.call(Status, 'GET', '/v1/status');
    const dir = join(this.#options.dataDir, 'log', 'gateway-1');
    const { result, entries, ms } = await verifyAudit(dir, log.size);
    this.#tell({ type: 'audit', result, entries, ms: round(ms), dir });
    return result === 'VERIFIED';
  }

  async #release(operator: Operator, desk: RunningDesk): Promise<void> {
    const { status } = await operator.call(Level, 'POST', `/v1/agents/${HIJACKABLE}/level`, {
      level: 'normal',
      reason: 'the invoice was removed',
    });
    this.#tell({ type: 'released', agent: HIJACKABLE, status });
    await this.#probe(desk, 'released');
  }

  async #summary(cutMs: number | null, auditVerified: boolean | null): Promise<Summary> {
    const assessment = await assess(join(this.#options.dataDir, 'state'), this.#inbox);
    const { paid, unpaid } = assessment;
    const stolen = stolenOf(assessment);
    const total = paid.length + unpaid.length;
    this.#tell({ type: 'books', paid: paid.length, total, stolen });
    const { outcomes } = this.#attacks;
    const codes: Record<string, number> = {};
    for (const { code } of outcomes) if (code !== undefined) codes[code] = (codes[code] ?? 0) + 1;
    const summary: Summary = {
      type: 'summary',
      protected: this.#options.protected,
      benign: { done: paid.length, total },
      attacks: { tried: outcomes.length, denied: outcomes.filter((outcome) => outcome.denied).length, codes },
      cutMs,
      auditVerified,
      stolen,
      calls: { ...this.#calls },
      seconds: round((performance.now() - this.#started) / 1000),
    };
    this.#tell(summary);
    return summary;
  }

  #need<T>(value: T | undefined): T {
    if (value === undefined) throw new Error('not started');
    return value;
  }

  async stop(): Promise<void> {
    await this.#desk?.stop();
    await this.#operator?.close();
    await this.#cordon?.stop();
  }
}

const stolenOf = ({ stolen }: Assessment): Summary['stolen'] => ({
  payments: stolen.payments.length,
  cents: stolen.cents,
  mails: stolen.mails.length,
  reads: stolen.reads.length,
});

const round = (value: number): number => Math.round(value * 10) / 10;

const tick = (): Promise<void> =>
  new Promise((wake) => {
    setTimeout(wake, 20);
  });

/** The launcher's part: a run of its own for each process, with a token that is good once. */
async function joinEnv(operator: Operator, { kind, name }: DeskProcess): Promise<Record<string, string>> {
  const run = await operator.call(Run, 'POST', '/v1/runs', { kind, name });
  return { CORDON_JOIN_TOKEN: run.token, CORDON_IDENTITY_URL: run.identity_url, CORDON_BUNDLE: run.bundle };
}

async function deskPorts(): Promise<DeskPorts> {
  const [gateway, control, identity] = await Promise.all([freePort(), freePort(), freePort()]);
  return { gateway, control, identity, processes: await freePorts() };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
