// Runs the desk once without protection: starts every process, lets the orchestrator work, prints the events and what the files say.
// `node examples/invoice-desk/run.ts [--inbox DIR] [--state DIR]`; NDJSON on stdout, the last line is the assessment.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import {
  assess,
  loadInbox,
  processes,
  seed,
  type Assessment,
  type DeskEvent,
  type DeskProcess,
  type ProcessName,
} from './desk.ts';
import { DEFAULT_PORTS } from './processes.ts';

const STOP_MS = 5_000;

export interface RunOptions {
  readonly inboxDir: string;
  readonly stateDir: string;
  readonly onEvent?: (event: DeskEvent) => void;
  /** Runs once the orchestrator is done and before anything is stopped. */
  readonly afterwards?: (desk: RunningDesk) => Promise<void>;
}

export interface RunningDesk {
  readonly events: readonly DeskEvent[];
  command(name: ProcessName, what: string): void;
  /** The next event, from those seen already on, for which `test` holds. @throws Error when a process ends first */
  event(test: (event: DeskEvent) => boolean): Promise<DeskEvent>;
}

export interface RunResult {
  readonly events: readonly DeskEvent[];
  readonly assessment: Assessment;
  /** Exit codes by process; all 0 when all went well. */
  readonly exits: Readonly<Record<string, number | null>>;
}

export async function runDesk({
  inboxDir,
  stateDir,
  onEvent = () => undefined,
  afterwards,
}: RunOptions): Promise<RunResult> {
  const inbox = await loadInbox(inboxDir);
  await seed(stateDir, inbox.vendors);
  const ports = await freePorts();
  const all = processes('unprotected', {
    inboxDir,
    stateDir,
    ports,
    ledgerApiKey: 'ledger-key-of-the-demo',
    env: process.env,
  });
  const desk = new Desk(onEvent);
  try {
    await desk.start(all.filter(({ kind }) => kind === 'resource'));
    await desk.start(all.filter(({ kind }) => kind === 'agent'));
    await desk.event(({ at, event, state }) => at === 'clerk' && event === 'stream' && state !== undefined);
    desk.command('orchestrator', 'run');
    await desk.event(({ event }) => event === 'done');
    await afterwards?.(desk);
  } finally {
    await desk.stop();
  }
  return { events: desk.events, assessment: await assess(stateDir, inbox), exits: desk.exits };
}

class Desk implements RunningDesk {
  readonly events: DeskEvent[] = [];
  readonly exits: Record<string, number | null> = {};
  readonly #children = new Map<string, ChildProcess>();
  readonly #waiting = new Set<() => void>();
  readonly #onEvent: (event: DeskEvent) => void;
  #stopping = false;

  constructor(onEvent: (event: DeskEvent) => void) {
    this.#onEvent = onEvent;
  }

  async start(wanted: readonly DeskProcess[]): Promise<void> {
    for (const { name, command, env } of wanted) this.#spawn(name, command, env);
    await Promise.all(wanted.map(({ name }) => this.event(({ at, event }) => at === name && event === 'ready')));
  }

  #spawn(name: string, [file = '', ...args]: readonly string[], env: Readonly<Record<string, string>>): void {
    const child = spawn(file, args, { env: { ...inherited(), ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#children.set(name, child);
    child.stdin.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event: unknown = JSON.parse(line);
      if (isEvent(event)) this.#take(event);
    });
    child.on('exit', (code) => {
      this.exits[name] = code;
      this.#take({ at: name, event: 'exit', ok: code === 0, text: `exit code ${code}` });
    });
  }

  #take(event: DeskEvent): void {
    this.events.push(event);
    this.#onEvent(event);
    for (const wake of this.#waiting) wake();
  }

  command(name: ProcessName, what: string): void {
    this.#children.get(name)?.stdin?.write(`${JSON.stringify({ do: what })}\n`);
  }

  async event(test: (event: DeskEvent) => boolean): Promise<DeskEvent> {
    for (let seen = 0; ;) {
      const found = this.events.slice(seen).find(test);
      if (found !== undefined) return found;
      const ended = this.events.find(({ event }) => event === 'exit');
      if (ended !== undefined && !this.#stopping) throw new Error(`${ended.at} ended early: ${ended.text ?? ''}`);
      seen = this.events.length;
      await new Promise<void>((wake) => {
        const woken = (): void => {
          this.#waiting.delete(woken);
          wake();
        };
        this.#waiting.add(woken);
      });
    }
  }

  /** Asks each process to stop; one that does not is killed, by its own pid. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#children.values()].map(stopChild));
  }
}

const isEvent = (value: unknown): value is DeskEvent =>
  typeof value === 'object' && value !== null && 'at' in value && 'event' in value;

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.stdin?.end(`${JSON.stringify({ do: 'stop' })}\n`);
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await gone;
  clearTimeout(timer);
}

const inherited = (): Record<string, string> =>
  Object.fromEntries(
    [
      'PATH',
      'HOME',
      'SystemRoot',
      'TEMP',
      'TMP',
      'NODE_V8_COVERAGE',
      'NODE_COMPILE_CACHE',
      'NODE_EXTRA_CA_CERTS',
    ].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );

/** Below the range that outgoing connections take their ports from. */
async function freePorts(): Promise<Record<ProcessName, number>> {
  const ports = { ...DEFAULT_PORTS };
  const taken = new Set<number>();
  for (const name of Object.keys(ports)) {
    let port = 0;
    do port = 20_000 + Math.floor(Math.random() * 10_000);
    while (taken.has(port) || !(await isFree(port)));
    taken.add(port);
    Object.assign(ports, { [name]: port });
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const free = await new Promise<boolean>((answer) => {
    server.once('error', () => answer(false));
    server.listen(port, '127.0.0.1', () => answer(true));
  });
  server.close();
  return free;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { inbox: { type: 'string' }, state: { type: 'string' } } });
  const stateDir = values.state ?? (await mkdtemp(join(tmpdir(), 'invoice-desk-')));
  const print = (event: DeskEvent): void => console.log(JSON.stringify(event));
  try {
    const { assessment } = await runDesk({
      inboxDir: resolve(values.inbox ?? join(import.meta.dirname, 'inbox')),
      stateDir,
      onEvent: print,
    });
    print({ at: 'desk', event: 'assessment', ...assessment });
  } finally {
    if (values.state === undefined) await rm(stateDir, { recursive: true, force: true });
  }
}

if (import.meta.main) await main();
