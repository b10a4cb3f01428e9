// `cordon policy impact`: what would change, from decisions that were recorded.
import { InvalidArgumentError, type Command } from 'commander';
import { contextOf } from '../context.ts';
import { EXIT } from '../errors.ts';
import { impactLines } from '../rollout-lines.ts';
import { spanOf } from '../span.ts';
import { showExamples } from '../usage.ts';
import { sourcesIn } from './policy-apply.ts';

interface ImpactOptions {
  readonly candidate?: true;
  readonly since: string;
  readonly limit: number;
  readonly acceptWidening?: readonly string[];
}

export function policyImpact(policy: Command): void {
  const command = policy
    .command('impact')
    .summary('show what policy files would change, on recorded decisions')
    .description(
      'Decides recorded requests again, with what is enforced and with other policies, and lists what changes.\nRequests are those recorded then; agents, tools and levels are those of now, and what is gone or defined anew is not evaluable.\nExit 7 when something would be allowed that is denied now and that is not accepted by name.',
    )
    .argument('[dir]', 'directory of *.cedar files (default: the one that the running Cordon is configured with)')
    .option('--candidate', 'the candidate instead of files')
    .option('--since <span>', 'how far back: `12h`, `7d`', '7d')
    .option('--limit <count>', 'at most this many decisions, the newest', countOf, 10_000)
    .option('--accept-widening <policy...>', 'policies by which more may be allowed')
    .action(async (dir: string | undefined, options: ImpactOptions, self: Command) => {
      const { candidate = false, since, limit, acceptWidening = [] } = options;
      const context = contextOf(self);
      const order = { ...(await sourcesIn(dir)), candidate, sinceMs: spanOf(since, '--since'), limit, acceptWidening };
      const { json, value } = await context.connected((client) => client.policyImpact(order));
      context.out.print(json, (paint) => impactLines(paint, value, value.unaccepted));
      if (value.unaccepted.length > 0) process.exitCode = EXIT.gate;
    });
  showExamples(command, ['cordon policy impact', 'cordon policy impact drafts --since 30d', 'cordon policy impact --candidate --json']);
}

function countOf(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 1_000_000) return value;
  throw new InvalidArgumentError('Expected 1 to 1000000.');
}
