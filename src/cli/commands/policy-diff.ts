// `cordon policy diff`: what another set of policies means, over everything that can be asked of this world.
import { InvalidArgumentError, type Command } from 'commander';
import type { JsonObject } from '../../domain/json.ts';
import { contextOf } from '../context.ts';
import { diffLines } from '../diff-lines.ts';
import { EXIT } from '../errors.ts';
import { patiently } from '../patience.ts';
import { showExamples } from '../usage.ts';
import { sourcesIn } from './policy-apply.ts';

interface DiffOptions {
  readonly limit: number;
  readonly acceptWidening?: readonly string[];
}

export function policyDiff(policy: Command): void {
  const command = policy
    .command('diff')
    .summary('show what policies change, for every agent and everything it may call')
    .description(
      'Compares two sets of policies by what they mean: every agent, action and resource whose answer changes, what widens first.\nArguments are not known: `may` is an answer that depends on them. One set: what is enforced against it; none: against the configured directory.\nExit 7 when something widens, or may, by a policy that is not accepted by name.',
    )
    .argument('[from]', 'a directory of *.cedar files, or the number of a version')
    .argument('[to]', 'the same')
    .option('--accept-widening <policy...>', 'policies by which more may be allowed')
    .option('--limit <count>', 'at most this many rows of each change', countOf, 1_000)
    .action(async (from: string | undefined, to: string | undefined, { limit, acceptWidening = [] }: DiffOptions, self: Command) => {
      const context = contextOf(self);
      const sides = {
        ...(from === undefined || to === undefined ? {} : { from: await policiesIn(from) }),
        ...(from === undefined ? {} : { to: await policiesIn(to ?? from) }),
      };
      const { json, value } = await context.connected((client) =>
        patiently(context, 'comparing', client.policyDiff({ ...sides, acceptWidening, limit })),
      );
      context.out.print(json, (paint) => diffLines(paint, value));
      if (value.unaccepted.length > 0) process.exitCode = EXIT.gate;
    });
  showExamples(command, ['cordon policy diff', 'cordon policy diff drafts', 'cordon policy diff 3 4 --json']);
}

/** Policies as people name them: the number of a version, or the files of a directory (`./3` for one that is called so). */
export const policiesIn = async (given: string): Promise<JsonObject> =>
  /^[1-9]\d{0,8}$/.test(given) ? { version: Number(given) } : { ...(await sourcesIn(given)) };

function countOf(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 10_000) return value;
  throw new InvalidArgumentError('Expected 1 to 10000.');
}
