// `cordon demo`: the invoice desk with one poisoned invoice, behind Cordon or without. The desk lives in the repository's `examples/`
// with the SDKs of its vendors; an installed package has neither and says where to get them.
import { access, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { EXIT, Failure } from '../errors.ts';
import { wantsColor } from '../paint.ts';
import { showExamples } from '../usage.ts';

interface DemoFlags {
  readonly unprotected?: true;
  readonly inbox?: string;
  readonly data?: string;
  readonly json?: true;
  readonly color: boolean;
  readonly stay?: boolean;
}

type Tell = (event: unknown) => void;

/** What the example exports. It is no part of the package, so its types cannot be imported. */
interface DemoModule {
  readonly runDemo: (options: {
    readonly protected: boolean;
    readonly inboxDir: string;
    readonly dataDir: string;
    readonly tell: Tell;
    readonly stay: () => Promise<void>;
    readonly interrupted: AbortSignal;
  }) => Promise<boolean>;
  readonly shownOn: (screen: { readonly write: (text: string) => void; readonly colour: boolean; readonly columns: number }) => Tell;
}

const EXAMPLE = fileURLToPath(new URL('../../../examples/invoice-desk', import.meta.url));

export function demoCommand(program: Command): void {
  const command = program
    .command('demo')
    .description('a real multi-agent desk, one poisoned invoice, and what becomes of it')
    .option('--unprotected', 'run the same desk without Cordon')
    .option('--inbox <dir>', 'invoices to work through', join(EXAMPLE, 'inbox'))
    .option('--stay', 'keep everything running when the story is told; the default on a terminal')
    .option('--no-stay', 'end when the story is told')
    .action(async (_flags: unknown, called: Command) => {
      process.exitCode = await demo(called.optsWithGlobals<DemoFlags>());
    });
  showExamples(command, [
    'cordon demo                  the attacks are denied, the agent is contained, the log verifies',
    'cordon demo --unprotected    the same desk without Cordon: the money is gone',
    'cordon demo --inbox ./mine   your own invoices, poisoned or not',
    'cordon demo --json           one event a line, then the summary; ends by itself',
  ]);
}

async function demo(flags: DemoFlags): Promise<number> {
  const { runDemo, shownOn } = await loadDemo();
  const json = flags.json === true;
  const onTerminal = process.stdout.isTTY && process.stdin.isTTY;
  const stays = flags.stay ?? (onTerminal && !json);
  const dataDir = resolve(flags.data ?? join('.cordon', 'demo'));
  const write = (text: string): void => void process.stdout.write(text);
  const colour = wantsColor(process.stdout.isTTY, !flags.color, process.env);
  const tell: Tell = json ? (event) => write(`${JSON.stringify(event)}\n`) : shownOn({ write, colour, columns: columns() });
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const isProtected = flags.unprotected !== true;
  const inboxDir = await existing(resolve(flags.inbox ?? ''));
  const held = await runDemo({
    protected: isProtected,
    inboxDir,
    dataDir,
    tell,
    stay: () => (stays ? staying(interrupted.signal, write, isProtected, dataDir) : Promise.resolve()),
    interrupted: interrupted.signal,
  }).catch(refused);
  if (interrupted.signal.aborted && !stays) return EXIT.interrupted;
  return held ? EXIT.ok : EXIT.gate;
}

async function existing(inboxDir: string): Promise<string> {
  try {
    await readdir(inboxDir);
    return inboxDir;
  } catch (cause) {
    throw new Failure('usage', `no directory of invoices at \`${inboxDir}\``, { cause, fix: ['name one with `--inbox DIR`'] });
  }
}

/** @throws Failure `conflict` for a directory that the demo may not empty, anything else as it is */
function refused(error: unknown): never {
  if (!(error instanceof Error) || error.name !== 'DirectoryTaken') throw error;
  throw new Failure('conflict', error.message, {
    cause: error,
    fix: ['stop it with Ctrl-C where it runs', 'name another directory with `--data DIR`'],
  });
}

async function loadDemo(): Promise<DemoModule> {
  const main = join(EXAMPLE, 'demo', 'main.ts');
  try {
    await access(main);
  } catch {
    throw new Failure('usage', 'the demo is not part of the installed package', {
      fix: ['clone the repository, then `npm start`', 'guard your own agents: `cordon init`'],
    });
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the example is no part of the package: there is no type to import
  return (await import(pathToFileURL(main).href)) as DemoModule;
}

/** Says what to try while everything still runs; resolves on Ctrl-C. */
function staying(interrupted: AbortSignal, write: (text: string) => void, isProtected: boolean, dataDir: string): Promise<void> {
  const commands = isProtected
    ? ['why --last', 'status', 'agent list', 'off clerk --reason "try it"', 'release clerk --reason "tried"', 'audit verify', 'doctor']
    : [];
  const lines = commands.map((command) => `    ./cordon ${command} --data ${dataDir}`);
  write(`\n  ${lines.length > 0 ? `everything still runs; in another terminal:\n${lines.join('\n')}\n\n  ` : ''}stop: Ctrl-C\n`);
  return new Promise((done) => {
    if (interrupted.aborted) return done();
    interrupted.addEventListener('abort', () => done(), { once: true });
  });
}

/** Of the terminal; of `COLUMNS` where there is none. */
function columns(): number {
  const told = Number(process.env['COLUMNS'] ?? 0);
  return process.stdout.isTTY ? process.stdout.columns : told >= 40 && told <= 1000 ? told : 110;
}
