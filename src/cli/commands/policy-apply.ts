// `cordon policy apply`: a set of policies becomes a version, enforced at once or, with --shadow, looked at beside what is enforced.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { JsonObject } from '../../domain/json.ts';
import type { Client, Reply } from '../client.ts';
import { contextOf } from '../context.ts';
import { Failure } from '../errors.ts';
import { printRollout } from '../rollout-lines.ts';
import { showExamples } from '../usage.ts';

interface ApplyOptions {
  readonly shadow?: true;
  readonly note?: string;
  readonly acceptWidening?: readonly string[];
}

export function policyApply(policy: Command): void {
  const command = policy
    .command('apply')
    .summary('enforce the policy files as they are now')
    .description(
      'Makes a version of the policy files and enforces it; with --shadow it is the candidate: compared on every decision, without effect.\nThe tests beside the policies are run first; where there are none, those of the configured directory are.\nExit 2 with file and line when it is not admitted, 7 when a test fails, or a recorded decision that was a denial would be allowed and that is not accepted; then nothing changes.',
    )
    .argument('[dir]', 'directory of *.cedar and *.test.yaml files (default: the one that the running Cordon is configured with)')
    .option('--shadow', 'as the candidate, beside what is enforced')
    .option('--note <text>', 'why; it stands in the log and in the history')
    .option('--accept-widening <policy...>', 'policies by which more may be allowed')
    .action(async (dir: string | undefined, { shadow, note, acceptWidening = [] }: ApplyOptions, self: Command) => {
      const context = contextOf(self);
      const files = { ...(await sourcesIn(dir)), ...(await testsIn(dir)) };
      const order = { ...files, shadow: shadow === true, acceptWidening, ...(note === undefined ? {} : { note }) };
      printRollout(context, await context.connected((client) => apply(client, order)), dir);
    });
  showExamples(command, [
    'cordon policy apply',
    'cordon policy apply --shadow --note "exports for finance"',
    'cordon policy apply drafts --accept-widening finance-export',
  ]);
}

/** The files of a directory, as an order sends them. @throws Failure when there are none, Refusal CORDON-9006, CORDON-9007 */
export async function sourcesIn(dir: string | undefined): Promise<{ readonly sources?: readonly JsonObject[] }> {
  if (dir === undefined) return {};
  const { readPolicies } = await import('../../control/policies.ts');
  const sources = await readPolicies(resolve(dir));
  if (sources.length > 0) return { sources: sources.map(({ path, text }) => ({ path, text })) };
  throw new Failure('usage', `there are no policies in \`${dir}\``, {
    expected: '*.cedar files',
    fix: ['name the directory that holds them'],
  });
}

async function testsIn(dir: string | undefined): Promise<{ readonly tests?: readonly JsonObject[] }> {
  if (dir === undefined) return {};
  const { readTests } = await import('../../control/policies.ts');
  const tests = await readTests(resolve(dir));
  return { tests: tests.map(({ path, text }) => ({ path, text })) };
}

/** Whoever broke a set has to hear what is in force now: the one before it, or nothing. INVARIANT I1 */
async function apply(client: Client, order: JsonObject): Promise<Reply<'rollout'>> {
  try {
    return await client.applyPolicies(order);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { policies } = (await client.status()).value;
    const { exit, message, detail } = error;
    const now =
      policies.state === 'none'
        ? 'until then none is in force and every call is denied'
        : `until then version ${policies.version} stays in force`;
    throw new Failure(exit, message, {
      ...detail,
      expected: detail.expected ?? `a set that is admitted; ${now}`,
      fix: [...(detail.fix ?? []), 'then `cordon policy apply`'],
      cause: error,
    });
  }
}
