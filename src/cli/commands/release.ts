// `cordon release`: the way back from `off`, as visible as the way there.
import { Option, type Command } from 'commander';
import type { Level } from '../../domain/access.ts';
import { contextOf } from '../context.ts';
import { changeLevel } from '../levels.ts';
import { showExamples } from '../usage.ts';

interface ReleaseOptions {
  readonly reason: string;
  readonly to: Level;
}

export function releaseCommand(program: Command): void {
  const command = program
    .command('release')
    .summary('give an agent back what `off` took')
    .description('Lowers the level of an agent. Exit 8 when it is at that level already.')
    .argument('<agent>', 'name of a registered agent')
    .requiredOption('--reason <text>', 'why; it stands in the log')
    .addOption(new Option('--to <level>', 'the level after').choices(['normal', 'watched', 'restricted']).default('normal'))
    .action(async (agent: string, { reason, to }: ReleaseOptions, self: Command) => {
      await changeLevel(contextOf(self), { agent, level: to, reason, act: 'release' });
    });
  showExamples(command, [
    'cordon release researcher --reason "page removed, prompt fixed"',
    'cordon release clerk --to watched --reason "back to work, eyes on it"',
  ]);
}
