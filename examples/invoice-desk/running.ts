// A running desk, behind Cordon or without protection: its processes, what they say, and the way to tell them what to do. Each is stopped by its own pid.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { assess, type Assessment } from './assess.ts';
import { loadInbox } from './documents/inbox.ts';
import type { DeskEvent } from './events.ts';
import { freePorts } from './ports.ts';
import { processes, type DeskProcess, type ProcessName } from './processes.ts';
import { seed } from './servers/state.ts';

const STOP_MS = 5_000;
const INHERITED = ['PATH', 'HOME', 'SystemRoot', 'TEMP', 'TMP', 'NODE_V8_COVERAGE', 'NODE_COMPILE_CACHE', 'NODE_EXTRA_CA_CERTS'];

/** What it takes to start the desk behind Cordon. */
export interface Protection {
  readonly ports: Readonly<Record<ProcessName, number>>;
  readonly ledgerApiKey: string;
  /** The environment that lets one process join: a fresh single-use token. */
  readonly joinEnv: (process: DeskProcess) => Promise<Readonly<Record<string, string>>>;
}

export interface RunOptions {
  readonly inboxDir: string;
  readonly stateDir: string;
  readonly onEvent?: (event: DeskEvent) => void;
  /** Absent: plain HTTP, every agent for itself. */
  readonly protection?: Protection;
  /** Runs when the tool servers are up and before the agents start. */
  readonly beforeAgents?: () => Promise<void>;
}

export interface RunResult {
  /** What was said during this run. */
  readonly events: readonly DeskEvent[];
  readonly assessment: Assessment;
}

export interface RunningDesk {
  /** Opens fresh books, lets the orchestrator work through the inbox as it is now, and looks at the files. */
  run(): Promise<RunResult>;
  /** Gives a command and waits for the first event after it for which `test` holds. @throws Error when a process fails first */
  command(name: ProcessName, what: string, test: (event: DeskEvent) => boolean): Promise<DeskEvent>;
  /** Asks each process to stop and kills the one that does not. @returns exit codes by process */
  stop(): Promise<Readonly<Record<string, number | null>>>;
  /** The first event so far or from now on for which `test` holds. */
  event(test: (event: DeskEvent) => boolean): Promise<DeskEvent>;
}

/** Starts every process; tool servers first. @throws Error when the inbox cannot be read or a process does not come up */
export async function startDesk({
  inboxDir,
  stateDir,
  onEvent = () => undefined,
  protection,
  beforeAgents,
}: RunOptions): Promise<RunningDesk> {
  await seed(stateDir, (await loadInbox(inboxDir)).vendors);
  const all = processes(protection === undefined ? 'unprotected' : 'protected', {
    inboxDir,
    stateDir,
    ports: protection?.ports ?? (await freePorts()),
    ledgerApiKey: protection?.ledgerApiKey ?? 'key-of-the-demo-ledger',
    env: process.env,
  });
  const desk = new Children(onEvent, protection?.joinEnv);
  try {
    await desk.start(all.filter(({ kind }) => kind === 'resource'));
    await beforeAgents?.();
    await desk.start(all.filter(({ kind }) => kind === 'agent'));
    await desk.event(({ at, event }) => at === 'clerk' && event === 'stream');
  } catch (error) {
    await desk.stop();
    throw error;
  }
  const command: RunningDesk['command'] = (name, what, test) => {
    const from = desk.events.length;
    desk.tell(name, what);
    return desk.event(test, from);
  };
  return {
    command,
    run: async () => {
      const inbox = await loadInbox(inboxDir);
      await seed(stateDir, inbox.vendors);
      const from = desk.events.length;
      await command('orchestrator', 'run', ({ event }) => event === 'done');
      return { events: desk.events.slice(from), assessment: await assess(stateDir, inbox) };
    },
    stop: () => desk.stop(),
    event: (test) => desk.event(test),
  };
}

class Children {
  readonly events: DeskEvent[] = [];
  readonly #exits: Record<string, number | null> = {};
  readonly #children = new Map<string, ChildProcess>();
  readonly #waiting = new Set<() => void>();
  readonly #onEvent: (event: DeskEvent) => void;
  readonly #joinEnv: Protection['joinEnv'];

  constructor(onEvent: (event: DeskEvent) => void, joinEnv: Protection['joinEnv'] = () => Promise.resolve({})) {
    this.#onEvent = onEvent;
    this.#joinEnv = joinEnv;
  }

  async start(wanted: readonly DeskProcess[]): Promise<void> {
    for (const one of wanted) this.#spawn({ ...one, env: { ...one.env, ...(await this.#joinEnv(one)) } });
    await Promise.all(wanted.map(({ name }) => this.event(({ at, event }) => at === name && event === 'ready')));
  }

  #spawn({ name, command: [file = '', ...args], env }: DeskProcess): void {
    const child = spawn(file, args, { env: { ...inherited(), ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#children.set(name, child);
    child.stdin.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event: unknown = JSON.parse(line);
      if (isEvent(event)) this.#take(event);
    });
    child.on('exit', (code) => {
      this.#exits[name] = code;
      this.#take({ at: name, event: 'exit', ok: code === 0, text: `exit code ${code}` });
    });
  }

  #take(event: DeskEvent): void {
    this.events.push(event);
    this.#onEvent(event);
    for (const wake of this.#waiting) wake();
  }

  tell(name: ProcessName, what: string): void {
    this.#children.get(name)?.stdin?.write(`${JSON.stringify({ do: what })}\n`);
  }

  async event(test: (event: DeskEvent) => boolean, from = 0): Promise<DeskEvent> {
    for (let seen = from; ;) {
      const found = this.events.slice(seen).find(test);
      if (found !== undefined) return found;
      const ended = this.events.find(({ event, ok }) => event === 'exit' && ok !== true);
      if (ended !== undefined) throw new Error(`${ended.at} ended early: ${ended.text ?? ''}`);
      seen = this.events.length;
      await this.#next();
    }
  }

  #next(): Promise<void> {
    return new Promise((wake) => {
      const woken = (): void => {
        this.#waiting.delete(woken);
        wake();
      };
      this.#waiting.add(woken);
    });
  }

  async stop(): Promise<Readonly<Record<string, number | null>>> {
    await Promise.all([...this.#children.values()].map(stopChild));
    return this.#exits;
  }
}

const isEvent = (value: unknown): value is DeskEvent => typeof value === 'object' && value !== null && 'at' in value && 'event' in value;

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.stdin?.end(`${JSON.stringify({ do: 'stop' })}\n`);
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await gone;
  clearTimeout(timer);
}

const inherited = (): Record<string, string> =>
  Object.fromEntries(INHERITED.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name] ?? '']])));
