// `cordon doctor`: checks that try what must not work as well as what must. Without a server: what can be seen from here.
import type { Command } from 'commander';
import type { Check } from '../../control/control.ts';
import { contextOf, type Context } from '../context.ts';
import { EXIT, Failure } from '../errors.ts';
import type { Paint } from '../paint.ts';
import { table } from '../table.ts';
import { showExamples } from '../usage.ts';
import { several } from '../units.ts';
import { plain } from '../untrusted.ts';

type Seen = Pick<Check, 'name' | 'ok' | 'detail'> & { readonly category: string; readonly fix?: string | undefined };

export function doctorCommand(program: Command): void {
  const command = program
    .command('doctor')
    .summary('check that Cordon protects, and what is about to fail')
    .description(
      'Checks the running Cordon, also by trying what must fail: a client without a certificate, a self-made certificate, an empty policy set, a log that was tampered with.\nWithout a server it checks configuration, data directory and log. Exit 7 on any x, 4 when only the server is missing.',
    )
    .action(async (_options: object, self: Command) => examine(contextOf(self)));
  showExamples(command, ['cordon doctor', `cordon doctor --json | jq '.checks[] | select(.ok | not)'`]);
}

async function examine(context: Context): Promise<void> {
  const reply = await context
    .connected((client) => client.doctor())
    .catch((error: unknown) => {
      if (error instanceof Failure && error.exit === 'unreachable') return error;
      throw error;
    });
  if (!(reply instanceof Failure)) {
    const { checks } = reply.value;
    context.out.print(reply.json, (paint) => render(paint, checks));
    if (checks.some(({ ok }) => !ok)) process.exitCode = EXIT.gate;
    return;
  }
  const { offlineChecks } = await import('../offline.ts');
  const checks = await offlineChecks(context.config, context.data);
  const server = `${reply.message}: gateway, certificates, policies and resources were not checked`;
  context.out.print(
    { schema: 'cordon.doctor/v1', server: 'unreachable', message: server, checks: checks.map((check) => ({ ...check })) },
    (paint) => [
      ...render(paint, checks),
      `${paint.mark('!')} ${plain(server)}`,
      ...(reply.detail.fix ?? []).map((fix) => `    fix  ${plain(fix)}`),
    ],
  );
  process.exitCode = checks.some(({ ok }) => !ok) ? EXIT.gate : EXIT.unreachable;
}

function render(paint: Paint, checks: readonly Seen[]): readonly string[] {
  const failed = checks.filter(({ ok }) => !ok);
  const names = Math.max(...checks.map(({ name }) => name.length), 0);
  const groups = [...new Set(checks.map(({ category }) => category))];
  const lines = groups.flatMap((group) => [
    paint('bold', plain(group)),
    ...checks.filter(({ category }) => category === group).flatMap((check) => checkLines(paint, check, names)),
  ]);
  const summary =
    failed.length === 0
      ? `${paint.mark('v')} ${several(checks.length, 'check')}, all passed`
      : `${paint.mark('x')} ${several(failed.length, 'check')} of ${checks.length} failed`;
  return [...lines, summary];
}

function checkLines(paint: Paint, { name, ok, detail, fix }: Seen, width: number): readonly string[] {
  const mark = ok ? 'v' : 'x';
  return [
    ...table([[[mark, () => paint.mark(mark)], name.padEnd(width), detail]]),
    ...(ok || fix === undefined ? [] : [`     fix  ${plain(fix)}`]),
  ];
}
