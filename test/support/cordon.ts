// The command `cordon` as a user runs it: a process, its output, its exit code; and a desk with a running `cordon up`.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './bed.ts';

export const ROOT = join(import.meta.dirname, '../..');
export const MAIN = join(ROOT, 'src/cli/main.ts');
/** Longer than any command takes on a busy machine; only a hang meets it. */
const HANG_MS = 60_000;

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Written to stdin, which then ends. Without it stdin is a pipe that stays open and silent: who waits for it hangs. */
  readonly input?: string;
}

const PLAIN_ENV = { NO_COLOR: '', CLICOLOR_FORCE: '', CORDON_DATA: '', CORDON_CONFIG: '' };

export function environment(env: RunOptions['env'] = {}): NodeJS.ProcessEnv {
  const all: NodeJS.ProcessEnv = { ...process.env, ...PLAIN_ENV, ...env };
  for (const [name, value] of Object.entries(all)) if (value === '') delete all[name];
  return all;
}

/** Runs `cordon` to its end. Rejects when it hangs. */
export const cordon = (args: readonly string[], options: RunOptions): Promise<Ran> => execute(process.execPath, [MAIN, ...args], options);

export async function execute(file: string, args: readonly string[], { cwd, env, input }: RunOptions): Promise<Ran> {
  const child = spawn(file, args, { cwd, env: environment(env), stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => undefined);
  if (input !== undefined) child.stdin.end(input);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const hang = setTimeout(() => child.kill('SIGKILL'), HANG_MS);
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  clearTimeout(hang);
  if (signal === 'SIGKILL') throw new Error(`\`cordon ${args.join(' ')}\` hangs after: ${stdout}${stderr}`);
  return { code, stdout, stderr };
}

export interface Desk {
  readonly dir: string;
  readonly data: string;
  readonly ports: { readonly gateway: number; readonly control: number; readonly identity: number };
  /** What `cordon up` said so far. */
  readonly said: () => string;
  up(...args: readonly string[]): Promise<ChildProcess>;
  down(signal?: NodeJS.Signals): Promise<number | null>;
  cordon(...args: readonly string[]): Promise<Ran>;
  close(): Promise<void>;
}

/** A desk as `cordon init` makes it, on free ports; not yet started. */
export async function openDesk(configure: (yaml: string) => string = (yaml) => yaml): Promise<Desk> {
  const dir = await mkdtemp(join(tmpdir(), 'cordon-cli-'));
  await cordon(['init'], { cwd: dir });
  const [gateway = 0, control = 0, identity = 0] = await freePorts(3);
  const file = join(dir, 'cordon.yaml');
  const yaml = (await readFile(file, 'utf8'))
    .replace(':8443', `:${gateway}`)
    .replace(':8444', `:${control}`)
    .replace(':8445', `:${identity}`);
  await writeFile(file, configure(yaml));
  let child: ChildProcess | undefined;
  let said = '';

  const desk: Desk = {
    dir,
    data: join(dir, '.cordon'),
    ports: { gateway, control, identity },
    said: () => said,
    async up(...args) {
      said = '';
      const started = spawn(process.execPath, [MAIN, 'up', ...args], { cwd: dir, env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
      child = started;
      for (const stream of [started.stdout, started.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
      const gone = once(started, 'exit').then(([code]) => {
        throw new Error(`\`cordon up\` ended with ${String(code)}: ${said}`);
      });
      gone.catch(() => undefined);
      const ready = async (): Promise<void> => {
        while (!/^ready|"event":"ready"/m.test(said)) await once(started.stdout, 'data');
      };
      await Promise.race([ready(), gone]);
      return started;
    },
    async down(signal = 'SIGTERM') {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
      const gone = once(child, 'exit');
      child.kill(signal);
      const [code] = (await gone) as [number | null];
      return code;
    },
    cordon: (...args) => cordon(args, { cwd: dir }),
    async close() {
      await desk.down('SIGKILL');
      await rm(dir, { recursive: true, force: true });
    },
  };
  return desk;
}
