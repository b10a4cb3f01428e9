// A running desk, behind Cordon or without protection, and the way to tell it what to do.
import { assess, type Assessment } from './assess.ts';
import { Children, type JoinEnv } from './children.ts';
import { loadInbox } from './documents/inbox.ts';
import type { DeskEvent } from './events.ts';
import { freePorts } from './ports.ts';
import { processes, type DeskProcess, type ProcessName } from './processes.ts';
import { seed } from './servers/state.ts';

/** What it takes to start the desk behind Cordon. */
export interface Protection {
  readonly ports: Readonly<Record<ProcessName, number>>;
  readonly ledgerApiKey: string;
  /** The environment that lets one process join: a fresh single-use token. */
  readonly joinEnv: JoinEnv<DeskProcess>;
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
  const desk = new Children<DeskProcess>(onEvent, protection?.joinEnv);
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
