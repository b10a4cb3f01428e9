// `cordon agent token` and `cordon agent approve`: letting one workload in by hand.
import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import { spanOf } from '../span.ts';
import { plain } from '../untrusted.ts';
import { showExamples } from '../usage.ts';
import { until } from '../units.ts';

/** The secret goes to stdout and nowhere else. */
export function addToken(agent: Command): void {
  const command = agent
    .command('token')
    .summary('make a token with which one workload elsewhere joins')
    .description(
      'Makes a join token for a host that this machine does not start processes on: good once, until it expires. Put the three variables into\nthe environment of the process; hand the token over as you would a password.',
    )
    .argument('<name>', 'of a registered agent')
    .option('--ttl <span>', 'how long it may be used', '10m')
    .action(async (name: string, { ttl }: { readonly ttl: string }, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.makeAgentToken(name, spanOf(ttl, '--ttl')));
      const { token, identity_url: url, bundle, expires_at: end, id } = value;
      context.out.print(json, () => [
        `CORDON_JOIN_TOKEN=${token}`,
        `CORDON_IDENTITY_URL=${plain(url)}`,
        `CORDON_BUNDLE='${bundle.trimEnd()}'`,
      ]);
      context.out.hint(`token ${plain(id)} for ${plain(name)}: good once, ${until(end, Date.now())}`);
    });
  showExamples(command, ['cordon agent token researcher --ttl 10m', 'cordon agent token researcher --json > token.json']);
}

export function addApprove(agent: Command): void {
  const command = agent
    .command('approve')
    .summary('accept what a run is made of, after drift')
    .description(
      'What a run was seen to be made of becomes what its entry expects, and the run renews again. Look first: `cordon agent get NAME`.\nAn entry in cordon.yaml is changed there.',
    )
    .argument('<name>', 'of a registered agent')
    .requiredOption('--run <id>', 'the run, as `cordon agent get` shows it')
    .requiredOption('--reason <text>', 'why; it stands in the log')
    .action(async (name: string, { run, reason }: { readonly run: string; readonly reason: string }, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.approveRun(name, run, reason));
      const parts = Object.entries(value.composition).map(([part, seen]) => `${plain(part)} ${plain(seen).slice(0, 12)}`);
      context.out.print(json, (paint) => [`${paint.mark('v')} run ${plain(value.run)} is accepted as it is: ${parts.join(', ')}`]);
    });
  showExamples(command, ['cordon agent get clerk', 'cordon agent approve clerk --run 7Q2FM3XK9ABC --reason "new prompt reviewed"']);
}
