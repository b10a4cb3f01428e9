// `cordon off`: takes rights away from an agent, at once, and reports what every PEP saw.
import { Option, type Command } from 'commander';
import type { Level } from '../../domain/access.ts';
import { contextOf } from '../context.ts';
import { changeLevel } from '../levels.ts';
import { showExamples } from '../usage.ts';

interface OffOptions {
  readonly reason: string;
  readonly level: Level;
}

export function offCommand(program: Command): void {
  const command = program
    .command('off')
    .summary('take rights away from an agent, at once')
    .description(
      'Sets the level of an agent: `watched`, `restricted` (reads only) or `off` (nothing; live connections are cut).\nReports what every PEP saw. Exit 0 contained, 9 not every PEP is silent, 8 already at that level.',
    )
    .argument('<agent>', 'name of a registered agent')
    .requiredOption('--reason <text>', 'why; it stands in the log')
    .addOption(new Option('--level <level>', 'what is left to it').choices(['watched', 'restricted', 'off']).default('off'))
    .action(async (agent: string, { reason, level }: OffOptions, self: Command) => {
      await changeLevel(contextOf(self), { agent, level, reason, act: 'off' });
    });
  showExamples(command, [
    'cordon off researcher --reason "obeys a poisoned page"',
    'cordon off clerk --level restricted --reason "odd payments, being looked at"',
  ]);
}
