// `cordon blast`: how far an agent reaches, directly and through others, and who reaches it.
import { Option, type Command } from 'commander';
import type { Level } from '../../domain/access.ts';
import { blastLines } from '../blast-lines.ts';
import { contextOf } from '../context.ts';
import { patiently } from '../patience.ts';
import { showExamples } from '../usage.ts';
import { policiesIn } from './policy-diff.ts';

interface BlastOptions {
  readonly after?: Level;
  readonly draft?: string;
}

export function blastCommand(program: Command): void {
  const command = program
    .command('blast')
    .summary('show how far an agent reaches, directly and through others')
    .description(
      'Shows what an agent, or the members of a segment, may call, by themselves and through the agents that they may ask; and who reaches an\nagent, a tool, a server or a segment. `may` depends on arguments; an agent that is asked counts as one that obeys.',
    )
    .argument('<name>', 'an agent, a tool `server/tool`, a server or a segment; `segment:NAME` where names are the same')
    .addOption(
      new Option('--after <level>', 'compare with the time after that level was set').choices(['off', 'restricted', 'watched', 'normal']),
    )
    .option('--draft <policies>', 'compare with other policies: a directory of *.cedar files, or the number of a version')
    .action(async (subject: string, { after, draft }: BlastOptions, self: Command) => {
      const context = contextOf(self);
      const question = {
        subject,
        ...(after === undefined ? {} : { level: after }),
        ...(draft === undefined ? {} : { draft: await policiesIn(draft) }),
      };
      const { json, value } = await context.connected((client) => patiently(context, 'following', client.blast(question)));
      const what = [...(after === undefined ? [] : [`level ${after}`]), ...(draft === undefined ? [] : ['the draft'])].join(' and ');
      context.out.print(json, (paint) => blastLines(paint, value, what));
    });
  showExamples(command, [
    'cordon blast clerk',
    'cordon blast clerk --after off',
    'cordon blast ledger/pay_invoice',
    'cordon blast finance --draft drafts',
  ]);
}
