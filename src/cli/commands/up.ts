// `cordon up`: runs Cordon until it is told to stop. The first Ctrl-C closes what is open, the second one ends at once.
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
    .action(async (_options: object, self: Command) => run(contextOf(self)));
  showExamples(command, ['cordon up', 'cordon up --config desk/cordon.yaml --data /var/lib/cordon', 'cordon up --json']);
}

async function run(context: Context): Promise<void> {
  const report = createReport(context);
  const stop = stopSignal(() => report.stopping());
  const { readConfig } = await import('../../server/config.ts');
  const config = await readConfig(context.config);
  report.configured(context.config, config);
  const { up } = await import('../../server/up.ts');
  const running = await up({ config, dataDir: context.data, onNotice: (line) => report.notice(line) }).catch(async (error: unknown) => {
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
