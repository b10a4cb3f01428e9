// `cordon policy world`: what policies are checked and tested against, as a file for where no Cordon runs.
import type { Command } from 'commander';
import { writeJson } from '../../domain/json.ts';
import { contextOf } from '../context.ts';
import { addOffline, knownWorld, type WorldOptions } from '../known-world.ts';
import { showExamples } from '../usage.ts';
import { escapeJson } from '../untrusted.ts';

export function policyWorld(policy: Command): void {
  const command = policy
    .command('world')
    .summary('print what the policies are checked against')
    .description(
      'Prints agents, segments, resources and pinned tools as JSON: `cordon policy check --world FILE` reads it where no Cordon runs.\nIt names what is on record about resources (their tags), and holds no secret.',
    )
    .action(async (options: WorldOptions, self: Command) => {
      const context = contextOf(self);
      const { worldJson } = await import('../../control/world-view.ts');
      const { world, said } = await knownWorld(context, options);
      // levels are of the moment, and no test depends on them
      process.stdout.write(`${escapeJson(writeJson(worldJson({ ...world, levels: new Map() })))}\n`);
      context.out.hint(`from ${said}`);
    });
  addOffline(command);
  showExamples(command, ['cordon policy world > policies/world.json', 'cordon policy world --offline']);
}
