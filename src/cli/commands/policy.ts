// `cordon policy reload`: the policy files as they are now, in force.
import type { Command } from 'commander';
import type { Client, Reply } from '../client.ts';
import { contextOf } from '../context.ts';
import { Failure } from '../errors.ts';
import { plain } from '../untrusted.ts';
import { showExamples } from '../usage.ts';
import { several } from '../units.ts';

export function policyCommand(program: Command): void {
  const policy = program.command('policy').helpCommand(false).summary('policies: reload').description('Policies of the running Cordon.');
  showExamples(policy, ['cordon policy reload']);
  const command = policy
    .command('reload')
    .summary('read the policy files again')
    .description(
      'Reads the policy files again and puts them in force. Exit 2 with file and line when they are not admitted; then nothing changes.',
    )
    .action(async (_options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected(reload);
      context.out.print(json, (paint) => [
        `${paint.mark('v')} ${several(value.count, 'policy', 'policies')} in force  version ${plain(String(value.version))}`,
      ]);
    });
  showExamples(command, ['cordon policy reload', 'cordon policy reload --json']);
}

/** Whoever broke a set has to hear what is in force now: the one before it, or nothing. INVARIANT I1 */
async function reload(client: Client): Promise<Reply<'policies'>> {
  try {
    return await client.reloadPolicies();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { policies } = (await client.status()).value;
    const { exit, message, detail } = error;
    const now =
      policies.state === 'none' ? 'until then none is in force and every call is denied' : 'until then the set in force stays in force';
    throw new Failure(exit, message, {
      ...detail,
      expected: detail.expected ?? `a set that is admitted; ${now}`,
      fix: [...(detail.fix ?? []), 'then `cordon policy reload`'],
      cause: error,
    });
  }
}
