// The table tests of a directory, for a run on this machine.
import { join } from 'node:path';
import { readTests } from '../control/policies.ts';
import type { World } from '../domain/registry.ts';
import type { TableTest } from '../policy/test-table.ts';
import { parseTable } from '../server/policy-table.ts';
import { Failure } from './errors.ts';
import { shown } from './known-world.ts';

/** In name order. @throws Failure `usage` with every problem, or when there is no test; Refusal CORDON-9006 */
export async function readTables(directory: string, world: World): Promise<readonly TableTest[]> {
  const files = await readTests(directory);
  const tables = files.map(({ path, text }) => parseTable(text, shown(join(directory, path)), world));
  const problems = tables.flatMap(({ problems: its }) => its);
  if (problems.length > 0) throw new Failure('usage', problems.join('\n'), { fix: ['mend the lines above'] });
  const tests = tables.flatMap(({ tests: its }) => its);
  if (tests.length > 0) return tests;
  throw new Failure('usage', 'there are no tests, and no test is no pass', {
    observed: `no \`*.test.yaml\` in \`${shown(directory)}\``,
    fix: [`write one beside the policies: \`${shown(join(directory, 'policies.test.yaml'))}\``, 'see an example: `cordon init DIR`'],
  });
}
