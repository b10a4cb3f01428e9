// `cordon run`: starts a process as an agent (or a tool server): its identity in the environment, its signals and exit code passed on.
// The join token is good once and for a minute, and goes nowhere but into the child's environment. INVARIANT I5
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { Option, type Command } from 'commander';
import type { JsonObject } from '../../domain/json.ts';
import { errorCodeOf } from '../../domain/refusal.ts';
import type { ReplyOf } from '../replies.ts';
import { contextOf, type Context } from '../context.ts';
import { asFailure, Failure } from '../errors.ts';
import { endingWith, endRun, startRun } from '../started-run.ts';
import { plain } from '../untrusted.ts';
import { showExamples } from '../usage.ts';
import { evidenceOf } from './run-evidence.ts';

interface RunOptions {
  readonly as: string;
  readonly kind: 'agent' | 'resource';
  readonly proxy?: true;
  readonly task?: string;
}

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

export function runCommand(program: Command): void {
  const command = program
    .command('run')
    .summary('start a process as an agent')
    .description(
      'Starts a process with an identity of its own: CORDON_JOIN_TOKEN, CORDON_IDENTITY_URL and CORDON_BUNDLE are in its environment, and SPIFFE_ENDPOINT_SOCKET for clients of the SPIFFE Workload API.\nEnds with its exit code, 128 + n on a signal; 125 when Cordon failed before it started, 126 not executable, 127 not found.',
    )
    .usage('--as AGENT [options] -- CMD...')
    .argument('<cmd...>', 'the command and its arguments, after `--`')
    .requiredOption('--as <name>', 'name of a registered agent or resource')
    .addOption(new Option('--kind <kind>', 'what it is').choices(['agent', 'resource']).default('agent'))
    .option('--task <text>', 'what it is started for, in your words: what `context.session` of policies goes by')
    .option(
      '--proxy',
      'for programs without mTLS: a proxy on loopback in HTTP_PROXY and HTTPS_PROXY; the gateway is http://cordon.internal',
    )
    .action(async (cmd: readonly string[], options: RunOptions, self: Command) => {
      process.exitCode = await run(contextOf(self), cmd, options);
    });
  showExamples(command, [
    'cordon run --as researcher -- python agent.py',
    'cordon run --as researcher --proxy -- python agent.py',
    'cordon run --as ledger --kind resource -- node ledger.js',
  ]);
}

async function run(context: Context, [file = '', ...args]: readonly string[], options: RunOptions): Promise<number> {
  const started = await start(context, options, await evidenceOf(file, args)).catch((error: unknown) => {
    throw endingWith(asFailure(error), 'runFailed');
  });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => endRun(context, started.run));
  const own = options.proxy === true ? await throughProxy(started, stack) : identityOf(started);
  const child = spawn(file, args, { stdio: 'inherit', env: { ...process.env, ...own, ...socketOf(started) } });
  const stop = forwardSignals(child);
  try {
    return await ended(child, () => context.out.hint(`cordon: ${options.kind} ${options.as}, run ${plain(started.run)}`));
  } catch (error) {
    throw cannotStart(error, file);
  } finally {
    stop();
  }
}

const start = (context: Context, { as, kind, task }: RunOptions, seen: JsonObject): Promise<Started> =>
  context.connected(async (client) => {
    const started = await startRun(client, { as, kind, seen, task });
    const { socket } = (await client.openSocket(started.run, process.pid)).value;
    return { ...started, socket };
  });

type Started = ReplyOf<'run'> & Pick<ReplyOf<'socket'>, 'socket'>;

const identityOf = ({ token, identity_url: url, bundle }: Started): NodeJS.ProcessEnv => ({
  CORDON_JOIN_TOKEN: token,
  CORDON_IDENTITY_URL: url,
  CORDON_BUNDLE: bundle,
});

/** A socket that is not on this machine is none; one that was inherited is that of another run. */
const socketOf = ({ socket }: Started): NodeJS.ProcessEnv => ({
  SPIFFE_ENDPOINT_SOCKET: socket !== null && existsSync(socket) ? `unix://${socket}` : undefined,
});

/** The run is this process, and the child calls through it. `stack` ends it. */
async function throughProxy(started: Started, stack: AsyncDisposableStack): Promise<NodeJS.ProcessEnv> {
  const { connect } = await import('../../sdk/index.ts'); // what it brings with it is not for runs that need none
  const cordon = await connect(identityOf(started)).catch((error: unknown) => {
    throw endingWith(asFailure(error), 'runFailed');
  });
  stack.defer(() => cordon.close());
  const { url } = await cordon.proxy();
  const proxied = Object.fromEntries(
    ['HTTP_PROXY', 'HTTPS_PROXY'].flatMap((name) => [name, name.toLowerCase()]).map((name) => [name, url]),
  );
  // what goes past the proxy goes past Cordon; Node takes the variables for its own `fetch` when it is told to
  return { ...proxied, NO_PROXY: undefined, no_proxy: undefined, NODE_USE_ENV_PROXY: '1', CORDON_GATEWAY_URL: 'http://cordon.internal' };
}

function cannotStart(error: unknown, file: string): Failure {
  const seen = errorCodeOf(error) ?? 'failed';
  const found = seen !== 'ENOENT';
  const detail = {
    observed: `\`${file}\` ${seen}`,
    fix: [found ? `make it executable: \`chmod +x ${file}\`` : 'name a command of the PATH, or a path'],
    cause: error,
  };
  const endsWith = found ? (seen === 'EACCES' ? 'notExecutable' : 'runFailed') : 'notFound';
  return new Failure('usage', found ? 'the command cannot be started' : 'the command is not found', { ...detail, endsWith });
}

/** Resolves with the exit code of the child, 128 + n when a signal ended it. */
function ended(child: ChildProcess, onStart: () => void): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('spawn', onStart);
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(signal === null ? (code ?? 0) : 128 + constants.signals[signal]));
  });
}

/** A terminal sends Ctrl-C to the whole group, the child too; what only this process gets is passed on. @returns stops forwarding */
function forwardSignals(child: ChildProcess): () => void {
  const handlers = FORWARDED.map((signal) => {
    const handler = (): void => {
      if (!FROM_TERMINAL.has(signal) || !ownsTerminal()) child.kill(signal);
    };
    process.on(signal, handler);
    return [signal, handler] as const;
  });
  return () => handlers.forEach(([signal, handler]) => process.off(signal, handler));
}

const FROM_TERMINAL: ReadonlySet<string> = new Set(['SIGINT', 'SIGQUIT']);

/** Is this process in the foreground of a terminal (proc(5), fields 5, 7 and 8)? */
function ownsTerminal(): boolean {
  try {
    const text = readFileSync('/proc/self/stat', 'utf8');
    const [, , group, , terminal, foreground] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return terminal !== '0' && group === foreground;
  } catch {
    return process.stdin.isTTY;
  }
}
