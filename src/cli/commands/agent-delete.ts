// `cordon agent delete`: takes an agent away, or one entry of it; what loses access with it is shown before and after.
import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import type { Paint } from '../paint.ts';
import type { ReplyOf } from '../replies.ts';
import { table } from '../table.ts';
import { plain } from '../untrusted.ts';
import { showExamples } from '../usage.ts';
import { several } from '../units.ts';

interface DeleteOptions {
  readonly reason: string;
  readonly entry?: string;
  readonly dryRun?: true;
}

export function addDelete(agent: Command): void {
  const command = agent
    .command('delete')
    .summary('take an agent away, or one of its entries')
    .description(
      'Takes away an agent that was registered over the API, with its entries; its runs end. With --entry the entry alone, and the runs that\nit let in. What stands in cordon.yaml is taken away there. --dry-run shows what would lose access.',
    )
    .argument('<name>', 'of a registered agent')
    .requiredOption('--reason <text>', 'why; it stands in the log')
    .option('--entry <id>', 'this entry alone')
    .option('--dry-run', 'say what would lose access, and change nothing')
    .action(async (name: string, { reason, entry, dryRun }: DeleteOptions, self: Command) => {
      const context = contextOf(self);
      if (entry !== undefined) {
        const { json, value } = await context.connected((client) => client.deleteEntry(name, entry, reason));
        return context.out.print(json, (paint) => entryLines(paint, value));
      }
      const { json, value } = await context.connected((client) => client.deleteAgent(name, reason, dryRun === true));
      context.out.print(json, (paint) => removalLines(paint, value));
    });
  showExamples(command, [
    'cordon agent delete clerk --reason "left the desk" --dry-run',
    'cordon agent delete clerk --entry ent_7Q2FM3XK9A --reason "host retired"',
  ]);
}

function removalLines(paint: Paint, { agent, removed, entries, runs, connections, loses }: ReplyOf<'removal'>): readonly string[] {
  const parts = [several(entries.length, 'entry', 'entries'), several(runs.length, 'live run'), several(connections, 'connection')].join(
    ', ',
  );
  return [
    removed
      ? `${paint.mark('v')} ${plain(agent)} is no agent any more; with it went ${parts}`
      : `${paint.mark('-')} ${plain(agent)} would go, and with it ${parts}`,
    loses.length === 0 ? '  it may call nothing, so nothing is lost' : `  it ${removed ? 'loses' : 'would lose'}`,
    ...table(
      loses.map(({ action, resource, access }) => [action, resource, access]),
      4,
    ),
  ];
}

const entryLines = (paint: Paint, { name, entry, runs }: ReplyOf<'entryRemoval'>): readonly string[] => [
  `${paint.mark('v')} entry ${plain(entry.id)} of ${plain(name)} is gone; ${several(runs.length, 'run')} that it let in ended`,
  ...table(
    entry.selectors.map((selector) => [selector]),
    4,
  ),
];
