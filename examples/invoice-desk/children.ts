// The processes of a desk: what they say, and the way to tell them what to do. Each is stopped by its own pid.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { DeskEvent } from './events.ts';

const STOP_MS = 5_000;
const INHERITED = ['PATH', 'HOME', 'SystemRoot', 'TEMP', 'TMP', 'NODE_V8_COVERAGE', 'NODE_COMPILE_CACHE', 'NODE_EXTRA_CA_CERTS'];

/** What is started: a process that says NDJSON on stdout, see `events.ts`. */
export interface Started {
  readonly name: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The environment that lets one process join: a fresh single-use token. */
export type JoinEnv<P extends Started> = (process: P) => Promise<Readonly<Record<string, string>>>;

export class Children<P extends Started> {
  readonly events: DeskEvent[] = [];
  readonly #exits: Record<string, number | null> = {};
  readonly #children = new Map<string, ChildProcess>();
  readonly #waiting = new Set<() => void>();
  readonly #onEvent: (event: DeskEvent) => void;
  readonly #joinEnv: JoinEnv<P>;

  constructor(onEvent: (event: DeskEvent) => void, joinEnv: JoinEnv<P> = () => Promise.resolve({})) {
    this.#onEvent = onEvent;
    this.#joinEnv = joinEnv;
  }

  async start(wanted: readonly P[]): Promise<void> {
    for (const one of wanted) this.#spawn({ ...one, env: { ...one.env, ...(await this.#joinEnv(one)) } });
    await Promise.all(wanted.map(({ name }) => this.event(({ at, event }) => at === name && event === 'ready')));
  }

  #spawn({ name, command: [file = '', ...args], env }: Started): void {
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

  tell(name: string, what: string): void {
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
