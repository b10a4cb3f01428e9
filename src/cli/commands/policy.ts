// `cordon policy …`: policies from the draft to what is enforced. Each command is a file beside this one.
import type { Command } from 'commander';
import { showExamples } from '../usage.ts';
import { policyApply } from './policy-apply.ts';
import { policyCheck } from './policy-check.ts';
import { policyDiff } from './policy-diff.ts';
import { policyFmt } from './policy-fmt.ts';
import { policyHistory } from './policy-history.ts';
import { policyImpact } from './policy-impact.ts';
import { policyPromote, policyRollback, policyWithdraw } from './policy-rollout.ts';
import { policyStatus } from './policy-status.ts';
import { policySuggest } from './policy-suggest.ts';
import { policyTest } from './policy-test.ts';
import { policyWorld } from './policy-world.ts';

/** In the order of the help, which is that of the work. */
const COMMANDS: readonly ((policy: Command) => void)[] = [
  policyCheck,
  policyFmt,
  policyTest,
  policyWorld,
  policySuggest,
  policyDiff,
  policyImpact,
  policyApply,
  policyStatus,
  policyPromote,
  policyRollback,
  policyWithdraw,
  policyHistory,
];

export function policyCommand(program: Command): void {
  const policy = program
    .command('policy')
    .helpCommand(false)
    .summary('policies: check, fmt, test, world, suggest, diff, impact, apply, status, promote, rollback, withdraw, history')
    .description('Policies from the draft to what is enforced: checked and tested as files, then as versions of the running Cordon.');
  showExamples(policy, [
    'cordon policy check',
    'cordon policy test --watch',
    'cordon policy impact',
    'cordon policy apply --shadow',
    'cordon policy promote',
    'cordon policy rollback',
  ]);
  for (const add of COMMANDS) add(policy);
}
