// `cordon policy fmt`: policy files in their one form, rewritten whole or not at all.
import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import { randomId } from '../../crypto/random.ts';
import type { LintFinding } from '../../policy/lint/rules.ts';
import type { PolicySource } from '../../policy/policy-set.ts';
import { contextOf, type Context } from '../context.ts';
import { EXIT } from '../errors.ts';
import { policyFiles, shown } from '../known-world.ts';
import { findingJson, findingLines } from '../lint-lines.ts';
import { several } from '../units.ts';
import { plain } from '../untrusted.ts';
import { showExamples } from '../usage.ts';

export function policyFmt(policy: Command): void {
  const command = policy
    .command('fmt')
    .summary('put the policy files into their one form')
    .description(
      'Rewrites policy files as the official Cedar formatter writes them; comments stay, meaning never changes, and nothing is written unless all can be read.\nWith --check nothing is written: exit 7 names the files that would change.',
    )
    .argument('[path]', 'a directory, a file, or `-` from stdin to stdout (default: `policies` of cordon.yaml)')
    .option('--check', 'write nothing; exit 7 when a file would change')
    .action(async (path: string | undefined, { check }: { check?: true }, self: Command) => {
      const context = contextOf(self);
      await (path === '-' ? filter(context, check === true) : rewrite(context, path, check === true));
    });
  showExamples(command, ['cordon policy fmt', 'cordon policy fmt --check', 'cordon policy fmt - < draft.cedar']);
}

async function filter(context: Context, check: boolean): Promise<void> {
  const { formatted } = await import('../../policy/format.ts');
  const text = (await buffer(process.stdin)).toString('utf8');
  const result = formatted({ path: 'stdin', text });
  if (typeof result !== 'string') return unreadable(context, result);
  if (check) {
    if (result !== text) process.exitCode = EXIT.gate;
    return;
  }
  if (context.json) context.out.print({ schema: 'cordon.policy-fmt/v1', text: result }, () => []);
  else process.stdout.write(result);
}

interface Formatted {
  readonly source: PolicySource;
  readonly result: string | readonly LintFinding[];
}

async function rewrite(context: Context, path: string | undefined, check: boolean): Promise<void> {
  const { formatted } = await import('../../policy/format.ts');
  const sources = await sourcesAt(context, path);
  const all = sources.map((source): Formatted => ({ source, result: formatted(source) }));
  const findings = all.flatMap(({ result }) => (typeof result === 'string' ? [] : result));
  if (findings.length > 0) return unreadable(context, findings);
  const changed = all.flatMap(({ source, result }) =>
    typeof result === 'string' && result !== source.text ? { path: source.path, text: result } : [],
  );
  if (!check) for (const file of changed) await replace(resolve(file.path), file.text);
  const json = { schema: 'cordon.policy-fmt/v1', check, files: sources.length, changed: changed.map((file) => file.path) };
  context.out.print(json, (paint) => [
    ...changed.map((file) => `${paint.mark(check ? 'x' : 'v')} ${plain(file.path)}`),
    `${paint.mark(check && changed.length > 0 ? 'x' : 'v')} ${told(sources.length, changed.length, check)}`,
  ]);
  if (check && changed.length > 0) process.exitCode = EXIT.gate;
}

const told = (files: number, changed: number, check: boolean): string =>
  changed === 0
    ? `${several(files, 'file')}, nothing to change`
    : `${changed} of ${several(files, 'file')} ${check ? 'would change: cordon policy fmt' : 'rewritten'}`;

function unreadable(context: Context, findings: readonly LintFinding[]): void {
  const json = { schema: 'cordon.policy-fmt/v1', changed: [], findings: findings.map(findingJson) };
  context.out.print(json, (paint) => [
    ...findings.flatMap((finding) => findingLines(paint, finding)),
    `${paint.mark('x')} ${several(findings.length, 'error')}, nothing was written`,
  ]);
  process.exitCode = EXIT.usage;
}

async function sourcesAt(context: Context, path: string | undefined): Promise<readonly PolicySource[]> {
  const file = path === undefined ? undefined : resolve(path);
  const isFile = file !== undefined && (await stat(file).catch(() => undefined))?.isFile() === true;
  if (isFile) return [{ path: shown(file), text: await readFile(file, 'utf8') }];
  return (await policyFiles(context, path)).sources;
}

/** A reader sees the old text or the new, never a part; a link stays a link, and the file keeps its mode. */
async function replace(path: string, text: string): Promise<void> {
  const target = await realpath(path);
  const { mode } = await stat(target);
  const temporary = join(dirname(target), `.${basename(target)}.${randomId(8)}.tmp`);
  const file = await open(temporary, 'wx', mode & 0o777);
  try {
    await file.writeFile(text);
    await file.sync();
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}
