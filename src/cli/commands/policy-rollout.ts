// `cordon policy promote`, `rollback`, `withdraw`: which version is enforced, and which is looked at.
import { InvalidArgumentError, type Command } from 'commander';
import { contextOf } from '../context.ts';
import { printRollout } from '../rollout-lines.ts';
import { showExamples } from '../usage.ts';

interface Noted {
  readonly note?: string;
}

const NOTE = ['--note <text>', 'why; it stands in the log and in the history'] as const;
const noted = ({ note }: Noted): { readonly note?: string } => (note === undefined ? {} : { note });

export function policyPromote(policy: Command): void {
  const command = policy
    .command('promote')
    .summary('enforce the candidate')
    .description(
      'Enforces the candidate. Its tests are run again first.\nExit 7 when one fails, or a recorded decision that was a denial would be allowed and that is not accepted; then nothing changes.',
    )
    .option(...NOTE)
    .option('--accept-widening <policy...>', 'policies by which more may be allowed')
    .action(async (options: Noted & { readonly acceptWidening?: readonly string[] }, self: Command) => {
      const context = contextOf(self);
      const order = { ...noted(options), acceptWidening: options.acceptWidening ?? [] };
      printRollout(context, await context.connected((client) => client.promotePolicies(order)));
    });
  showExamples(command, ['cordon policy promote', 'cordon policy promote --accept-widening finance-export']);
}

export function policyRollback(policy: Command): void {
  const command = policy
    .command('rollback')
    .summary('enforce an earlier version, at once')
    .description('Enforces the version that was enforced before, or the one that --to names. It is not asked what that widens.')
    .option('--to <version>', 'the version to return to', versionOf)
    .option(...NOTE)
    .action(async (options: Noted & { readonly to?: number }, self: Command) => {
      const context = contextOf(self);
      const order = { ...noted(options), ...(options.to === undefined ? {} : { to: options.to }) };
      printRollout(context, await context.connected((client) => client.rollbackPolicies(order)));
    });
  showExamples(command, ['cordon policy rollback', 'cordon policy rollback --to 2 --note "3 denies the month-end run"']);
}

export function policyWithdraw(policy: Command): void {
  const command = policy
    .command('withdraw')
    .summary('have no candidate any more')
    .description('Takes the candidate away; what is enforced stays.')
    .option(...NOTE)
    .action(async (options: Noted, self: Command) => {
      const context = contextOf(self);
      printRollout(context, await context.connected((client) => client.withdrawPolicies(noted(options))));
    });
  showExamples(command, ['cordon policy withdraw']);
}

function versionOf(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a version number.');
}
