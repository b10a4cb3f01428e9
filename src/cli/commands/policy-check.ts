// `cordon policy check`: everything that is wrong with the policies at once, types held against the real schemas of the tools.
import type { Command } from 'commander';
import { sha256Hex } from '../../crypto/hash.ts';
import { Refusal } from '../../domain/refusal.ts';
import type { LintFinding } from '../../policy/lint/rules.ts';
import { contextOf, type Context } from '../context.ts';
import { EXIT } from '../errors.ts';
import { addWorldOptions, knownWorld, policyFiles, type KnownWorld, type PolicyFiles, type WorldOptions } from '../known-world.ts';
import { findingJson, findingLines } from '../lint-lines.ts';
import type { Paint } from '../paint.ts';
import { several } from '../units.ts';
import { plain } from '../untrusted.ts';
import { showExamples } from '../usage.ts';

interface CheckOptions extends WorldOptions {
  readonly strict?: true;
}

export function policyCheck(policy: Command): void {
  const command = policy
    .command('check')
    .summary('find what is wrong with the policies')
    .description(
      'Finds what is wrong with the policies, all at once: what would not be admitted, and what cannot be meant.\nTools are those of the running Cordon, else those pinned in the data directory. Exit 7 on an error; with --strict on a warning too.',
    )
    .argument('[dir]', 'directory of *.cedar files (default: `policies` of cordon.yaml)')
    .option('--strict', 'a warning fails too')
    .action(async (dir: string | undefined, options: CheckOptions, self: Command) => check(contextOf(self), dir, options));
  addWorldOptions(command);
  showExamples(command, ['cordon policy check', 'cordon policy check --strict --json', 'cordon policy check policies --world world.json']);
}

async function check(context: Context, dir: string | undefined, options: CheckOptions): Promise<void> {
  const files = await policyFiles(context, dir);
  const known = await knownWorld(context, options);
  const findings = await findingsIn(files, known);
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.length - errors;
  const failed = errors > 0 || (options.strict === true && warnings > 0);
  const json = {
    schema: 'cordon.policy-check/v1',
    ok: !failed,
    world: { from: known.from, detail: known.said },
    files: files.sources.length,
    errors,
    warnings,
    findings: findings.map(findingJson),
  };
  context.out.print(json, (paint) => [
    ...findings.flatMap((finding) => findingLines(paint, finding)),
    ...summary(paint, files, known, findings),
  ]);
  if (failed) process.exitCode = EXIT.gate;
}

/** What admission itself would still refuse is found last: nothing passes here that the server would not take. @throws Refusal CORDON-9007 */
async function findingsIn({ directory, sources }: PolicyFiles, { world }: KnownWorld): Promise<readonly LintFinding[]> {
  const [{ lint }, { admit }] = await Promise.all([import('../../policy/lint/lint.ts'), import('../../policy/admit.ts')]);
  const findings = await lint(sources, world);
  if (findings.some(({ severity }) => severity === 'error')) return findings;
  try {
    await admit(sources, world, 0, sha256Hex);
    return findings;
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'CORDON-9006') throw error;
    const { message, fix } = error;
    const place = { file: directory, line: 1, column: 1, excerpt: ['', ''] } as const;
    return [...findings, { rule: 'not-admitted', severity: 'error', ...place, message, help: fix }];
  }
}

function summary(paint: Paint, { sources }: PolicyFiles, { said }: KnownWorld, findings: readonly LintFinding[]): readonly string[] {
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.length - errors;
  const found = [errors === 0 ? '' : several(errors, 'error'), warnings === 0 ? '' : several(warnings, 'warning')].filter(
    (text) => text !== '',
  );
  const mark = paint.mark(errors > 0 ? 'x' : warnings > 0 ? '!' : 'v');
  return [
    `${mark} ${found.length === 0 ? 'nothing found' : found.join(', ')} in ${several(sources.length, 'file')}, against ${plain(said)}`,
  ];
}
