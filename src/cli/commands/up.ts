// `cordon up`: runs Cordon until it is told to stop. The first Ctrl-C closes what is open, the second one ends at once.
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { contextOf, type Context } from '../context.ts';
import { EXIT, Failure } from '../errors.ts';
import { createReport, watchStart } from '../start-report.ts';
import { showExamples } from '../usage.ts';

export function upCommand(program: Command): void {
  const command = program
    .command('up')
    .summary('run Cordon')
    .description(
      'Runs control plane and gateway of one cordon.yaml until Ctrl-C; a second Ctrl-C ends at once (130).\nWith --json one event a line.',
    )
    .option('--workers <n>', 'processes that carry calls out, each with a log of its own; `auto`: one for each core', '1')
    .action(async ({ workers }: { workers: string }, self: Command) => run(contextOf(self), workersOf(workers)));
  showExamples(command, [
    'cordon up',
    'cordon up --config desk/cordon.yaml --data /var/lib/cordon',
    'cordon up --workers auto',
    'cordon up --json',
  ]);
}

const MOST_WORKERS = 64;

/** One is this process itself. @throws Failure */
function workersOf(text: string): number {
  const count = text === 'auto' ? availableParallelism() : Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= MOST_WORKERS) return count;
  throw new Failure('usage', `\`--workers\` is a number from 1 to ${MOST_WORKERS}, or \`auto\``, {
    observed: text,
    fix: ['cordon up --workers auto'],
  });
}

async function run(context: Context, workers: number): Promise<void> {
  const report = createReport(context);
  const stop = stopSignal(() => report.stopping());
  const { readConfig } = await import('../../server/config.ts');
  const config = await readConfig(context.config);
  report.configured(context.config, config);
  const { up } = await import('../../server/up.ts');
  const running = await up({
    config,
    dataDir: context.data,
    onNotice: (line) => report.notice(line),
    ...(workers === 1 ? {} : { workers: { count: workers, configFile: context.config } }),
  }).catch(async (error: unknown) => {
    throw (await alreadyRunning(context)) ?? error;
  });
  try {
    report.listening(running.control, running.data.root);
    await watchStart(report, running.control, stop);
  } finally {
    await running.close();
  }
  report.stopped();
  // what an embedded server of a resource may still hold open is no reason to stay
  process.exit(EXIT.ok);
}

/** Aborted by the first signal; the second one ends the process. */
function stopSignal(onFirst: () => void): AbortSignal {
  const stop = new AbortController();
  const handler = (): void => {
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    onFirst();
    stop.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, handler);
  return stop.signal;
}

/** A start that fails because another Cordon has this data directory says so, and not which file was locked. */
async function alreadyRunning(context: Context): Promise<Failure | undefined> {
  const other = await context.connected((client) => client.status()).catch(() => undefined);
  if (other === undefined) return undefined;
  return new Failure('conflict', `a Cordon runs on the data directory \`${context.data}\` already`, {
    observed: `trust domain \`${other.value.trustDomain}\`, gateway ${other.value.gateway.url}`,
    fix: ['see it: `cordon status`', 'start this one elsewhere: `--data DIR`, and other ports in cordon.yaml'],
  });
}
