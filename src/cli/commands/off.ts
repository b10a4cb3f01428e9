// `cordon off`: takes rights away from an agent, or everything from one run of it, at once, and reports what every PEP saw.
import { Option, type Command } from 'commander';
import type { Level } from '../../domain/access.ts';
import { contextOf } from '../context.ts';
import { Failure } from '../errors.ts';
import { changeLevel } from '../levels.ts';
import { revokeAndTell } from '../revoked.ts';
import { askerOf } from '../stakes.ts';
import { showExamples } from '../usage.ts';

interface OffOptions {
  readonly reason: string;
  readonly level: Level;
  readonly run?: string;
  readonly yes?: boolean;
}

export function offCommand(program: Command): void {
  const command = program
    .command('off')
    .summary('take rights away from an agent or a run, at once')
    .description(
      'Sets the level of an agent: `watched`, `restricted` (reads only) or `off` (nothing; live connections are cut).\nWith `--run` one run is revoked for good: its connections, its calls, and what was handed on from it; other runs go on.\nIts process is not ended: it has no rights any more.\nAt a terminal it shows first what the agent reaches and what hangs on it, and asks; elsewhere it acts at once and tells afterwards.\nReports what every PEP saw. Exit 0 contained, 9 not every PEP is silent, 8 already so.',
    )
    .argument('[agent]', 'name of a registered agent')
    .requiredOption('--reason <text>', 'why; it stands in the log')
    .addOption(new Option('--level <level>', 'what is left to it').choices(['watched', 'restricted', 'off']).default('off'))
    .addOption(new Option('--run <id>', 'one run, in place of an agent').conflicts('level'))
    .addOption(new Option('--yes', 'do not ask').conflicts('run'))
    .action(async (agent: string | undefined, { reason, level, run, yes }: OffOptions, self: Command) => {
      if ((agent === undefined) === (run === undefined)) {
        throw new Failure('usage', agent === undefined ? 'name an agent or a run' : 'name an agent or a run, not both', {
          expected: '`cordon off AGENT --reason TEXT`, or `cordon off --run ID --reason TEXT`',
        });
      }
      if (run !== undefined) await revokeAndTell(contextOf(self), { kind: 'run', id: run, reason });
      if (agent === undefined) return;
      const context = contextOf(self);
      await changeLevel(context, { agent, level, reason, act: 'off', ask: askerOf(context, yes === true) });
    });
  showExamples(command, [
    'cordon off researcher --reason "obeys a poisoned page"',
    'cordon off clerk --level restricted --reason "odd payments, being looked at"',
    'cordon off --run 01JZK5T9Q2XM --reason "its laptop was stolen"',
  ]);
}
