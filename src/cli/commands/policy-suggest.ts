// `cordon policy suggest`: least privilege from recorded decisions, as a policy file on stdout. Nothing is applied.
import { InvalidArgumentError, type Command } from 'commander';
import { contextOf } from '../context.ts';
import { patiently } from '../patience.ts';
import { spanOf } from '../span.ts';
import { several } from '../units.ts';
import { showExamples } from '../usage.ts';

interface SuggestOptions {
  readonly agent: string;
  readonly since: string;
  readonly limit: number;
}

export function policySuggest(policy: Command): void {
  const command = policy
    .command('suggest')
    .summary('propose permits for exactly what an agent was seen to do')
    .description(
      'Prints policies: for each tool that the agent called with success, a permit that narrows the one it was allowed by, with counts and with\nwhat its arguments had in common. Denied calls and permits without use stand as comments. Applies nothing.',
    )
    .requiredOption('--agent <name>', 'name of a registered agent')
    .option('--since <span>', 'how far back: `12h`, `7d`', '7d')
    .option('--limit <count>', 'at most this many decisions, the newest', countOf, 10_000)
    .action(async ({ agent, since, limit }: SuggestOptions, self: Command) => {
      const context = contextOf(self);
      const question = { agent, sinceMs: spanOf(since, '--since'), limit };
      const { json, value } = await context.connected((client) => patiently(context, 'reading', client.policySuggest(question)));
      context.out.print(json, () => value.text.trimEnd().split('\n'));
      const { permits, calls, complete } = value;
      const from = `${several(permits.length, 'permit')} from ${several(calls, 'call')}${complete ? '' : ', the newest'}`;
      context.out.hint(`${from}; correct them, then \`cordon policy check\` and \`cordon policy diff\``);
    });
  showExamples(command, ['cordon policy suggest --agent clerk > drafts/clerk.cedar', 'cordon policy suggest --agent clerk --since 30d']);
}

function countOf(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 1_000_000) return value;
  throw new InvalidArgumentError('Expected 1 to 1000000.');
}
