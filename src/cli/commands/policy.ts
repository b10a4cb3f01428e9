// `cordon policy reload`: the policy files as they are now, in force.
import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import { plain } from '../untrusted.ts';
import { showExamples } from '../usage.ts';
import { several } from '../units.ts';

export function policyCommand(program: Command): void {
  const policy = program.command('policy').helpCommand(false).summary('policies: reload').description('Policies of the running Cordon.');
  showExamples(policy, ['cordon policy reload']);
  const reload = policy
    .command('reload')
    .summary('read the policy files again')
    .description('Reads the policy files again and puts them in force. Exit 2 with file and line when they are not admitted.')
    .action(async (_options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.reloadPolicies());
      context.out.print(json, (paint) => [
        `${paint.mark('v')} ${several(value.count, 'policy', 'policies')} in force  version ${plain(String(value.version))}`,
      ]);
    });
  showExamples(reload, ['cordon policy reload', 'cordon policy reload --json']);
}
