// `cordon audit verify`: the log, from its files and a public key alone. No server, no network (UX reference J7).
import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import { EXIT } from '../errors.ts';
import type { Verified } from '../verified.ts';
import { showExamples } from '../usage.ts';

interface VerifyOptions {
  readonly pinned?: string;
  readonly key?: string;
}

export function auditCommand(program: Command): void {
  const audit = program.command('audit').helpCommand(false).summary('the audit log: verify').description('The audit log.');
  showExamples(audit, ['cordon audit verify']);
  const verify = audit
    .command('verify')
    .summary('verify the log offline')
    .description(
      'Verifies every entry and every tile of the log against its signed checkpoint, offline, and says what was not checked.\nExit 0 only when the result is VERIFIED, 6 for ALTERED, TRUNCATED, UNSIGNED and KEY_NOT_TRUSTED.',
    )
    .argument('[dir]', 'a log, or a directory of logs (default: those of the data directory)')
    .option('--pinned <file>', 'a checkpoint of this log that you kept from earlier')
    .option('--key <file>', 'the verifier key to trust (default: the one that stands beside the log)')
    .action(async (dir: string | undefined, options: VerifyOptions, self: Command) => {
      const context = contextOf(self);
      const { findLogs, renderVerified, verifyFound, verifiedJson } = await import('../verified.ts');
      const logs = await findLogs(dir, context.data, options);
      const verified: Verified[] = [];
      for (const log of logs) verified.push(await verifyFound(log));
      context.out.print(verifiedJson(verified), (paint) => verified.flatMap((one) => renderVerified(paint, one)));
      if (verified.some(({ verification }) => verification.result !== 'VERIFIED')) process.exitCode = EXIT.integrity;
      else if (options.pinned === undefined)
        context.out.hint('  keep a checkpoint elsewhere and give it back with --pinned: then a log that was cut back shows');
    });
  showExamples(verify, [
    'cordon audit verify',
    'cordon audit verify ./copy-of-the-log --key desk.vkey',
    'cordon audit verify --pinned checkpoint-2026-11',
  ]);
}
